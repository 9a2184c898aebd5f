"""The record of what left, and what survives the agent."""

from __future__ import annotations

from pathlib import Path

from node.logic.changes import apply
from node.logic.facts import DutiesTold, Duty, Evaluated, Fact, Kind, Update, UpdateWritten, Verdict, VerdictHeard
from node.logic.state import State
from node.store.database import connect
from node.store.memory import Memory
from shared.ids import Digest, RunId
from tests.node import homes

RUN = RunId("run-1")
MODEL = Digest("1" * 64)


def update(number: int, digest: str = "7") -> Update:
    return Update(RUN, number, MODEL, Digest(digest * 64), 100, 32, 4, 0.5, (("loss", 2.0),))


def test_lines_stay_in_order_and_grow(tmp_path: Path) -> None:
    sent = homes.sent(tmp_path)
    sent.note("greeting", 120, details="told of data: nothing")
    beats = sent.note("heartbeats", 0)
    sent.more(beats, 300, "10 of them over one connection")
    sent.note("update", 1000, run=RUN, round_number=2, digest="7" * 64)
    assert [(line.what, line.bytes) for line in sent.lines()] == [
        ("greeting", 120),
        ("heartbeats", 300),
        ("update", 1000),
    ]
    assert [line.round for line in sent.lines()] == [0, 0, 2]


def test_what_is_asked_again_and_again_is_one_line(tmp_path: Path) -> None:
    sent = homes.sent(tmp_path)
    for number in (1, 1, 2, 1):
        sent.again("question", 10, run=RUN, round_number=number, details="what became of it?")
    assert [(line.round, line.bytes, line.details) for line in sent.lines()] == [
        (1, 30, "what became of it? (3 times)"),
        (2, 10, "what became of it?"),
    ]


def test_the_record_outlives_the_process(tmp_path: Path) -> None:
    homes.sent(tmp_path).note("join", 400)
    assert [line.what for line in homes.sent(tmp_path).lines()] == ["join"]


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    homes.sent(tmp_path)
    assert (tmp_path / "state.db").stat().st_mode & 0o077 == 0


def test_what_must_survive_is_there_after_a_restart(tmp_path: Path) -> None:
    duty = Duty(Kind.TRAIN, RUN, 3, 5, MODEL, MODEL, None, None, '{"lr": 1}', 1000.0, 2)
    facts: list[Fact] = [
        DutiesTold((duty,)),
        UpdateWritten(update(1)),
        VerdictHeard(RUN, 1, Verdict.COUNTED, "fine"),
        UpdateWritten(update(2)),
        Evaluated(RUN, 1, (("bits_per_byte", 1.5),)),
    ]
    memory, state = Memory(connect(tmp_path / "state.db")), State()
    for fact in facts:
        memory.save(fact, 5.0)
        state = apply(state, fact)
    loaded = Memory(connect(tmp_path / "state.db")).load(State())
    assert loaded.duties == state.duties
    assert loaded.evaluations == state.evaluations
    assert {key: (kept.update, kept.verdict) for key, kept in loaded.updates.items()} == {
        key: (kept.update, kept.verdict) for key, kept in state.updates.items()
    }


def test_saving_an_update_again_keeps_its_verdict_and_another_replaces_it(tmp_path: Path) -> None:
    memory = Memory(connect(tmp_path / "state.db"))
    memory.save(UpdateWritten(update(1)), 1.0)
    memory.save(VerdictHeard(RUN, 1, Verdict.ACCEPTED, ""), 2.0)
    memory.save(UpdateWritten(update(1)), 3.0)
    assert memory.load(State()).updates[RUN, 1].verdict is Verdict.ACCEPTED
    memory.save(UpdateWritten(update(1, "8")), 4.0)
    assert memory.load(State()).updates[RUN, 1].verdict is None


def test_a_late_update_stays_late_after_a_restart(tmp_path: Path) -> None:
    """The coordinator received nothing and the round is over: saved as what it means, not as what was said."""
    memory = Memory(connect(tmp_path / "state.db"))
    memory.save(UpdateWritten(update(1)), 1.0)
    memory.save(VerdictHeard(RUN, 1, Verdict.NOTHING, ""), 2.0)
    assert memory.load(State()).updates[RUN, 1].verdict is Verdict.LATE
