"""Facts that must survive the agent: updates and their verdicts, evaluations, the newest duties."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, replace
from typing import Any

from node.logic.changes import meaning
from node.logic.facts import DutiesTold, Duty, Evaluated, Fact, Kind, Update, UpdateWritten, Verdict, VerdictHeard
from node.logic.state import Kept, State
from node.store.database import statements
from shared.ids import Digest, RunId


class Memory:
    """Save first, act second: `save` before the fact is applied, `load` when the agent starts."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._statements = statements()

    def save(self, fact: Fact, now: float) -> None:
        """Write the fact if it must survive; the others are found out again by themselves."""
        match fact:
            case UpdateWritten(update):
                self._run("keep_update", {**asdict(update), "metrics": json.dumps(dict(update.metrics))})
            case VerdictHeard(run, round_):
                verdict, sentence = meaning(fact)
                words = {"run": run, "round": round_, "verdict": verdict.value, "sentence": sentence, "heard_at": now}
                self._run("keep_verdict", words)
            case Evaluated(run, round_, metrics):
                self._run("keep_evaluation", {"run": run, "round": round_, "metrics": json.dumps(dict(metrics))})
            case DutiesTold(duties):
                self._run("keep_duties", {"duties": json.dumps([asdict(duty) for duty in duties])})
            case _:
                pass

    def load(self, state: State) -> State:
        """`state` with everything that was saved."""
        updates = {}
        for row in self._run("updates"):
            update = Update(
                RunId(row["run"]), row["round"], Digest(row["model"]), Digest(row["digest"]), row["size"],
                row["tokens"], row["steps"], row["share"], _metrics(row["metrics"]),
            )  # fmt: skip
            verdict = Verdict(row["verdict"]) if row["verdict"] else None
            updates[update.run, update.round] = Kept(update, verdict, row["sentence"], row["heard_at"])
        evaluations = {(RunId(row["run"]), row["round"]): _metrics(row["metrics"]) for row in self._run("evaluations")}
        told = self._run("duties").fetchone()
        duties = tuple(_duty(raw) for raw in json.loads(told["duties"])) if told else ()
        return replace(state, updates=updates, evaluations=evaluations, duties=duties)

    def _run(self, name: str, values: dict[str, Any] | None = None) -> sqlite3.Cursor:
        return self._connection.execute(self._statements[name], values or {})


def _metrics(text: str) -> tuple[tuple[str, float], ...]:
    return tuple(sorted((str(name), float(value)) for name, value in json.loads(text).items()))


def _duty(raw: dict[str, Any]) -> Duty:
    return Duty(**{**raw, "kind": Kind(raw["kind"])})
