"""What the owner is told while the agent runs: a plain sentence for each fact worth one. Pure.

A friend leaves this open all evening: a handful of lines a round, no ids, no jargon. The log file keeps the rest.
"""

from __future__ import annotations

from node.logic import bounds
from node.logic.facts import (
    DataChanged,
    DeltaUseless,
    DutiesTold,
    Evaluated,
    Fact,
    Fetched,
    FitChosen,
    FitSought,
    Kind,
    LinkUp,
    NothingFits,
    OwnerPaused,
    OwnerResumed,
    Progressed,
    TrainerFailed,
    TrainerGone,
    TrainerNoted,
    TrainerStarted,
    TrainerTold,
    TrainerWarm,
    Unusable,
    UpdateWritten,
    Verdict,
    VerdictHeard,
)
from node.logic.report import ADD, for_another_group, pause_words, warm
from node.logic.state import State
from shared.ids import RunId
from shared.units import size_words


def told(before: State, fact: Fact, after: State) -> str:
    """What to tell of `fact`, which changed `before` into `after`; empty for most."""
    match fact:
        case LinkUp(address):
            again = " again" if before.connection else ""
            return "" if before.linked else f"connected to the host at {address}{again}{_nothing(after)}"
        case DutiesTold(()) if before.duties:
            return _rest(before)
        case OwnerPaused() if before.pause != after.pause:
            return pause_words(after.pause, "you") if after.pause and after.paused else ""
        case OwnerResumed():
            return "working again" if before.pause is not None else ""
        case DataChanged(names) if before.edition and names != before.data:
            return f"text to train on: {', '.join(names) or 'none'}"
        case Fetched(digest, 0.0):
            return f"fetching {bounds.of(after, digest).what}"
        case DeltaUseless():
            return "the step to the next model did not fit; the whole model is fetched instead"
        case TrainerStarted() if before.trainer.run is None:
            return "starting the trainer; the first time takes a minute"
        case FitSought():
            return "finding out what fits this PC; it is remembered"
        case FitChosen(sentence) if sentence != before.trainer.fit:
            return f"this PC trains {sentence}"
        case NothingFits(_, why):
            return why
        case TrainerFailed() | TrainerGone() if after.cuts != before.cuts:
            return "there was not enough memory; starting again with less"
        case TrainerTold("train", number, _):
            return f"{_round(after.trainer.run, number)}: training begins"
        case TrainerTold("halt", number, _):
            return f"{_round(after.trainer.run, number)}: finishing the step under way"
        case Progressed() if before.trainer.progress is None and after.trainer.progress is not None:
            where = _round(after.trainer.run, fact.round)
            return f"{where}: training, loss {fact.loss:.2f}, {fact.tokens_per_second:,.0f} tokens/s"
        case UpdateWritten():
            return _trained(before, fact, after)
        case Evaluated(run, number, metrics):
            measured = dict(metrics).get("bits_per_byte")
            words = f"{measured:.3f} bits per byte" if measured is not None else "measured"
            return f"{_round(run, number)}: {words} on your held-out text"
        case VerdictHeard(run, number):
            return _verdict(before, fact, after) if (run, number) in after.updates else ""
        case TrainerNoted(sentence):
            return sentence
        case TrainerWarm(pace):
            held = before.trainer.heat.pace if before.trainer.heat is not None else "full"
            return warm(fact) if pace != held else ""
        case TrainerFailed(why):
            return f"the trainer failed: {why}"
        case TrainerGone(why):
            return f"the trainer failed: {why}" if why else ""
        case Unusable(_, why):
            return why
        case _:
            return ""


def _nothing(state: State) -> str:
    """What keeps this PC from training, where it has no text."""
    if state.data or not state.edition:
        return ""
    return f"; {for_another_group(state.foreign[0])}" if state.foreign else f"; no text to train on yet: {ADD}"


def _round(run: RunId | None, number: int) -> str:
    return f"round {number} of {run}"


def _rest(before: State) -> str:
    """Nothing is asked any more: for good, or for now, which is not worth a word."""
    for duty in before.duties:
        if duty.kind is Kind.EVALUATE and duty.round == duty.rounds:
            return f"that was the last round of {duty.run}; `potluck model get` fetches the result"
    return ""


def _trained(before: State, fact: UpdateWritten, after: State) -> str:
    update = fact.update
    if (update.run, update.round) in before.updates and before.updates[update.run, update.round].update == update:
        return ""
    loss = dict(update.metrics).get("loss")
    part = f" {update.share:.0%} of its steps," if update.share < 1 else ""
    words = f"{_round(update.run, update.round)}: trained{part} {update.tokens:,} tokens"
    return words if loss is None else f"{words}, loss {loss:.2f}"


def _verdict(before: State, fact: VerdictHeard, after: State) -> str:
    kept, old = after.updates[fact.run, fact.round], before.updates.get((fact.run, fact.round))
    if old is not None and old.verdict is kept.verdict:
        return ""
    where = _round(fact.run, fact.round)
    match kept.verdict:
        case Verdict.ACCEPTED:
            return f"{where}: sent {size_words(kept.update.size)}; waiting for the others"
        case Verdict.COUNTED:
            return f"{where}: your update counts"
        case _:
            return f"{where}: your update does not count. {kept.sentence}".rstrip()
