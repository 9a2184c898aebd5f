"""`status.json`: what the agent is doing, for `potluck node status`, which works when no agent runs too."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from node.logic import report
from node.logic.facts import (
    DutiesTold,
    Evaluated,
    Fact,
    FitChosen,
    NothingFits,
    OwnerPaused,
    OwnerResumed,
    TrainerFailed,
    TrainerGone,
    TrainerNoted,
    TrainerOpened,
    TrainerTold,
    TrainerWarm,
    Unusable,
    UpdateWritten,
    VerdictHeard,
)
from node.logic.state import State
from shared.disk import private_folder

Words = dict[str, Any]


def picture(state: State, name: str, trouble: str) -> Words:
    """The state in plain JSON values."""
    now = report.activity(state)
    able = report.availability(state)
    rounds = next((duty.rounds for duty in state.duties if duty.run == now.run), 0)
    return {
        "pid": os.getpid(),
        "name": name,
        "host": state.address or None,
        "trouble": trouble,
        "readiness": able.readiness.value,
        "sentence": report.sentence(state),
        "doing": now.doing.value,
        "run": now.run,
        "round": now.round,
        "rounds": rounds,
        "share": round(now.share, 4),
        "step": now.step,
        "loss": now.loss,
        "tokens_per_second": round(now.tokens_per_second, 1),
        "gradient": state.trainer.progress.gradient if state.trainer.progress is not None else "",
        "metrics": dict(state.trainer.progress.metrics) if state.trainer.progress is not None else {},
        "heat": asdict(state.trainer.heat) if state.trainer.heat is not None else None,
        "note": state.trainer.note,
        "trainer": state.trainer.phase.value,
        "engine": state.trainer.engine,
        "fit": state.trainer.fit,
        "cuts": state.cuts.get(state.trainer.run, 0) if state.trainer.run else 0,
        "data": list(state.data),
        "updates": [
            {
                "run": kept.update.run,
                "round": kept.update.round,
                "share": kept.update.share,
                "tokens": kept.update.tokens,
                "bytes": kept.update.size,
                "digest": kept.update.digest,
                "verdict": kept.verdict.value if kept.verdict else None,
                "sentence": kept.sentence,
                "metrics": dict(kept.update.metrics),
            }
            for _, kept in sorted(state.updates.items(), key=lambda item: item[0][1])[-10:]
        ],
        "evaluations": [
            {"run": run, "round": number, "metrics": dict(metrics)}
            for (run, number), metrics in sorted(state.evaluations.items(), key=lambda item: item[0][1])[-10:]
        ],
    }


def write(home: Path, words: Words) -> None:
    """Replace status.json. Not flushed to the disk: it is worth nothing after a power cut."""
    private_folder(home)
    beside = home / ".status.json.new"
    beside.write_text(json.dumps(words, indent=1), encoding="utf-8")
    beside.replace(home / "status.json")


def read(home: Path) -> Words:
    """What the agent wrote last; empty when it never ran."""
    try:
        words = json.loads((home / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return words if isinstance(words, dict) else {}


def told(fact: Fact) -> tuple[str, Words] | None:
    """A fact worth a line in the log, with its details."""
    match fact:
        case DutiesTold(duties):
            asked = [f"{duty.kind.value} round {duty.round} of {duty.rounds} ({duty.run})" for duty in duties]
            return "asked", {"duties": "; ".join(asked) or "nothing for now"}
        case OwnerPaused():
            return "paused", {}
        case OwnerResumed():
            return "resumed", {}
        case Unusable(_, sentence):
            return "unusable", {"why": sentence}
        case FitChosen(sentence):
            return "fit", {"chosen": sentence}
        case NothingFits(run, sentence):
            return "nothing-fits", {"run": run, "why": sentence}
        case TrainerOpened(engine, dtype, step_seconds):
            return "trainer-open", {"engine": engine, "dtype": dtype, "step_seconds": step_seconds}
        case TrainerTold(what, round_, _):
            return what, {"round": round_}
        case UpdateWritten(update):
            metrics = {name: value for name, value in update.metrics if name == "loss"}
            return "trained", {"round": update.round, "share": update.share, "tokens": update.tokens, **metrics}
        case Evaluated(_, round_, metrics):
            return "evaluated", {"round": round_, **dict(metrics)}
        case TrainerNoted(sentence):
            return "trainer-note", {"why": sentence}
        case TrainerWarm(pace, celsius, limit):
            return "heat", {"pace": pace, "celsius": celsius, "limit": limit}
        case TrainerFailed(sentence):
            return "trainer-failed", {"why": sentence}
        case TrainerGone(sentence):
            return "trainer-ended", {"why": sentence} if sentence else {}
        case VerdictHeard(_, round_, verdict, sentence):
            return "verdict", {"round": round_, "verdict": verdict.value, **({"why": sentence} if sentence else {})}
        case _:
            return None
