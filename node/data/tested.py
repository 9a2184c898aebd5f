"""What an owner named as tests (`--hold-out`), and the same words in other collections of this PC: not trained on.

A collection with such tests keeps the marks of their texts, which stay equal however the words are dressed. Whoever
makes the tokens of another collection leaves those texts out, whichever of the two was added first; when the tests are
removed, they are trained on again. Short texts are let through: they say nothing about anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from node.data import shards
from node.data.chats.parts import cut
from node.data.document import SEPARATOR, Message
from node.data.heldout import Fate, is_short, normalised
from node.data.shards import Sample
from shared.disk import write

NAME = "tested.marks"  # uint64[n], sorted, little-endian
LINES = 64  # of a turn, which several messages made: longer messages are not found in it

Marks = NDArray[np.uint64]


def note(collection: Path) -> None:
    """Keep the marks of all that is held out in a collection whose owner named what is tested."""
    found = {_mark(words) for sample in shards.read(collection, "held") for words in _texts(sample)}
    write(collection / NAME, np.array(sorted(found), "<u8").tobytes())


def elsewhere(collection: Path) -> Marks:
    """What is named as a test in the other collections beside this one."""
    files = sorted(path for path in collection.parent.glob(f"[!.]*/{NAME}") if path.parent != collection)
    return np.unique(np.concatenate([np.empty(0, "<u8"), *(np.fromfile(path, "<u8") for path in files)]))


def digest(marks: Marks) -> str:
    """Another one for other marks; none for none."""
    return hashlib.sha256(marks.tobytes()).hexdigest() if len(marks) else ""


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a training sample, and how many of its texts were left out."""

    samples: list[Sample]
    left_out: int = 0


def without(sample: Sample, tested: Marks) -> Rest:
    """The sample as it is where nothing of it is tested; a conversation falls into several."""
    if not len(tested):
        return Rest([sample])
    if turns := sample["json"].get("messages"):
        return _conversation(sample, turns, tested)
    texts = sample["txt"].split(SEPARATOR)
    kept = [text for text in texts if not _any([_mark(normalised(text))], tested)]
    if len(kept) == len(texts):
        return Rest([sample])
    return Rest([{**sample, "txt": SEPARATOR.join(kept)}] if kept else [], len(texts) - len(kept))


def _conversation(sample: Sample, turns: list[dict[str, Any]], tested: Marks) -> Rest:
    fates = [Fate.SET_ASIDE if _any([*_runs(turn["content"])], tested) else Fate.TRAIN for turn in turns]
    if Fate.SET_ASIDE not in fates:
        return Rest([sample])
    parts = cut([Message(turn["role"], turn["content"]) for turn in turns], fates)
    samples = [{"txt": part.text, "json": {**sample["json"], "messages": [*part.messages]}} for part in parts]
    return Rest(samples, fates.count(Fate.SET_ASIDE))


def _texts(sample: Sample) -> Iterator[str]:
    """The normalised texts of a held-out sample, without the short ones."""
    said = sample["json"].get("messages")
    texts = [one["content"] for one in said] if said else sample["txt"].split(SEPARATOR)
    yield from (words for words in map(normalised, texts) if not is_short(words))


def _runs(content: str) -> Iterator[int]:
    """The marks of all messages that a turn may be made of: runs of its lines, with or without a name before them."""
    lines = content.split("\n")
    words = [normalised(line) for line in lines]
    for start, line in enumerate(lines):
        for first in {words[start], normalised(line.partition(": ")[2])}:
            run = first
            yield _mark(run)
            for following in words[start + 1 : start + LINES]:
                run = f"{run} {following}".strip() if following else run
                yield _mark(run)


def _any(marks: list[int], tested: Marks) -> bool:
    asked = np.array(marks, "<u8")
    at = np.minimum(np.searchsorted(tested, asked), len(tested) - 1)
    return bool((tested[at] == asked).any())


def _mark(words: str) -> int:
    return xxhash.xxh3_64_intdigest(words.encode())
