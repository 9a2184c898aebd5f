"""One mutually authenticated connection to the host, and what its failures mean."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import grpc.aio

from node import membership
from shared import identity
from shared.errors import OwnerMustAct, PotluckError
from shared.rpc import refusal, tls
from shared.rpc.dial import find, split
from shared.rpc.v1.node_pb2_grpc import NodeStub

if TYPE_CHECKING:  # only the stub's type description has it
    from shared.rpc.v1.node_pb2_grpc import NodeAsyncStub

UNARY_SECONDS = 20.0  # a small question that takes longer has no answer


@dataclass(frozen=True, slots=True)
class Connection:
    """An open channel. Close it when done; calls under way then end."""

    channel: grpc.aio.Channel
    address: str
    certificate: bytes  # ours, PEM

    @property
    def stub(self) -> NodeAsyncStub:
        return NodeStub(self.channel)

    def trouble(self, error: grpc.aio.AioRpcError, doing: str) -> PotluckError:
        """A failed call in words."""
        return refusal.in_words(error, doing, self.address, certificate=self.certificate)

    @asynccontextmanager
    async def words(self, doing: str) -> AsyncIterator[None]:
        """Inside: a failed call raises one of our errors, with a sentence."""
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise self.trouble(error, doing) from error

    async def close(self) -> None:
        await self.channel.close()


async def connect(home: Path) -> Connection:
    """Find the host at any address it is known by, and show it our certificate.

    Raises Refused(CERTIFICATE_EXPIRED) without dialling when ours has ended, else what shared.rpc.dial.find raises.
    """
    member, papers = membership.load(home), membership.papers(home)
    if (trouble := refusal.preflight(papers.certificate_pem, time.time())) is not None:
        raise trouble
    found = await find(member.working, identity.pin_of(papers.ca_pem))
    answered = member.joining[member.working.index(found.address)]
    if answered != member.answered:
        membership.save(home, replace(member, answered=answered))
    channel = tls.channel(found.address, papers.ca_pem, papers.key_pem, papers.certificate_pem)
    return Connection(channel, found.address, papers.certificate_pem)


def dialable(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Those that look like host:port: what a host tells is checked like anything else."""

    def fine(address: str) -> bool:
        try:
            split(address)
        except OwnerMustAct:
            return False
        return True

    return tuple(dict.fromkeys(address for address in addresses[:32] if fine(address)))
