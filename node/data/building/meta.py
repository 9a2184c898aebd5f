"""A source's page of counts, `meta.json`: what the agent, the trainer and (if its owner agrees) the host are told."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from node.data.building.journal import COPIED, Journal
from node.data.building.meanings import meanings
from node.data.building.shelf import name_of
from node.data.collection import NAMED, skipped_words
from node.data.heldout import Fate
from shared.ids import group_id
from shared.units import plural

if TYPE_CHECKING:
    from node.data.building.build import Wish

Words = dict[str, Any]


def meta_of(wish: Wish, group_key: bytes, journal: Journal) -> Words:
    """Counts by the journal. Keys are only ever added."""
    counts = journal.counts()
    skipped, numbers = _skipped(journal)
    return {
        "added": datetime.now(UTC).isoformat(timespec="seconds"),
        "conversations": counts["conversations"],
        "bytes": counts[f"{Fate.TRAIN} bytes"] + counts[f"{Fate.TEST} bytes"],
        "blanked": {kind: count for kind, count in _named(counts, "blanked: ").items() if kind != "documents"},
        "copies": _named(counts, "copies: "),
        "copies_of": {name_of(label): count for label, count in _named(counts, COPIED).items()},
        "documents": counts["documents"],
        "dropped": _named(counts, "dropped: "),
        "files": journal.files(),
        "held_out_bytes": counts[f"{Fate.TEST} bytes"],
        "held_out_documents": counts[f"{Fate.TEST} documents"],
        "held_out_for": group_id(group_key),
        "hold_out": list(wish.choices.hold_out),
        "label": str((journal.plan() or {})["label"]),  # what the index of duplicates calls it
        "licence": wish.choices.licence,
        "name": wish.name,
        "repeated_paragraphs": counts[f"{Fate.REPEATED} paragraphs"],
        "set_aside_paragraphs": counts[f"{Fate.SET_ASIDE} paragraphs"],
        "skipped": numbers,
        "skipped_words": skipped_words(skipped, numbers),
        "source_words": f"the folder {wish.folder.resolve()}",
        "tokens": None,  # known once there is a tokenizer
        "train_bytes": counts[f"{Fate.TRAIN} bytes"],
        "train_documents": counts[f"{Fate.TRAIN} documents"],
    }


def why_nothing(meta: Words) -> str:
    """Of a source of which nothing is kept."""
    why = []
    if copies := sum(meta["copies"].values()):
        known = f" in {', '.join(meta['copies_of'])}" if meta["copies_of"] else ""
        why.append(f"{plural(copies, 'copy', 'copies')} of what is known already{known}")
    words = {rule: f" ({meaning})" for rule, meaning in meanings(meta["dropped"]).items()}
    why += [
        f"{plural(number, 'document')} dropped by the rule {rule!r}{words.get(rule, '')}"
        for rule, number in meta["dropped"].items()
    ]
    why += meta["skipped_words"]
    return "; ".join(why) or "nothing in it is new"


def _named(counts: Counter[str], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix)}


def _skipped(journal: Journal) -> tuple[dict[str, list[str]], dict[str, int]]:
    """The first names for each reason, and how many there are."""
    names: dict[str, list[str]] = {}
    for one in journal.unreadable():
        if len(known := names.setdefault(one.reason, [])) < NAMED:
            known.append(one.name)
    skipped = journal.skipped()
    return names, {reason: skipped[reason] for reason in sorted(names)}
