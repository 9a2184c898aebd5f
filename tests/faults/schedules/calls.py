"""What a node may ask of the played coordinator: to take an update, for a verdict, for a file (`doors/transfers.py`).

A call ends with the host's program, wherever it is.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from coordinator.doors import convert, transfers
from coordinator.logic import cluster as logic
from coordinator.logic import runs, verdicts
from coordinator.logic.facts import UpdateRefused
from coordinator.logic.round_state import Phase, Round
from coordinator.logic.verdicts import Answer, Verdict
from shared.errors import Refusal, Refused, TryLater
from shared.ids import Digest, NodeId, RunId
from shared.rpc.v1 import node_pb2 as pb
from tests.faults.schedules.events import Steps

if TYPE_CHECKING:
    from tests.faults.schedules.host import Host


class Calls:
    """Those of one start of the program: what is under way is forgotten with it."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.incoming: Counter[Digest] = Counter()
        self.busy: set[NodeId] = set()

    def upload(self, node: NodeId, header: pb.UpdateHeader) -> Steps[pb.VerdictReply]:
        self._admit(node)
        run, round, name = RunId(header.run), int(header.round), Digest(header.digest)
        found = self._round(run, round)
        answer = verdicts.verdict(found, node, name)
        if answer.verdict is Verdict.NOTHING and found.phase is not Phase.TRAINING:
            raise Refused(Refusal.UPDATE, f"Round {round} is {found.phase}.")
        if answer.verdict is Verdict.NOTHING and header.model != found.base:
            answer = Answer(Verdict.REFUSED, "It was trained from another model.", name)
        if answer.verdict is Verdict.REFUSED:
            yield self._host.record(UpdateRefused(self._host.now(), run, round, node, name, answer.sentence))
        elif answer.verdict is Verdict.LATE:
            yield self._host.record(transfers.uploaded(self._host.now(), node, header))
        if answer.verdict is not Verdict.NOTHING:
            return (yield from self._say(node, run, round, answer))
        yield from self._receive(node, name)
        try:
            yield self._host.draw.uniform(0.0, 1.0)  # looking at it
            if name in self._host.bad:
                self._host.blobs.discard(name)
                yield self._host.record(UpdateRefused(self._host.now(), run, round, node, name, "It holds a NaN."))
            else:
                yield self._host.record(transfers.uploaded(self._host.now(), node, header))
        finally:
            self.busy.discard(node)
            del self.incoming[name]
        return (yield from self._say(node, run, round, verdicts.verdict(self._round(run, round), node, name)))

    def _receive(self, node: NodeId, name: Digest) -> Steps[None]:
        if node in self.busy or self.incoming[name]:
            raise Refused(Refusal.BUSY, "An upload of this PC is still under way.")
        self.busy.add(node)
        self.incoming[name] += 1
        try:
            if self._host.network.lost(node):
                yield 60.0
                raise TryLater("Nothing came for 60 s.")
            yield self._host.draw.uniform(0.1, 10.0)
            self._host.blobs.add(name)
            self._host.hear_from(node)
        except BaseException:
            self.busy.discard(node)
            del self.incoming[name]
            raise

    def verdict(self, node: NodeId, run: RunId, round: int) -> Steps[pb.VerdictReply]:
        yield 0.0
        self._admit(node)
        return (yield from self._say(node, run, round, verdicts.verdict(self._round(run, round), node)))

    def download(self, node: NodeId, name: Digest) -> Steps[None]:
        self._admit(node)
        if name not in transfers.served(self._host.state, self._host.jobs.__getitem__):
            raise Refused(Refusal.NO_SUCH_BLOB, f"The file {name[:12]} is not one that members may fetch (any more).")
        assert name in self._host.blobs, "what may be fetched is there"
        yield self._host.draw.uniform(0.1, 5.0)

    def _say(self, node: NodeId, run: RunId, round: int, answer: Answer) -> Steps[pb.VerdictReply]:
        """Once all that it follows from is safe: what is told of an update stays true."""
        yield self._host.record()
        saved = runs.record(self._host.on_disk.runs[run], round)
        assert saved is not None
        now = verdicts.verdict(saved, node, answer.digest).verdict
        unsettled = answer.verdict in (Verdict.NOTHING, Verdict.ACCEPTED)
        assert now is answer.verdict or (unsettled and now is not Verdict.NOTHING), (
            f"told {answer.verdict} of what is {now} on the disk"
        )
        return convert.verdict(answer)

    def _round(self, run: RunId, round: int) -> Round:
        found = runs.record(self._host.state.runs[run], round) if run in self._host.state.runs else None
        if found is None:
            raise Refused(Refusal.NO_SUCH_RUN, "No such run or round.")
        return found

    def _admit(self, node: NodeId) -> None:
        if not logic.is_member(self._host.state, node):
            raise removed()


def removed() -> Refused:
    return Refused(Refusal.REVOKED, "The host removed this PC from the group.")
