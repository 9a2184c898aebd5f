"""Who was heard when, and what they said last. Not facts: forgotten at a restart; only silence becomes one (`Lost`)."""

from __future__ import annotations

import time
from collections import Counter

from shared.ids import NodeId
from shared.rpc.v1 import node_pb2

HEARTBEAT = 10.0  # seconds between a node's heartbeats
LEASE = 45.0  # seconds of silence after which a node counts as lost


class Heartbeats:
    """Last words of each node. Waiting uses the monotonic clock: a changed wall clock loses nobody."""

    def __init__(self, heartbeat: float = HEARTBEAT, lease: float = LEASE) -> None:
        self.heartbeat, self.lease = heartbeat, lease
        self._heard: dict[NodeId, float] = {}
        self.seen_ms: dict[NodeId, int] = {}
        self.live: dict[NodeId, node_pb2.Heartbeat] = {}
        self.received: Counter[NodeId] = Counter()  # payload bytes, since the coordinator started
        self.sent: Counter[NodeId] = Counter()

    def hear(self, node: NodeId, heartbeat: node_pb2.Heartbeat | None = None) -> None:
        """The node gave a sign of life."""
        self._heard[node] = time.monotonic()
        self.seen_ms[node] = int(time.time() * 1000)
        if heartbeat is not None:
            self.live[node] = heartbeat

    def forget(self, node: NodeId) -> None:
        self._heard.pop(node, None)
        self.live.pop(node, None)

    def silent(self, among: list[NodeId]) -> list[NodeId]:
        """Those whose lease has ended. A node never heard starts its lease now: it may be on its way back."""
        now = time.monotonic()
        return [node for node in among if now - self._heard.setdefault(node, now) > self.lease]

    def share(self, node: NodeId, run: str, round_number: int) -> float:
        """How much of its training in this round the node reported: 0 to 1."""
        beat = self.live.get(node)
        if beat is None or (beat.run, beat.round) != (run, round_number):
            return 0.0
        match beat.activity:
            case node_pb2.Heartbeat.ACTIVITY_TRAINING:
                return min(1.0, max(0.0, beat.share))
            case node_pb2.Heartbeat.ACTIVITY_UPLOADING | node_pb2.Heartbeat.ACTIVITY_EVALUATING:
                return 1.0
            case _:
                return 0.0
