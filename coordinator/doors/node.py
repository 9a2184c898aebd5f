"""The Node service: what a joined PC may do. The node's name always comes from its certificate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from coordinator.doors import convert
from coordinator.doors.transfers import Transfers
from coordinator.guard import peer
from coordinator.logic import cluster as cluster_
from coordinator.logic.facts import Ability, AvailabilityChanged, Evaluated, Greeted, Left
from shared.errors import Refusal, Refused
from shared.ids import Digest, NodeId, RunId, is_run
from shared.rpc import refusal
from shared.rpc.protocol import OLDEST, PROTOCOL
from shared.rpc.refusal import Context
from shared.rpc.v1 import node_pb2, node_pb2_grpc

if TYPE_CHECKING:
    from coordinator.heartbeats import Heartbeats
    from coordinator.ledger import Ledger
    from shared.log import Log

FIRST_WORD = 20.0  # seconds a node may take to greet
DATA_SETS = 64  # that one greeting may count
HARDWARE = 200  # characters
CHANGES = 60  # of what the journal says of a node that are taken at once; then
REST = 10.0  # seconds for each further one: a friend cannot fill the host's disk with moods


class NodeDoor(node_pb2_grpc.NodeServicer):
    """One instance serves every node."""

    def __init__(
        self,
        ledger: Ledger,
        transfers: Transfers,
        heartbeats: Heartbeats,
        log: Log,
        cluster: str,
        addresses: tuple[str, ...],
    ) -> None:
        self._ledger, self._transfers, self._heartbeats, self._log = ledger, transfers, heartbeats, log
        self._cluster, self._addresses = cluster, addresses
        self._streams: dict[NodeId, asyncio.Event] = {}
        self._allowance: dict[NodeId, tuple[float, float]] = {}  # changes left, and at what time that was so

    def tell(self) -> None:
        """The state changed: every open control stream looks whether its duties did."""
        for changed in self._streams.values():
            changed.set()

    async def Control(  # noqa: N802  gRPC's name
        self, request_iterator: AsyncIterator[node_pb2.NodeMessage], context: Context
    ) -> AsyncIterator[node_pb2.CoordinatorMessage]:
        async with refusal.answering(context):
            node, messages = peer().node, aiter(request_iterator)
            greeting = await _greeting(messages)
            changed = asyncio.Event()
            if (older := self._streams.get(node)) is not None:
                older.set()  # a newer stream of the same node ends the older one, whose words no longer count
            self._streams[node] = changed
            hearing = asyncio.get_running_loop().create_future()
            try:
                await self._greet(node, greeting)
                self._log.info("connected", node=node, name=self._ledger.state.members.nodes[node].name)
                yield node_pb2.CoordinatorMessage(welcome=self._welcome())
                hearing = asyncio.ensure_future(self._hear(node, changed, messages))
                hearing.add_done_callback(lambda _: changed.set())
                async for duties in self._duties(node, changed, hearing):
                    yield node_pb2.CoordinatorMessage(duties=duties)
                if hearing.done():
                    await hearing
            finally:
                hearing.cancel()
                if self._streams.get(node) is changed:
                    del self._streams[node]

    async def UploadOffset(  # noqa: N802
        self, request: node_pb2.UploadOffsetRequest, context: Context
    ) -> node_pb2.UploadOffsetReply:
        async with refusal.answering(context):
            self._heartbeats.hear(peer().node)
            return node_pb2.UploadOffsetReply(offset=self._transfers.offset(Digest(request.digest)))
        raise AssertionError("answering aborts")

    async def Upload(  # noqa: N802
        self, request_iterator: AsyncIterator[node_pb2.UploadChunk], context: Context
    ) -> node_pb2.VerdictReply:
        async with refusal.answering(context):
            answer = await self._transfers.upload(peer().node, aiter(request_iterator))
            return convert.verdict(answer)
        raise AssertionError("answering aborts")

    async def Download(  # noqa: N802
        self, request: node_pb2.DownloadRequest, context: Context
    ) -> AsyncIterator[node_pb2.DownloadChunk]:
        async with refusal.answering(context):
            async for chunk in self._transfers.download(peer().node, Digest(request.digest), int(request.offset)):
                yield chunk

    async def Verdict(  # noqa: N802
        self, request: node_pb2.VerdictRequest, context: Context
    ) -> node_pb2.VerdictReply:
        async with refusal.answering(context):
            answer = await self._transfers.verdict(peer().node, RunId(request.run), int(request.round))
            return convert.verdict(answer)
        raise AssertionError("answering aborts")

    async def Models(  # noqa: N802
        self, request: node_pb2.ModelsRequest, context: Context
    ) -> node_pb2.ModelsReply:
        async with refusal.answering(context):
            return node_pb2.ModelsReply(
                models=[
                    node_pb2.Model(
                        run=run.run, round=run.committed, rounds=run.spec["rounds"], job=run.job, model=run.model
                    )
                    for run in cluster_.in_order(self._ledger.state)
                    if run.job is not None and run.model is not None
                ]
            )
        raise AssertionError("answering aborts")

    async def _greet(self, node: NodeId, greeting: node_pb2.Greeting) -> None:
        self._heartbeats.hear(node)
        at = self._ledger.now()
        runs = self._ledger.state.runs
        await self._record(
            Greeted(
                at, node, convert.availability(greeting.availability, at), convert.text(greeting.hardware, HARDWARE),
                tuple(convert.data_count(count) for count in greeting.data[:DATA_SETS]),
                {run: seconds for run, seconds in greeting.step_seconds.items() if run in runs and 0 < seconds < 1e6},
            )
        )  # fmt: skip

    async def _hear(self, node: NodeId, changed: asyncio.Event, messages: AsyncIterator[node_pb2.NodeMessage]) -> None:
        """Until the node closes its side, or speaks on a newer stream."""
        async for message in messages:
            if self._streams.get(node) is not changed:
                return
            at = self._ledger.now()
            match message.WhichOneof("message"):
                case "heartbeat":
                    require_name(message.heartbeat.run)
                    self._heartbeats.hear(node, message.heartbeat)
                    continue
                case "availability":
                    fact = AvailabilityChanged(at, node, convert.availability(message.availability, at))
                    await self._record(fact)
                    if fact.availability.state is Ability.STOPPED:
                        self._heartbeats.forget(node)
                        await anext(messages, None)  # it hangs up: ended before, its last word would look unsent to it
                        return
                case "evaluation":
                    evaluation = message.evaluation
                    require_name(evaluation.run)
                    metrics = convert.metrics(evaluation.metrics)
                    await self._record(Evaluated(at, RunId(evaluation.run), int(evaluation.round), node, metrics))
                case "leave":
                    await self._ledger.record(Left(at, node))
                    self._heartbeats.forget(node)
                    return
                case _:
                    raise Refused(
                        Refusal.MALFORMED,
                        "The coordinator does not know that message; update potluck on the host's PC.",
                    )
            self._heartbeats.hear(node)

    async def _record(self, fact: Greeted | AvailabilityChanged | Evaluated) -> None:
        """Journal what a node says of itself. What changes nothing is free; changes without end are refused."""
        left, then = self._allowance.get(fact.node, (float(CHANGES), 0.0))
        now = time.monotonic()
        left = min(float(CHANGES), left + (now - then) / REST)
        if left < 1:
            raise Refused(Refusal.BUSY, "This PC's state changes too often to be written down; try again in a minute.")
        before = self._ledger.state
        written = self._ledger.record(fact)
        if self._ledger.state is not before:
            self._allowance[fact.node] = left - 1, now
        await written

    async def _duties(
        self, node: NodeId, changed: asyncio.Event, hearing: asyncio.Future[None]
    ) -> AsyncIterator[node_pb2.Duties]:
        """Everything the node should be doing, at once and whenever it changes."""
        told: node_pb2.Duties | None = None
        while not hearing.done() and self._streams.get(node) is changed:
            changed.clear()
            wanted = cluster_.duties(self._ledger.durable, node)  # as every wish
            duties = node_pb2.Duties(duties=[convert.duty(duty) for duty in wanted])
            if duties != told:
                told = duties
                yield duties
            await changed.wait()

    def _welcome(self) -> node_pb2.Welcome:
        return node_pb2.Welcome(
            clock_ms=convert.milliseconds(self._ledger.now()),
            heartbeat_seconds=round(self._heartbeats.heartbeat),
            lease_seconds=round(self._heartbeats.lease),
            cluster=self._cluster,
            addresses=self._addresses,
        )


async def _greeting(messages: AsyncIterator[node_pb2.NodeMessage]) -> node_pb2.Greeting:
    """A stream's first word. Raises Refused when it is another, or none, or of too old a protocol."""
    try:
        async with asyncio.timeout(FIRST_WORD):
            first = await anext(messages, None)
    except TimeoutError:
        first = None
    if first is None or not first.HasField("greeting"):
        raise Refused(Refusal.MALFORMED, "A control stream starts with a greeting.")
    if first.greeting.protocol < OLDEST:
        raise Refused(
            Refusal.PROTOCOL,
            f"This PC speaks protocol {first.greeting.protocol}; this group needs {OLDEST} to {PROTOCOL}. "
            "Update potluck on this PC.",
        )
    return first.greeting


def require_name(run: str) -> None:
    """A run's name is short, and it is kept in memory; a node that is idle says none. Raises Refused."""
    if run and not is_run(run):
        raise Refused(Refusal.MALFORMED, f"{convert.text(run, 40)!r} is not the name of a run.")
