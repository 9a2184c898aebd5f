"""The whole state as the Operator service tells it: what the journal knows, joined with what heartbeats said last."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from coordinator.doors.convert import milliseconds
from coordinator.logic import members, tables
from coordinator.logic.cluster import Cluster
from coordinator.logic.round_state import Round
from coordinator.logic.runs import Run
from shared.clock import nearby
from shared.ids import slug
from shared.rpc.v1 import operator_pb2

if TYPE_CHECKING:
    from coordinator.heartbeats import Heartbeats
    from coordinator.ledger import Ledger


class Status:
    def __init__(
        self, ledger: Ledger, heartbeats: Heartbeats, cluster: str, words: str, addresses: tuple[str, ...]
    ) -> None:
        self._ledger, self._heartbeats = ledger, heartbeats
        self._cluster, self._words, self._addresses = cluster, words, addresses

    def reply(self) -> operator_pb2.StatusReply:
        """Everything, now."""
        state, now = self._ledger.state, self._ledger.now()
        invites = [
            operator_pb2.InviteStatus(
                name=invite.name, state=members.state(invite, now).value, expires_ms=milliseconds(invite.expires)
            )
            for invite in state.members.invites.values()
        ]
        return operator_pb2.StatusReply(
            cluster=self._cluster, words=self._words, addresses=self._addresses, clock_ms=milliseconds(now),
            nodes=[self._node(row) for row in tables.nodes(state, self._when)], invites=invites,
            runs=[self._run(state, run) for run in state.runs.values()],
        )  # fmt: skip

    def _when(self, at: float) -> str:
        return nearby(at, self._ledger.now())

    def _node(self, row: tables.NodeRow) -> operator_pb2.NodeStatus:
        data = [
            operator_pb2.DataCountStatus(name=d.name, documents=d.documents, bytes=d.bytes, tokens=d.tokens)
            for d in row.data
        ]
        return operator_pb2.NodeStatus(
            node=row.node, name=row.name, state=row.state, sentence=row.sentence, hardware=row.hardware, data=data,
            last_seen_ms=self._heartbeats.seen_ms.get(row.node, 0),
            bytes_received=self._heartbeats.received[row.node], bytes_sent=self._heartbeats.sent[row.node],
        )  # fmt: skip

    def _run(self, state: Cluster, run: Run) -> operator_pb2.RunStatus:
        rounds = [*run.history, *([run.round] if run.round is not None else [])]
        return operator_pb2.RunStatus(
            run=run.run, state=run.phase.value, sentence=tables.run_sentence(run), rounds=run.spec["rounds"],
            model=run.model or "", model_folder=run.model_folder,
            history=[self._round(state, run, round_) for round_ in rounds],
        )  # fmt: skip

    def _round(self, state: Cluster, run: Run, round_: Round) -> operator_pb2.RoundStatus:
        share = partial(self._heartbeats.share, run=run.run, round_number=round_.number)
        sentence = tables.round_sentence(state, run, round_, self._when)
        rows = tables.members(state, round_, share, self._when)
        return operator_pb2.RoundStatus(
            number=round_.number, phase=round_.phase.value, sentence=sentence,
            opened_ms=milliseconds(round_.opened), deadline_ms=milliseconds(round_.deadline),
            closed_ms=milliseconds(round_.closed), model=round_.model or "", metrics=round_.metrics,
            members=[
                operator_pb2.MemberStatus(
                    node=row.node, name=row.name, state=row.state, sentence=row.sentence, share=row.share,
                    tokens=row.tokens, bytes=row.bytes, metrics=row.metrics,
                )
                for row in rows
            ],
        )  # fmt: skip


def going_already(reply: operator_pb2.StatusReply, name: str) -> str:
    """Which run of that name has not ended, in words; nothing when there is none."""
    going = [run for run in reply.runs if run.state in ("preparing", "running")]
    same = [run for run in going if run.run.rpartition("-")[0] == slug(name)]
    if not same:
        return ""
    return f"The run {name} is already going ({same[-1].run}: {same[-1].sentence}); nothing was started."
