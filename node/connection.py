"""One mutually authenticated connection to the host, and what its failures mean."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc.aio

from shared.errors import PotluckError
from shared.rpc import refusal
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
