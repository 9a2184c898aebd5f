"""Which text each round of a run read on this PC: `reading.json`, small, and written before the round's update is.

A round's reading stays apart for `OPEN` more rounds, for so long its update may turn out not to count; then it is taken
as learnt. Like all of a run's work it never leaves this PC.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from node.data.order import Reading, together, without
from shared.disk import write
from shared.ids import Digest

OPEN = 16  # rounds


@dataclass(frozen=True, slots=True)
class Round:
    """What one round read, and the model it began with."""

    number: int
    model: Digest
    read: Reading


@dataclass(frozen=True, slots=True)
class Ledger:
    learnt: Reading = field(default_factory=Reading)
    rounds: tuple[Round, ...] = ()  # the newest, in order

    def before(self, number: int, model: Digest, lost: Collection[int]) -> tuple[Reading, Reading]:
        """What was read and what is owed when round `number` begins with `model`.

        A round's reading is owed when its update is among `lost`, or when a later round began with the same model: then
        nobody's update counted.
        """
        earlier = [round_ for round_ in self.rounds if round_.number < number]
        gone = _gone(earlier, model, lost)
        read = together([self.learnt, *(round_.read for round_ in earlier if round_.number not in gone)])
        owed = together(round_.read for round_ in earlier if round_.number in gone)
        spans = {name: without(these, read.spans.get(name, ())) for name, these in owed.spans.items()}
        return read, replace(owed, spans={name: these for name, these in spans.items() if these})

    def with_round(self, new: Round, lost: Collection[int]) -> Ledger:
        """The round is over. Its number may have been there before: it was trained again."""
        rounds = (*(round_ for round_ in self.rounds if round_.number < new.number), new)
        old, gone = [r for r in rounds if r.number <= new.number - OPEN], _gone(rounds, None, lost)
        learnt = together([self.learnt, *(r.read for r in old if r.number not in gone)])
        return Ledger(learnt, rounds[len(old) :])


def _gone(rounds: Sequence[Round], model: Digest | None, lost: Collection[int]) -> frozenset[int]:
    """The rounds whose update did not count: we were told so, or a later one began with the same model."""
    later = [*(round_.model for round_ in rounds[1:]), model]
    return frozenset(
        round_.number for at, round_ in enumerate(rounds) if round_.number in lost or round_.model in later[at:]
    )


def load(path: Path) -> Ledger:
    """What was saved there; an empty one when nothing was, or when it cannot be read: then the text begins anew."""
    try:
        words = json.loads(path.read_bytes())
        rounds = tuple(Round(int(w["number"]), Digest(w["model"]), reading_from(w["read"])) for w in words["rounds"])
        return Ledger(reading_from(words["learnt"]), rounds)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return Ledger()


def save(path: Path, ledger: Ledger) -> None:
    rounds = [{"number": r.number, "model": r.model, "read": reading_words(r.read)} for r in ledger.rounds]
    write(path, json.dumps({"learnt": reading_words(ledger.learnt), "rounds": rounds}).encode())


def reading_words(read: Reading) -> dict[str, Any]:
    return {"at_pass": read.at_pass, "spans": {name: [list(span) for span in read.spans[name]] for name in read.spans}}


def reading_from(words: dict[str, Any]) -> Reading:
    spans = {str(name): tuple((int(a), int(b)) for a, b in these) for name, these in words["spans"].items()}
    return Reading(int(words["at_pass"]), spans)
