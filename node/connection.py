"""One mutually authenticated connection to the host, and what its failures mean."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from node import membership
from shared.clock import Validity
from shared.errors import OwnerMustAct, PotluckError, TryLater
from shared.rpc import refusal, tls
from shared.rpc.dial import find_again
from shared.rpc.v1.node_pb2_grpc import NodeStub

if TYPE_CHECKING:  # only the stub's type description has it
    from shared.rpc.v1.node_pb2_grpc import NodeAsyncStub

UNARY_SECONDS = 20.0  # a small question that takes longer has no answer
_CORE = "Internal error from Core"  # what grpc.aio 1.85 puts over the host's answer to a call it ended while we wrote


class AnswerLost(TryLater):
    """The host answered before we had sent everything, and grpc lost what it said (grpc/grpc#36066): ask again."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An open channel. Close it when done; calls under way then end."""

    channel: grpc.aio.Channel
    address: str
    valid: Validity  # our certificate's dates

    @property
    def stub(self) -> NodeAsyncStub:
        return NodeStub(self.channel)

    def trouble(self, error: grpc.aio.AioRpcError, doing: str) -> PotluckError:
        """A failed call in words."""
        if error.code() is grpc.StatusCode.INTERNAL and (error.details() or "").startswith(_CORE):
            return AnswerLost(f"The host at {self.address} ended the call while {doing}, and its answer was lost.")
        return refusal.in_words(error, doing, self.address, valid=self.valid)

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

    Raises Refused(CERTIFICATE_EXPIRED) without dialling when ours has ended, OwnerMustAct when it is another group's
    (TLS 1.3 would only say that the connection broke), else what shared.rpc.dial.find raises.
    """
    member, papers = membership.load(home), membership.papers(home)
    if (trouble := refusal.preflight(papers.valid, time.time())) is not None:
        raise trouble
    if not papers.fit:
        raise OwnerMustAct(
            f"{home / 'pki' / 'node.crt'} was not made by this group's host for this PC's key. Put it back from a "
            "copy, or leave (`potluck node leave --force`) and join again with a new invite."
        )
    # The joining port shows its chain to anybody; the other one would log a failed handshake on the host.
    found = await find_again(member.joining, papers.ca_pem)
    if found.address != member.answered:
        member = replace(member, answered=found.address)
        membership.save(home, member)
    channel = tls.channel(member.answering, papers.ca_pem, papers.key_pem, papers.certificate_pem)
    return Connection(channel, member.answering, papers.valid)
