"""One federated round: facts go in, wishes come out.

    recruiting ──► training ──► merging ──► evaluating ──► committed
         │             │           │ └──────────────────────► ▲
         └─────────────┴───────────┴──► abandoned

The model is committed by the fact `Merged`; evaluating afterwards has its own deadline and blocks nothing. A member
that is lost, paused or gone before it answered is no longer waited for, and is waited for again when it comes back
while the round still trains. As soon as everybody who is waited for has answered, a quorum of updates is merged; with
fewer, the round waits for those who may return, until its deadline, and is then abandoned: the model stays as it was.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import assert_never

from coordinator.logic.facts import (
    Configured,
    Evaluated,
    Extended,
    Merged,
    Metrics,
    RoundFact,
    Summarised,
    UpdateRefused,
    Uploaded,
)
from coordinator.logic.round_state import (
    ABSENT,
    EDGES,
    UNANSWERED,
    Member,
    Phase,
    Round,
    Standing,
    duration,
    unmeasured,
    updates,
    waiting,
)
from coordinator.logic.wishes import Configure, Evaluate, Merge, Summarise, Train, Update, Wake, Wish
from shared.ids import NodeId, RunId

EVALUATION_SECONDS = 300.0  # at least; or as long as training took
SUMMARY_SECONDS = 60.0
REFUSALS = 16  # of one member in one round that are kept; an honest one has one or two


def apply(round: Round, fact: RoundFact) -> Round:
    """Fold one fact into the round. Late and repeated facts change nothing."""
    if not isinstance(fact, Extended):  # recorded when a deadline comes, and instead of letting it pass
        round = elapse(round, fact.at)
    match fact:
        case Configured() if round.phase is Phase.RECRUITING and len(fact.who) >= round.quorum:
            round = _train(round, fact)
        case Uploaded():
            round = _receive(round, fact)
        case UpdateRefused() if round.phase is Phase.TRAINING:
            round = _refuse(round, fact)
        case UpdateRefused() if round.phase is Phase.MERGING:
            round = _lose(round, fact)
        case Extended() if round.phase is Phase.TRAINING:
            latest = round.started + round.away + 2 * round.length
            round = replace(round, deadline=max(round.deadline, min(fact.deadline, latest)))
        case Merged() if round.phase is Phase.MERGING and fact.nodes == tuple(u.node for u in updates(round)):
            round = _commit(round, fact)
        case Evaluated() if round.phase is Phase.EVALUATING:
            round = _measure(round, fact)
        case Summarised() if round.phase is Phase.EVALUATING and round.summarising:
            round = _end(replace(round, metrics=measured(round.metrics, fact.metrics)), Phase.COMMITTED, fact.at)
        case Configured() | UpdateRefused() | Extended() | Merged() | Evaluated() | Summarised():
            pass
        case _:
            assert_never(fact)
    return elapse(round, fact.at)


def notice(round: Round, node: NodeId, standing: Standing, at: float, sentence: str = "") -> Round:
    """The node's presence changed: ASKED (here and ready), LOST, PAUSED, UNABLE, LEFT or REVOKED."""
    round = elapse(round, at)
    if not EDGES[round.phase]:
        return round
    round = replace(round, here=round.here | {node} if standing is Standing.ASKED else round.here - {node})
    member = round.members.get(node)
    if standing is Standing.REVOKED:
        round = _expel(round, node, at)
    elif round.phase is Phase.TRAINING and member is not None and member.standing in UNANSWERED:
        since = member.since if member.standing is standing else at
        round = _with(round, replace(member, standing=standing, since=since, sentence=sentence))
    return elapse(round, at)


def elapse(round: Round, at: float) -> Round:
    """Whatever follows by itself now: everybody has answered, nobody can, a deadline passed."""
    match round.phase:
        case Phase.TRAINING:
            return _close_if_due(round, at)
        case Phase.MERGING if len(updates(round)) < round.quorum:
            return abandon(round, at, f"fewer than {round.quorum} updates were left to merge")
        case Phase.EVALUATING:
            return _summarise_if_due(round, at)
        case Phase.RECRUITING | Phase.MERGING | Phase.COMMITTED | Phase.ABANDONED:
            return round
        case _:
            assert_never(round.phase)


def abandon(round: Round, at: float, sentence: str) -> Round:
    """Give the round up, unless its model already stands: then it ends as committed."""
    if not EDGES[round.phase]:
        return round
    if round.phase is Phase.EVALUATING:
        return _end(round, Phase.COMMITTED, at)
    return _end(replace(round, sentence=sentence, closed=round.closed or at), Phase.ABANDONED, at)


def postpone(round: Round, seconds: float) -> Round:
    """The coordinator was not running for so long: what was due moves by as much."""
    match round.phase:
        case Phase.TRAINING:
            return replace(round, deadline=round.deadline + seconds, away=round.away + seconds)
        case Phase.EVALUATING:
            return replace(round, evaluation_deadline=round.evaluation_deadline + seconds)
        case _:
            return round


def plan(run: RunId, round: Round) -> list[Wish]:
    """Everything that should be under way in this round, in a stable order."""
    match round.phase:
        case Phase.RECRUITING:
            enough = len(round.here) >= round.quorum
            return [Configure(run, round.number, tuple(sorted(round.here)))] if enough else []
        case Phase.TRAINING:
            return [*(Train(run, round.number, node) for node in waiting(round)), Wake(round.deadline)]
        case Phase.MERGING:
            return [Merge(run, round.number, updates(round))]
        case Phase.EVALUATING if round.summarising:
            return [Summarise(run, round.number), Wake(round.evaluation_deadline + SUMMARY_SECONDS)]
        case Phase.EVALUATING:
            evaluate = (Evaluate(run, round.number, node) for node in unmeasured(round))
            return [*evaluate, Wake(round.evaluation_deadline)]
        case Phase.COMMITTED | Phase.ABANDONED:
            return []
        case _:
            assert_never(round.phase)


def _train(round: Round, fact: Configured) -> Round:
    def member(node: NodeId) -> Member:
        standing = Standing.ASKED if node in round.here else Standing.LOST
        return Member(node, fact.who[node], standing, fact.at)

    members = {node: member(node) for node in sorted(fact.who)}
    round = replace(round, members=members, started=fact.at, deadline=fact.at + round.length)
    return _enter(round, Phase.TRAINING)


def _receive(round: Round, fact: Uploaded) -> Round:
    """The first update of a member counts while the round trains, unless it was refused; later it is marked late."""
    member = round.members.get(fact.node)
    if member is None or member.update is not None or member.standing in (Standing.REVOKED, Standing.LATE):
        return round
    if fact.digest in member.refused:
        return round
    if round.phase is Phase.TRAINING:
        metrics = tuple(sorted(_finite(fact.metrics).items()))
        update = Update(fact.node, fact.digest, fact.size, fact.tokens, fact.steps, fact.share, metrics)
        return _with(round, replace(member, standing=Standing.UPLOADED, since=fact.at, update=update, sentence=""))
    if round.phase in (Phase.MERGING, Phase.EVALUATING):
        return _with(
            round,
            replace(member, standing=Standing.LATE, since=fact.at, refused=(*member.refused, fact.digest), sentence=""),
        )
    return round


def _refuse(round: Round, fact: UpdateRefused) -> Round:
    member = round.members.get(fact.node)
    if member is None or member.standing not in UNANSWERED | {Standing.REFUSED} or fact.digest in member.refused:
        return round
    if len(member.refused) >= REFUSALS:
        return round
    refused = (*member.refused, fact.digest)
    return _with(
        round, replace(member, standing=Standing.REFUSED, since=fact.at, refused=refused, sentence=fact.sentence)
    )


def _lose(round: Round, fact: UpdateRefused) -> Round:
    """A held update was found damaged on our own disk as it was to be merged: it is merged without it."""
    member = round.members.get(fact.node)
    if member is None or member.update is None or member.update.digest != fact.digest:
        return round
    refused = (*member.refused, fact.digest)
    lost = replace(member, standing=Standing.REFUSED, since=fact.at, refused=refused, update=None)
    return _with(round, replace(lost, sentence=fact.sentence))


def _commit(round: Round, fact: Merged) -> Round:
    """The new model stands from here on."""
    measuring = max(EVALUATION_SECONDS, duration(round))
    round = replace(
        round,
        model=fact.model,
        delta=fact.delta,
        state=fact.state,
        folder=fact.folder,
        metrics=measured(fact.metrics),
        evaluators=round.here,
        evaluation_deadline=fact.at + measuring,
    )
    return _enter(round, Phase.EVALUATING) if round.evaluate else _end(round, Phase.COMMITTED, fact.at)


def _measure(round: Round, fact: Evaluated) -> Round:
    if fact.node not in round.evaluators - round.evaluations.keys():
        return round
    return replace(round, evaluations={**round.evaluations, fact.node: _finite(fact.metrics)})


def _expel(round: Round, node: NodeId, at: float) -> Round:
    """A revoked node's update is not used, unless it is already part of a model that stands."""
    member = round.members.get(node)
    if round.phase in (Phase.TRAINING, Phase.MERGING) and member and member.standing is not Standing.REVOKED:
        refused = (*member.refused, *([member.update.digest] if member.update else []))
        sentence = "This PC was removed from the group before the round was merged."
        expelled = replace(member, standing=Standing.REVOKED, since=at, sentence=sentence, update=None, refused=refused)
        round = _with(round, expelled)
    evaluations = {other: metrics for other, metrics in round.evaluations.items() if other != node}
    return replace(round, evaluators=round.evaluators - {node}, evaluations=evaluations)


def _close_if_due(round: Round, at: float) -> Round:
    """Guarded by the quorum in one place only: Hypothesis once found a merge of one update after a member had left."""
    standings = [member.standing for member in round.members.values()]
    held, asked = standings.count(Standing.UPLOADED), standings.count(Standing.ASKED)
    absent = sum(standing in ABSENT for standing in standings)
    if held >= round.quorum and (asked == 0 or at >= round.deadline):
        return _enter(replace(round, closed=at), Phase.MERGING)
    if held + asked + absent < round.quorum:
        return abandon(round, at, f"{held} of the {round.quorum} updates it needs came and nobody else could send one")
    if at >= round.deadline:
        return abandon(round, at, f"only {held} of the {round.quorum} updates it needs came before its deadline")
    return round


def _summarise_if_due(round: Round, at: float) -> Round:
    if not round.summarising and (not unmeasured(round) or at >= round.evaluation_deadline):
        round = replace(round, summarising=True)
    overdue = at >= round.evaluation_deadline + SUMMARY_SECONDS
    if round.summarising and (overdue or not round.evaluations):
        return _end(round, Phase.COMMITTED, at)
    return round


def _end(round: Round, phase: Phase, at: float) -> Round:
    """Keep what each member did; drop what only an open round needs."""
    members = {node: replace(member, config="") for node, member in round.members.items()}
    return _enter(replace(round, members=members, here=frozenset(), ended=at), phase)


def _enter(round: Round, phase: Phase) -> Round:
    assert phase in EDGES[round.phase], f"round {round.number}: {round.phase} cannot become {phase}"
    return replace(round, phase=phase)


def _with(round: Round, member: Member) -> Round:
    return replace(round, members={**round.members, member.node: member})


def measured(trained: Metrics, held_out: Metrics | None = None) -> Metrics:
    """Both in one, numbers only. Each has a `loss`, so each is there under its own name, too."""
    named = {"train_loss": trained, "held_out_loss": held_out or {}}
    losses = {name: metrics["loss"] for name, metrics in named.items() if "loss" in metrics}
    return _finite({**losses, **trained, **(held_out or {})})


def _finite(metrics: Metrics) -> Metrics:
    return {name: float(metrics[name]) for name in sorted(metrics) if math.isfinite(metrics[name])}
