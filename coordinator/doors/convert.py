"""Between the wire's messages and our own values, both ways. Nothing a node says is trusted to be in range."""

from __future__ import annotations

import math
from collections.abc import Mapping

from coordinator.logic.facts import Ability, Availability, DataCount
from coordinator.logic.verdicts import Answer
from coordinator.logic.wishes import Duty, DutyKind
from shared.errors import printable
from shared.rpc.v1 import node_pb2

ABILITIES = {
    node_pb2.Availability.STATE_READY: Ability.READY,
    node_pb2.Availability.STATE_PAUSED: Ability.PAUSED,
    node_pb2.Availability.STATE_NO_DATA: Ability.NO_DATA,
    node_pb2.Availability.STATE_BROKEN: Ability.BROKEN,
    node_pb2.Availability.STATE_STOPPED: Ability.STOPPED,
}
KINDS = {DutyKind.TRAIN: node_pb2.Duty.KIND_TRAIN, DutyKind.EVALUATE: node_pb2.Duty.KIND_EVALUATE}
FIGURES = 64  # named figures one message may carry
LONGEST = 300  # characters of a sentence
NAME = 64  # characters of a name
AHEAD = 10 * 365 * 86400.0  # seconds: nobody pauses for longer


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def text(said: str, longest: int = LONGEST) -> str:
    """One printable line of what a node says for people."""
    return " ".join(printable(said[: 4 * longest]).split())[:longest].strip()


def availability(said: node_pb2.Availability, at: float) -> Availability:
    """`at` stands in for a time that makes no sense."""
    since = min(said.since_ms / 1000, at) if said.since_ms > 0 else at
    until = said.until_ms / 1000 if 0 < said.until_ms < milliseconds(at + AHEAD) else None
    return Availability(ABILITIES.get(said.state, Ability.BROKEN), since, until, text(said.sentence))


def data_count(said: node_pb2.DataCount) -> DataCount:
    return DataCount(text(said.name, NAME), said.documents, said.bytes, said.tokens)


def metrics(said: Mapping[str, float]) -> dict[str, float]:
    finite = {text(name, NAME): value for name, value in sorted(said.items()) if math.isfinite(value)}
    return dict(list(finite.items())[:FIGURES])


def duty(wanted: Duty) -> node_pb2.Duty:
    return node_pb2.Duty(
        kind=KINDS[wanted.kind], run=wanted.run, round=wanted.round, rounds=wanted.rounds, done=wanted.done,
        job=wanted.job, model=wanted.model, parent=wanted.parent or "", delta=wanted.delta or "",
        config_json=wanted.config, deadline_ms=milliseconds(wanted.deadline),
    )  # fmt: skip


def verdict(answer: Answer) -> node_pb2.VerdictReply:
    code = node_pb2.VerdictReply.Verdict.Value(f"VERDICT_{answer.verdict.name}".replace("NOTHING", "UNSPECIFIED"))
    return node_pb2.VerdictReply(verdict=code, sentence=answer.sentence, digest=answer.digest or "")
