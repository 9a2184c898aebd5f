"""A run: one training project, round after round, until as many rounds as it asked for are committed.

    preparing ──► running ──► finished
        └────────────┴──────► stopped, failed

An abandoned round is recorded; the run then opens another with the next number. So numbers count attempts (and a
verdict can be asked for each of them for ever), while `committed` counts progress.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from coordinator.logic import rounds
from coordinator.logic.deadlines import deadline
from coordinator.logic.facts import Configured, Extended, Prepared, RoundFact, RunFailed, RunStarted, RunStopped, Spec
from coordinator.logic.round_state import EDGES, Phase, Round, Standing
from coordinator.logic.wishes import Prepare, Wish
from shared.ids import Digest, NodeId, RunId
from shared.units import plural

Ready = Mapping[NodeId, float]  # nodes that could work now -> their measured seconds a step (0.0: not known)
HOPELESS = 3  # rounds in a row abandoned with refused updates: training produces nothing usable


class RunPhase(StrEnum):
    PREPARING = "preparing"  # the job and the first model are being made
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"  # by the host
    FAILED = "failed"  # the sentence says why


RUN_EDGES: dict[RunPhase, frozenset[RunPhase]] = {
    RunPhase.PREPARING: frozenset({RunPhase.RUNNING, RunPhase.STOPPED, RunPhase.FAILED}),
    RunPhase.RUNNING: frozenset({RunPhase.FINISHED, RunPhase.STOPPED, RunPhase.FAILED}),
    RunPhase.FINISHED: frozenset(),
    RunPhase.STOPPED: frozenset(),
    RunPhase.FAILED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    run: RunId
    spec: Spec  # at least: rounds, quorum, evaluate, steps or seconds, deadline_seconds
    folder: str  # where relative model paths start
    started: float  # UTC seconds
    phase: RunPhase = RunPhase.PREPARING
    sentence: str = ""  # why it failed
    ended: float = 0.0
    job: Digest | None = None
    model: Digest | None = None  # the newest that stands
    parent: Digest | None = None  # the one before it
    delta: Digest | None = None  # parent + delta = model
    state: Digest | None = None  # the strategy's
    model_folder: str = ""  # Hugging Face folder on the coordinator's PC
    committed: int = 0
    round: Round | None = None  # the open one
    history: tuple[Round, ...] = ()  # ended rounds, in order


def started(fact: RunStarted) -> Run:
    return Run(run=fact.run, spec=fact.spec, folder=fact.folder, started=fact.at)


def apply(run: Run, fact: Prepared | RunStopped | RunFailed | RoundFact, ready: Ready) -> Run:
    """Fold one fact into the run, and open the next round when one has ended."""
    if not isinstance(fact, Extended):
        run = elapse(run, fact.at, ready)
    match fact:
        case Prepared() if run.phase is RunPhase.PREPARING:
            run = replace(run, job=fact.job, model=fact.model, state=fact.state)
            return _open(_enter(run, RunPhase.RUNNING), fact.at, ready)
        case RunStopped() if RUN_EDGES[run.phase]:
            return _finish(run, RunPhase.STOPPED, fact.at, "the host stopped the run")
        case RunFailed() if RUN_EDGES[run.phase]:
            return _finish(run, RunPhase.FAILED, fact.at, fact.sentence)
        case Prepared() | RunStopped() | RunFailed():
            return run
        case _:
            return _apply_to_round(run, fact, ready)


def notice(run: Run, node: NodeId, standing: Standing, at: float, sentence: str, ready: Ready) -> Run:
    """The node's presence changed (see rounds.notice); `ready` is as it is afterwards."""
    if run.round is None:
        return run
    return _settle(replace(run, round=rounds.notice(run.round, node, standing, at, sentence)), at, ready)


def elapse(run: Run, at: float, ready: Ready) -> Run:
    """Time passed."""
    if run.round is None:
        return run
    return _settle(replace(run, round=rounds.elapse(run.round, at)), at, ready)


def postpone(run: Run, seconds: float) -> Run:
    """The coordinator was not running for so long."""
    return run if run.round is None else replace(run, round=rounds.postpone(run.round, seconds))


def plan(run: Run) -> list[Wish]:
    """Everything that should be under way for this run."""
    if run.phase is RunPhase.PREPARING:
        return [Prepare(run.run)]
    return [] if run.round is None else rounds.plan(run.run, run.round)


def record(run: Run, number: int) -> Round | None:
    """The round of that number, open or ended."""
    if run.round is not None and run.round.number == number:
        return run.round
    return run.history[number - 1] if 1 <= number <= len(run.history) else None


def _apply_to_round(run: Run, fact: RoundFact, ready: Ready) -> Run:
    round = run.round
    if round is None or fact.round != round.number:
        return run
    if isinstance(fact, Configured) and round.phase is Phase.RECRUITING:
        if len(fact.who) < round.quorum:
            return _finish(run, RunPhase.FAILED, fact.at, _too_few(round, len(fact.who)))
        length = deadline(run.spec, run.history, [ready.get(node, 0.0) for node in fact.who])
        round = replace(round, length=length)
    after = rounds.apply(round, fact)
    if round.model is None and after.model is not None:
        run = replace(
            run,
            parent=run.model,
            model=after.model,
            delta=after.delta,
            state=after.state,
            model_folder=after.folder,
            committed=run.committed + 1,
        )
    return _settle(replace(run, round=after), fact.at, ready)


def _settle(run: Run, at: float, ready: Ready) -> Run:
    """File the round away if it has ended, and open the next one or finish."""
    round = run.round
    if round is None or EDGES[round.phase]:
        return run
    run = replace(run, round=None, history=(*run.history, round))
    if run.committed >= run.spec["rounds"]:
        return replace(_enter(run, RunPhase.FINISHED), ended=at)
    if sentence := _hopeless(run):
        return replace(_enter(run, RunPhase.FAILED), ended=at, sentence=sentence)
    return _open(run, at, ready)


def _open(run: Run, at: float, ready: Ready) -> Run:
    round = Round(
        number=len(run.history) + 1,
        quorum=max(1, int(run.spec["quorum"])),
        opened=at,
        evaluate=_measured(run),
        base=run.model,
        here=frozenset(ready),
    )
    return replace(run, round=round)


def _measured(run: Run) -> bool:
    """Whether the round that opens now is measured by its nodes: each is, none is, or only the last."""
    wanted = run.spec["evaluate"]
    return run.committed + 1 >= run.spec["rounds"] if wanted == "last" else bool(wanted)


def _finish(run: Run, phase: RunPhase, at: float, sentence: str) -> Run:
    """End the run; its open round is abandoned, or committed if its model already stands."""
    history = run.history
    if run.round is not None:
        history = (*history, rounds.abandon(run.round, at, sentence))
    if run.job is not None and run.committed >= run.spec["rounds"]:
        phase = RunPhase.FINISHED
    words = sentence if phase is RunPhase.FAILED else ""
    return replace(_enter(run, phase), round=None, history=history, ended=at, sentence=words)


def _hopeless(run: Run) -> str:
    """Why going on makes no sense, or an empty string."""
    newest = run.history[-HOPELESS:]
    refusals = [
        next((m.sentence for m in round.members.values() if m.standing is Standing.REFUSED), "")
        for round in newest
        if round.phase is Phase.ABANDONED
    ]
    if len(refusals) < HOPELESS or not all(refusals):
        return ""
    return f"{HOPELESS} rounds in a row were given up because updates were refused, the last time so: {refusals[-1]}"


def _too_few(round: Round, chosen: int) -> str:
    return (
        f"the strategy chose {plural(chosen, 'PC')} for round {round.number}, fewer than the quorum of {round.quorum}. "
        "Lower the quorum or let the strategy take a larger share of the PCs, and start the run again"
    )


def _enter(run: Run, phase: RunPhase) -> Run:
    assert phase in RUN_EDGES[run.phase], f"{run.run}: {run.phase} cannot become {phase}"
    return replace(run, phase=phase)
