"""The joining door: the only service for a PC without a certificate. Every decision is made in `logic.members`.

Hello sends no secret. Join and Renew answer the same key the same way again, so a reply that was lost on the way costs
nothing. A request signed by a registered key is the whole proof for Renew, however long ago its certificate ended.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from coordinator.guard import KnowsMembers
from coordinator.logic import members
from coordinator.logic.members import MemberFact
from shared.authority import CertificateAuthority
from shared.errors import Refusal, Refused
from shared.identity import public_key_of
from shared.ids import node_id
from shared.invite import secret_hash
from shared.rpc.protocol import OLDEST, PROTOCOL, VERSION
from shared.rpc.refusal import Context, answering
from shared.rpc.v1 import enrol_pb2, enrol_pb2_grpc


class Ledger(KnowsMembers, Protocol):
    """Where facts go (coordinator/ledger.py)."""

    def record(self, fact: MemberFact, /) -> Awaitable[None]:
        """Applied at once; durable when awaited."""
        ...

    def now(self) -> float: ...


class EnrolDoor(enrol_pb2_grpc.EnrolServicer):
    """One instance serves everybody. `port` is the mutual-TLS one; `addresses` are where joining PCs reach us."""

    def __init__(
        self,
        ledger: Ledger,
        authority: CertificateAuthority,
        cluster: str,
        port: int,
        addresses: Sequence[str],
        group_key: bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger, self._authority = ledger, authority
        self._cluster, self._port, self._addresses = cluster, port, addresses
        self._group_key, self._clock = group_key, clock

    async def Hello(  # noqa: N802  gRPC's name
        self, request: enrol_pb2.HelloRequest, context: Context
    ) -> enrol_pb2.HelloReply:
        async with answering(context):
            _require_protocol(request.protocol)
            return enrol_pb2.HelloReply(
                protocol=PROTOCOL,
                oldest_protocol=OLDEST,
                version=VERSION,
                cluster=self._cluster,
                port=self._port,
                clock_ms=self._clock_ms(),
            )

    async def Join(  # noqa: N802
        self, request: enrol_pb2.JoinRequest, context: Context
    ) -> enrol_pb2.JoinReply:
        async with answering(context):
            _require_protocol(request.protocol)
            public_key = public_key_of(request.csr)
            node = node_id(public_key)
            fact, refused = members.join(
                self._ledger.state.members,
                invite_id=request.invite.hex(),
                secret_hash=secret_hash(request.secret),
                node=node,
                public_key=public_key.hex(),
                name=request.name,
                now=self._ledger.now(),
            )
            if fact is not None:
                await self._ledger.record(fact)
            if refused is not None:
                raise refused
            return enrol_pb2.JoinReply(
                node=node,
                certificate=self._authority.issue_node(public_key, node),
                group_key=self._group_key,
                addresses=self._addresses,
                clock_ms=self._clock_ms(),
                name=self._ledger.state.members.nodes[node].name,
            )

    async def Renew(  # noqa: N802
        self, request: enrol_pb2.RenewRequest, context: Context
    ) -> enrol_pb2.RenewReply:
        async with answering(context):
            _require_protocol(request.protocol)
            public_key = public_key_of(request.csr)
            node = members.renewable(self._ledger.state.members, public_key.hex())
            if isinstance(node, Refused):
                raise node
            return enrol_pb2.RenewReply(
                certificate=self._authority.issue_node(public_key, node),
                addresses=self._addresses,
                clock_ms=self._clock_ms(),
            )

    def _clock_ms(self) -> int:
        return int(self._clock() * 1000)


def _require_protocol(theirs: int) -> None:
    if theirs < OLDEST:
        raise Refused(
            Refusal.PROTOCOL,
            f"This PC's potluck speaks protocol {theirs}; this group needs at least {OLDEST} (the host has potluck "
            f"{VERSION}). Update potluck on this PC.",
        )
