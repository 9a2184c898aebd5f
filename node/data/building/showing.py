"""For the owner's eyes: what is in a source, and what blanking and the rules would do to a folder. Nothing is kept."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from node.data import collection, shards
from node.data.building import refining
from node.data.building.finding import Found
from node.data.building.meanings import meanings
from node.data.building.plan import Part
from node.data.building.refining import Work
from node.data.document import Document, Dropped
from node.data.screening.finding import escaped, joined

Words = dict[str, Any]
SHOWN = 600  # characters of a document
LOOKED = 4 << 20  # bytes of input that a preview reads, about
PARTS = 400  # files that it looks into at most
LINES = 2000
AROUND = 60  # characters


def show(source: Path, count: int, seed: int) -> Words:
    """Its page of counts, and some random documents as they are learnt or tested on."""
    meta, chance = collection.read_meta(source), random.Random(seed)  # noqa: S311  which is shown is no secret
    samples = []
    for stem, of in (("train", meta["train_documents"]), ("held", meta["held_out_documents"])):
        wanted = set(chance.sample(range(of), min(count, of)))
        for number, sample in enumerate(shards.read(source, stem)):
            if number in wanted:
                samples.append({"in": stem, "file": sample["json"]["file"], "text": _short(sample["txt"])})
                wanted.remove(number)
            if not wanted:
                break
    return {**explained(meta), "samples": samples}


def preview(work: Work, count: int, seed: int) -> Words:
    """Random documents of the folder before and after: `count` changed by each kind of stage, `count` left out."""
    chance = random.Random(seed)  # noqa: S311
    changed: dict[str, Reservoir] = {}
    dropped: dict[str, Reservoir] = {}
    counts = Counter[str]()
    looked, filters = 0, refining.stages(work.choices)
    for document in _some(work, chance):
        looked += 1
        for stage in filters:
            after = stage(document, counts)
            if isinstance(after, Dropped):
                words = {"file": document.name, "text": _short(joined(document))}
                dropped.setdefault(after.rule, Reservoir(count, chance)).add(words)
                break
            if after is not document:
                for before, now in differences(joined(document), joined(after)):
                    words = {"file": document.name, "before": before, "after": now}
                    changed.setdefault(stage.name, Reservoir(count, chance)).add(words)
            document = after
    return {
        "documents": looked,
        "changed": {name: these.kept for name, these in sorted(changed.items())},
        "dropped": {rule: these.kept for rule, these in sorted(dropped.items())},
        "meanings": meanings(dropped),
        "counts": counts,
    }


def explained(meta: Words) -> Words:
    """Its page of counts, with words for the rules and kinds in it."""
    return {**meta, "meanings": meanings([*meta.get("dropped", {}), *meta.get("blanked", {})])}


class Reservoir:
    """Keeps `size` of all that is added, each as likely as any other."""

    def __init__(self, size: int, chance: random.Random) -> None:
        self._size, self._chance, self._seen = size, chance, 0
        self.kept: list[Words] = []

    def add(self, one: Words) -> None:
        self._seen += 1
        if len(self.kept) < self._size:
            self.kept.append(one)
        elif (place := self._chance.randrange(self._seen)) < self._size:
            self.kept[place] = one


def differences(before: str, after: str) -> Iterator[tuple[str, str]]:
    """What stood in the place of what, a few words around it; of the first lines of a long text."""
    old, new = before.split("\n")[:LINES], after.split("\n")[:LINES]
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield around(" ".join(old[a:b]), " ".join(new[c:d]))


def around(before: str, after: str) -> tuple[str, str]:
    """Two texts cut down to where they differ."""
    start = next((at for at, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), 0)
    start = max(0, start - AROUND)
    most = 3 * AROUND
    return _line(before[start : start + most]), _line(after[start : start + most])


def _some(work: Work, chance: random.Random) -> Iterator[Document]:
    """Documents of random parts of the folder."""
    parts = Reservoir(PARTS, chance)
    for part in Found(work.source, work.choices).parts():
        parts.add({"part": part})
    left = LOOKED
    for words in parts.kept:
        chosen: Part = words["part"]
        if left <= 0:
            return
        left -= chosen.bytes
        for found in refining.read(work, chosen, Counter()):
            if isinstance(found, Document):
                yield found


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."


def _line(text: str) -> str:
    """What nobody sees is shown, too: it may be what changes."""
    return escaped(" ".join(text.split()))
