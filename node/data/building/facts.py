"""What is reported of a source: gathered from its journal and pages, for the words and the page alike."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from node.data.building.choices import Choices
from node.data.building.journal import Journal
from node.data.building.meanings import meanings
from node.data.privacy import CANNOT
from node.data.reading.kinds import is_of_unknown_kind
from node.data.screening import toxicity
from node.data.screening.finding import Finding

Words = dict[str, Any]
NAMED = 20  # unreadable files named for each reason

RULES = (
    "Rules that begin with gopher and c4 were published by others, for pages of the web; own ones are ours. "
    'To keep what a rule takes, type the same words again with --replace --no-rule "RULE".'
)
LINES = 'To keep the lines that a rule takes, type the same words again with --replace --no-rule "RULE".'
LIMITS = f"""\
{CANNOT.strip()}

Abuse is judged in {toxicity.COVERED} only. Not covered: {toxicity.NOT_COVERED}.

Copies are found where at least four fifths of the runs of five words are the same. A text that was written anew, \
translated, or stands inside a much longer one is not a copy to it.

Planted phrases of one or two words, or in languages that write without spaces, are not found.
"""


@dataclass(frozen=True, slots=True)
class Bars:
    """Numbers by name, the largest first."""

    title: str
    unit: str
    rows: Sequence[tuple[str, int]]
    shares: bool = False  # parts of a whole
    meanings: Mapping[str, str] = field(default_factory=dict)  # words beside a name
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All of it."""

    meta: Words
    choices: Choices
    flow: Sequence[tuple[str, int]]  # from what was read to what is kept
    lengths: Sequence[tuple[int, int]]  # documents below that many bytes (powers of two) and above the one before
    bars: Sequence[Bars]
    unreadable: Sequence[tuple[str, int, Sequence[str]]]  # reason, how many, the first names
    findings: Sequence[Finding]
    filters: dict[str, str]


def report_of(source: Path, meta: Words, choices: Choices, journal: Journal) -> Report:
    counts = journal.counts()
    kept = meta["documents"]
    dropped, copies = sum(meta["dropped"].values()), sum(meta["copies"].values())
    found = [Finding(**words) for words in json.loads((source / "findings.json").read_bytes())]
    return Report(
        meta=meta,
        choices=choices,
        flow=[
            ("files found", meta["files"]),
            ("documents read", counts["documents read"]),
            ("dropped by a rule", dropped),
            ("left out as copies", copies),
            ("left out, since none of their paragraphs is new", counts["documents read"] - dropped - copies - kept),
            ("kept, whole or in part", kept),
            ("of these, with something blanked", counts["blanked: documents"]),
            ("pieces of these to train on", meta["train_documents"]),
            ("pieces of these held out for testing", meta["held_out_documents"]),
            ("paragraphs that repeat others, left out", meta["repeated_paragraphs"]),
            ("paragraphs set aside, since a friend may be tested on them", meta["set_aside_paragraphs"]),
        ],
        lengths=_lengths(counts),
        bars=[
            _bars(counts, "Languages", "characters", "kept characters: ", shares=True),
            _bars(counts, "Kinds of text", "documents", "kind: "),
            _explained(_bars(counts, "Dropped, by rule", "documents", "dropped: "), RULES),
            Bars("Copies of other collections", "documents", _sorted(meta["copies_of"])),
            _explained(Bars("Blanked, by kind", "times", _sorted(meta["blanked"]))),
            _explained(_bars(counts, "Boilerplate lines taken out, by rule", "lines", "boilerplate: "), LINES),
            _explained(_bars(counts, "Characters mended", "times", "characters: ")),
            _explained(_bars(counts, "Abuse", "paragraphs and messages", "toxicity: ")),
        ],
        unreadable=_unreadable(meta, journal),
        findings=found,
        filters=(journal.plan() or {})["filters"],
    )


def _lengths(counts: Counter[str]) -> list[tuple[int, int]]:
    """No gaps between the shortest and the longest."""
    bits = {int(name.removeprefix("length: ")): count for name, count in counts.items() if name.startswith("length: ")}
    return [(1 << bit, bits.get(bit, 0)) for bit in range(min(bits), max(bits) + 1)] if bits else []


def _bars(counts: Counter[str], title: str, unit: str, prefix: str, *, shares: bool = False) -> Bars:
    rows = {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix) and count}
    return Bars(title, unit, _sorted(rows), shares)


def _explained(bars: Bars, note: str = "") -> Bars:
    return replace(bars, meanings=meanings(name for name, _ in bars.rows), note=note)


def _sorted(rows: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(rows.items(), key=lambda row: (-row[1], row[0]))


def _unreadable(meta: Words, journal: Journal) -> list[tuple[str, int, list[str]]]:
    names: dict[str, list[str]] = {}
    for one in journal.unreadable():
        if len(known := names.setdefault(one.reason, [])) < NAMED:
            known.append(one.name)
    rows = [(reason, number, names.get(reason, [])) for reason, number in meta["skipped"].items()]
    return sorted(rows, key=lambda row: (is_of_unknown_kind(row[0]), -row[1]))
