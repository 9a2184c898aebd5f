"""A group in the midst of a run that does not end, to be killed again and again; and what must be true each time."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from coordinator.logic.cluster import Fact, keep
from coordinator.logic.facts import Merged
from coordinator.logic.runs import Run
from shared.blobs import digest_of
from shared.ids import Digest, RunId
from shared.job import parse
from tests.cluster.group import PATIENCE, Group, Process
from tests.faults.kills import dying, journal
from tests.faults.kills.dying import DYING, Order

PHASES = ["recruiting", "training", "merging", "evaluating", "committed"]
FEDERATION = {"configure", "merge", "write model", "rename"}  # points in the strategy process
ROUNDS = 10_000  # more than anybody waits for


class DyingGroup(Group):
    """Its coordinator and its agents are the ordinary ones behind `dying`."""

    def log(self, name: str) -> str:
        home = self.host.home if name == "host" else self.friends[name].home
        paths = [home / f"{DYING}.log", home / "node/log/agent.log"]
        return "".join(path.read_text() for path in paths if path.exists())

    def _start(self, name: str, home: Path, arguments: list[str]) -> Process:
        return super()._start(name, home, [DYING, *arguments])


class Evening:
    """Ana and bo train round after round. Between two deaths they are held, and the models compared."""

    def __init__(self, folder: Path, stack: ExitStack, **changes: Any) -> None:
        self.group = DyingGroup(folder, stack)
        self.restarts: list[float] = []  # seconds from starting a coordinator to its first answer
        self.group.up()
        self.names = ("ana", "bo")
        for name in self.names:
            self.group.join(name)
        self.hold()
        self.group.run(*self.names)
        self.run = self.group.start(**{"rounds": ROUNDS, "evaluate": "true", **changes})
        self.group.until("the first round to train", lambda: self.group.phase(self.run) == "training")

    def home(self, name: str) -> Path:
        """Where a friend's (future) PC keeps its things."""
        return self.group.folder / name

    # ---- dying ----

    def die(self, order: Order, provoke: Callable[[], None] = lambda: None) -> None:
        """The coordinator, or its strategy process, dies as ordered; the coordinator comes back; the round goes on."""
        home = self.group.host.home
        process, deaths = self.group.processes["host"], self._noticed()
        dying.give(home, order)
        self.let_go()
        provoke()
        self.group.until(f"the death at {order}", lambda: dying.carried_out(home))
        assert dying.carried_out(home) == order
        if order.point in FEDERATION and not order.parent:
            self.group.until("it to be noticed", lambda: self._noticed() > deaths)
            self._audit(lambda: journal.read(home / "coordinator"))
            return
        assert process.wait(PATIENCE) == -signal.SIGKILL
        left = self._audit(lambda: journal.of_the_dead(home / "coordinator"))
        self.come_back()
        self._require_same(journal.folded(left).runs[RunId(self.run)])

    def come_back(self) -> None:
        began = time.monotonic()
        self.group.up()
        self.restarts.append(time.monotonic() - began)

    def _noticed(self) -> int:
        """How often the coordinator said that its strategy process was killed."""
        return self.group.log("host").count("(code -9)")

    def _audit(self, read: Callable[[], list[Fact]]) -> list[Fact]:
        """Nothing that a friend was told is lost; nothing counts twice; one file for each friend and round."""
        told = {}
        for name in self.names:
            home = self.group.friends[name].home / "node"
            told[name] = journal.acknowledged(home, self.run)
            sent = journal.digests_sent(home, self.run)
            assert all(len(digests) == 1 for digests in sent.values()), f"{name} sent another update: {sent}"
        left = read()  # after what friends were told, which may have grown by now
        ids = {member.name: node for node, member in journal.folded(left).members.nodes.items()}
        journal.require_counted_once(left, self.run, {ids[name]: updates for name, updates in told.items()})
        return left

    def _require_same(self, left: Run) -> None:
        """The run stands where its journal left it, or further on."""
        rounds = self.group.rounds(self.run)
        assert [entry["model"] for entry in rounds[: len(left.history)]] == [old.model for old in left.history]
        assert left.round is not None
        now = rounds[left.round.number - 1]
        assert int(now["opened_ms"]) == round(left.round.opened * 1000)
        assert PHASES.index(now["phase"]) >= PHASES.index(left.round.phase.value)

    # ---- between two deaths ----

    def settle(self) -> None:
        """The open round and one more are committed, and then all have the model that the journal names.

        One more: what a coordinator that died while sweeping left behind goes after the next merge.
        """
        number = len(self.group.rounds(self.run)) + 1
        self.let_go()
        self.group.until(f"round {number} to be committed", lambda: self.group.phase(self.run, number) == "committed")
        self.hold()
        self.group.until("everybody to have the same model", self._same_model)
        self._audit(lambda: journal.read(self.group.host.home / "coordinator"))
        self.group.until("old files to be gone", lambda: not self._needless())

    def _needless(self) -> set[Digest]:
        """Files on the host's disk that its journal has no use for, nor had when the newest model came to stand."""
        left = journal.read(self.group.host.home / "coordinator")
        merge = max(number for number, fact in enumerate(left) if isinstance(fact, Merged))
        states = journal.folded(left), journal.folded(left[: merge + 1])
        host = self.group.blobs("host")
        jobs = [parse(host.read(run.job)) for run in states[0].runs.values() if run.job is not None]
        files = {digest for job in jobs for digest in job.files.values()}
        return set(host.all()) - files - set().union(*map(keep, states))

    def _same_model(self) -> bool:
        entry = self.group.entry(self.run)
        model = Digest(entry["model"])
        if entry["history"][-1]["phase"] != "training" or not all(
            self.group.blobs(name).has(model) for name in ("host", *self.names)
        ):
            return False
        with contextlib.suppress(FileNotFoundError):  # already of the past on a PC that was quick: look again
            for name in ("host", *self.names):
                assert digest_of(self.group.blobs(name).path(model)) == model, f"{name} has another model"
            return True
        return False

    def hold(self) -> None:
        for name in self.names:
            self.group.hold(name, 0)

    def let_go(self) -> None:
        self.group.let_go(*self.names)
