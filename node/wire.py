"""Protobuf to the node's own values and back. No decisions."""

from __future__ import annotations

from dataclasses import dataclass

from node.logic.facts import Availability, Duty, Kind, Metrics, Readiness, Update, Verdict
from node.logic.report import Activity, Doing
from shared.errors import PeerMisbehaved, printable
from shared.ids import Digest, RunId, is_digest, is_run
from shared.rpc.v1 import node_pb2 as pb

_READINESS = {
    Readiness.READY: pb.Availability.STATE_READY,
    Readiness.PAUSED: pb.Availability.STATE_PAUSED,
    Readiness.NO_DATA: pb.Availability.STATE_NO_DATA,
    Readiness.BROKEN: pb.Availability.STATE_BROKEN,
    Readiness.STOPPED: pb.Availability.STATE_STOPPED,
}
_DOING = {
    Doing.IDLE: pb.Heartbeat.ACTIVITY_IDLE,
    Doing.DOWNLOADING: pb.Heartbeat.ACTIVITY_DOWNLOADING,
    Doing.PREPARING: pb.Heartbeat.ACTIVITY_PREPARING,
    Doing.TRAINING: pb.Heartbeat.ACTIVITY_TRAINING,
    Doing.UPLOADING: pb.Heartbeat.ACTIVITY_UPLOADING,
    Doing.EVALUATING: pb.Heartbeat.ACTIVITY_EVALUATING,
}
_VERDICTS = {
    pb.VerdictReply.VERDICT_UNSPECIFIED: Verdict.NOTHING,
    pb.VerdictReply.VERDICT_ACCEPTED: Verdict.ACCEPTED,
    pb.VerdictReply.VERDICT_COUNTED: Verdict.COUNTED,
    pb.VerdictReply.VERDICT_LATE: Verdict.LATE,
    pb.VerdictReply.VERDICT_REFUSED: Verdict.REFUSED,
    pb.VerdictReply.VERDICT_ABANDONED: Verdict.ABANDONED,
}
_KINDS = {pb.Duty.KIND_TRAIN: Kind.TRAIN, pb.Duty.KIND_EVALUATE: Kind.EVALUATE}


@dataclass(frozen=True, slots=True)
class DataCount:
    """What the owner agreed to tell about one collection."""

    name: str
    documents: int
    bytes: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a node says of itself at the start of every connection."""

    version: str
    name: str
    hardware: str
    data: tuple[DataCount, ...]
    availability: Availability


def duties(message: pb.Duties, clock_ahead: float) -> tuple[Duty, ...]:
    """Duties with deadlines on this PC's clock, which is `clock_ahead` seconds ahead of the coordinator's.

    Duties of a kind we do not know yet are left out. Raises PeerMisbehaved for what cannot be a duty.
    """
    return tuple(_duty(duty, clock_ahead) for duty in message.duties if duty.kind in _KINDS)


def _duty(duty: pb.Duty, clock_ahead: float) -> Duty:
    names = [name for name in (duty.job, duty.model, duty.parent, duty.delta) if name]
    if not duty.job or not duty.model or not all(map(is_digest, names)) or not is_run(duty.run) or not duty.round:
        raise PeerMisbehaved("The host asked for something that is not a duty; its Potluck may be a newer version.")
    return Duty(
        _KINDS[duty.kind],
        RunId(duty.run),
        duty.round,
        duty.rounds,
        Digest(duty.job),
        Digest(duty.model),
        Digest(duty.parent) if duty.parent else None,
        Digest(duty.delta) if duty.delta else None,
        duty.config_json or "{}",
        duty.deadline_ms / 1000 + clock_ahead if duty.deadline_ms else 0.0,
        duty.done,
    )


def greeting(me: Introduction, protocol: int, clock_ms: int) -> pb.NodeMessage:
    return pb.NodeMessage(
        greeting=pb.Greeting(
            protocol=protocol,
            version=me.version,
            clock_ms=clock_ms,
            name=me.name,
            hardware=me.hardware,
            availability=_availability(me.availability),
            data=[pb.DataCount(name=d.name, documents=d.documents, bytes=d.bytes, tokens=d.tokens) for d in me.data],
        )
    )


def availability(able: Availability) -> pb.NodeMessage:
    return pb.NodeMessage(availability=_availability(able))


def _availability(able: Availability) -> pb.Availability:
    return pb.Availability(
        state=_READINESS[able.readiness],
        since_ms=int(able.since * 1000),
        until_ms=int(able.until * 1000),
        sentence=able.sentence,
    )


def heartbeat(now: Activity) -> pb.NodeMessage:
    return pb.NodeMessage(
        heartbeat=pb.Heartbeat(
            activity=_DOING[now.doing],
            run=now.run,
            round=now.round,
            share=now.share,
            step=now.step,
            loss=now.loss,
            tokens_per_second=now.tokens_per_second,
        )
    )


def evaluation(run: RunId, round_: int, metrics: Metrics) -> pb.NodeMessage:
    return pb.NodeMessage(evaluation=pb.Evaluation(run=run, round=round_, metrics=dict(metrics)))


def header(update: Update) -> pb.UpdateHeader:
    return pb.UpdateHeader(
        digest=update.digest,
        size=update.size,
        run=update.run,
        round=update.round,
        model=update.model,
        tokens=update.tokens,
        steps=update.steps,
        share=update.share,
        metrics=dict(update.metrics),
    )


def verdict(reply: pb.VerdictReply) -> tuple[Verdict, str]:
    return _VERDICTS.get(reply.verdict, Verdict.NOTHING), printable(reply.sentence)
