"""Refined units, in order, into shards: copies left out, every paragraph given its fate. One process does it.

Whatever is written only grows, so that going back to what is committed is cutting it off.
"""

from __future__ import annotations

from base64 import b64decode
from collections import ChainMap, Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from node.data.building.choices import Choices
from node.data.building.suspicions import Suspicions
from node.data.building.unread import Unread
from node.data.chats.parts import Part, cut, whole
from node.data.document import SEPARATOR, Counts, Message, Unreadable
from node.data.duplicates.index import Index
from node.data.duplicates.marks import Marks
from node.data.duplicates.signatures import Signatures
from node.data.duplicates.sizes import BANDS, BINS
from node.data.heldout import Fate, is_short, normalised
from node.data.screening import Poison
from node.data.shards import Position, Shards

Words = dict[str, Any]
Known = ChainMap[bytes, bool]  # marks met before, and whether in a test file


class Merger:
    """A context manager; `places` of a journal to go on from.

    `source` is what the index calls this source; `skipped` what its journal counts as unreadable.
    `dry`: write no shards.
    """

    def __init__(
        self,
        folder: Path,
        source: str,
        index: Index,
        choices: Choices,
        places: Words,
        *,
        skipped: Mapping[str, int] | None = None,
        dry: bool = False,
    ) -> None:
        self._source, self._index, self._dry = source, index, dry
        self._test_files = bool(choices.hold_out)
        self.train, self.held = (
            Shards(folder, stem, choices.shard_bytes, Position(**places[stem]) if stem in places else None)
            for stem in ("train", "held")
        )
        self._marks = Marks.open(folder / ".marks", places.get("marks", 0))
        self._suspicions = Suspicions(folder, places.get("poison", [0, 0]))
        self._met = int(places.get("met", 0))  # documents
        self._waiting: list[Words] = []  # documents whose signatures come next
        self.counts: Counts = Counter()  # since the last commit
        self.unread = Unread(skipped)  # since the last commit

    def __enter__(self) -> Merger:
        for one in self._files():
            one.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._files():
            one.__exit__()

    def _files(self) -> tuple[Shards, Shards, Marks, Suspicions]:
        return self.train, self.held, self._marks, self._suspicions

    @property
    def poison(self) -> Poison:
        return self._suspicions.poison

    def take(self, lines: Iterable[Words]) -> None:
        """One refined unit."""
        for words in lines:
            if "signatures" in words:
                self._documents(_signatures(words["signatures"]))
            elif "poison" in words:
                self._suspicions.add(b64decode(words["poison"]))
            elif "unreadable" in words:
                self.counts.update(words.get("counts", {}))
                for name, reason in words["unreadable"]:
                    self.unread.add(Unreadable(name, reason))
            else:
                self._waiting.append(words)

    def committed(self) -> Words:
        """Everything taken so far, on the disk: the places to go on from. Whoever asks keeps the counts, too."""
        places: Words = {"train": self.train.committed().words(), "held": self.held.committed().words()}
        places |= {"marks": self._marks.commit(), "poison": self._suspicions.committed()}
        return {**places, "met": self._met, "index": self._index.commit()}

    def _documents(self, made: Signatures) -> None:
        documents, self._waiting = self._waiting, []
        ids = range(self._met, self._met + len(documents))
        verdicts = self._index.add(self._source, ids, made, [int(words["tested"]) for words in documents])
        self._met += len(documents)
        texts = [text for words in documents for text in words.get("pieces") or words["said"]]
        before, fresh = self._marks.known({bytes.fromhex(text[-2]) for text in texts}), dict[bytes, bool]()
        known = ChainMap(fresh, before)
        for words, verdict in zip(documents, verdicts, strict=True):
            if verdict.kind != "new" and not (words["tested"] and not verdict.fate):  # a test is one, if new or not
                self.counts[f"copies: {verdict.kind}"] += 1
                self.counts[f"{Fate.REPEATED} paragraphs"] += len(words.get("pieces") or words["said"])
                if verdict.source != self._source:
                    self.counts[f"copies of: {verdict.source}"] += 1
                continue
            parts = [*(self._conversation(words, known) if "said" in words else self._prose(words, known))]
            for part in parts:
                self._write(words["name"], part)
            if parts:
                self._count(words, parts)
        self._marks.add(fresh)

    def _prose(self, words: Words, known: Known) -> Iterable[Part]:
        kept: dict[Fate, list[str]] = {}
        for text, mark, by_key in words["pieces"]:
            its = self._fate(known, mark, Fate(by_key), tested=words["tested"], repeats=False)
            self.counts[f"{its} paragraphs"] += 1
            kept.setdefault(its, []).append(text)
        for fate in (Fate.TRAIN, Fate.TEST):
            if fate in kept:
                yield Part(fate, SEPARATOR.join(kept[fate]))

    def _conversation(self, words: Words, known: Known) -> Iterable[Part]:
        """Who repeats themselves in conversations is not cut out of them; nor is an "ok" that a test file has, too."""
        messages = [Message(role, content, speaker) for role, content, speaker, *_ in words["said"]]
        fates = [
            self._fate(
                known, mark, Fate(by_key), tested=words["tested"] and not is_short(normalised(said)), repeats=True
            )
            for _, said, _, mark, by_key in words["said"]
        ]
        self.counts.update(f"{its} paragraphs" for its in fates)
        return [whole(messages)] if words["tested"] else cut(messages, fates)

    def _fate(self, known: Known, mark: str, by_key: Fate, *, tested: bool, repeats: bool) -> Fate:
        number = bytes.fromhex(mark)
        in_test = known.get(number)  # None: it was not met before
        if in_test is not None and not repeats:
            return Fate.REPEATED
        if in_test is None:
            known[number] = tested
        if tested:
            return Fate.TEST
        if by_key is Fate.TEST or in_test:
            return Fate.SET_ASIDE if self._test_files else by_key
        return by_key

    def _count(self, words: Words, parts: Sequence[Part]) -> None:
        """A document of which something is kept."""
        self.counts["documents"] += 1
        self.counts["conversations"] += "said" in words
        self.counts[f"kind: {words['kind']}"] += 1
        self.counts.update(words.get("blanked", {}))
        if language := words.get("language"):
            self.counts[f"kept characters: {language}"] += sum(len(part.text) for part in parts)

    def _write(self, name: str, part: Part) -> None:
        facts: Words = {"file": name}
        facts |= {"messages": part.messages} if part.messages else {"paragraphs": part.text.count(SEPARATOR) + 1}
        if not self._dry:
            (self.train if part.fate is Fate.TRAIN else self.held).write(facts=facts, text=part.text)
        size = len(part.text.encode())
        self.counts[f"{part.fate} documents"] += 1
        self.counts[f"{part.fate} bytes"] += size
        self.counts[f"length: {size.bit_length()}"] += 1


def _signatures(words: Words) -> Signatures:
    def array(name: str, kind: Any, width: int) -> Any:
        return np.frombuffer(b64decode(words[name]), kind).reshape(-1, width)

    return Signatures(array("exact", np.uint64, 2), array("bands", np.uint32, BANDS), array("bins", np.uint8, BINS))
