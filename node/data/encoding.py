"""A collection's text into the columns of its tokens, in one stream: read, encoded by all cores, written in order.

Samples are encoded in batches of about a megabyte, a long one in several. Threads are enough: the tokenizers do their
work outside Python's lock.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from node.data import cache, chat, shards
from node.data import tested as tested_
from node.data.cache import Columns
from node.data.collection import read_meta
from node.data.samples import diversity
from node.data.shards import Position, Sample
from node.data.tokenizers.tokenizer import Ids, RunTokenizer, cut

BATCH = 1 << 20  # characters encoded at a time by one thread
COMMIT = 32 << 20  # bytes of the shards after which all that is done is committed
HELD_PIECE = 1500  # characters; in most languages less than the 512 tokens of context of a measurement
Words = dict[str, Any]
Marks = NDArray[np.uint8]  # 1 where a token is learnt, or scored
Progress = Callable[[int, int], None]  # bytes of the shards done, in all


@dataclass(frozen=True, slots=True)
class Part:
    """What is encoded at once: a piece of a text, or a conversation."""

    text: str
    said: chat.Conversation | None = None
    first: bool = True  # of its document
    last: bool = True


@dataclass(frozen=True, slots=True)
class Batch:
    parts: list[Part]
    after: Position | None  # where the reader stands then; None: in the middle of a sample
    left_out: int = 0  # texts that another collection tests


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch's ids, one after the other, and what is known of each part that has any."""

    ids: Ids
    marks: Marks
    lengths: list[int]
    diversities: list[float]
    last: list[bool]
    digests: list[int]  # 64 bits of the words'
    after: Position | None
    not_conversations: int
    left_out: int


def write(
    collection: Path, folder: Path, tokenizer: RunTokenizer, template: str, tested: tested_.Marks, progress: Progress
) -> Words:
    """All columns of `folder`, going on where they were left; returns the counts. `tested`: what other ones test."""
    chats = bool(read_meta(collection).get("conversations"))
    kind = "<u2" if tokenizer.words <= 1 << 16 else "<u4"
    kinds = {"train.ids": kind, "train.documents": "<f8", "held.ids": kind, "held.ends": "<i8", "held.digests": "<u8"}
    kinds |= {"train.replies": "u1", "held.scored": "u1"} if chats else {}
    sizes = {stem: [path.stat().st_size for path in shards.paths(collection, stem)] for stem in ("train", "held")}
    total = sum(map(sum, sizes.values()))
    with Columns(folder, kinds) as columns, ThreadPoolExecutor(os.cpu_count(), "encode") as pool:
        note = columns.note
        counts: Counter[str] = Counter(note.get("counts", _NOTHING))
        left = {note.get("stem", "train"): Position(**note.get("after", {}))}  # where it goes on
        for stem in ("train", "held"):
            if stem == "train" and "held" in left:
                continue
            after = left.get(stem, Position())
            store = _Train(columns, counts, chats) if stem == "train" else _Held(columns, counts, chats)
            encode = _Encoder(tokenizer, template, tokenizer.end if stem == "train" else None)
            committed = _done(sizes, stem, after)
            for batch in _in_order(pool, encode, _batches(collection, stem, after, tested)):
                store.add(batch)
                if batch.after is None:
                    continue
                after = batch.after
                done = _done(sizes, stem, after)
                if done - committed >= COMMIT:
                    columns.commit({"stem": stem, "after": after.words(), "counts": counts})
                    committed = done
                progress(done, total)
        columns.commit({"stem": stem, "after": after.words(), "counts": counts})
    order = np.argsort(cache.mapped(folder / "held.digests", "<u8"), kind="stable")
    order.astype("<i8").tofile(folder / "held.order")
    progress(total, total)
    words = {"end": tokenizer.end, "kind": kind, "replies": chats, "words": tokenizer.words}
    return {**counts, **words, "tokens": counts["learnt_tokens"] + counts["held_tokens"]}


_NO_IDS: Ids = np.empty(0, np.uint32)
_NO_MARKS: Marks = np.empty(0, np.uint8)
_NOTHING = {"train_tokens": 0, "held_tokens": 0, "learnt_tokens": 0, "not_conversations": 0, "tested_elsewhere": 0}


def _done(sizes: dict[str, list[int]], stem: str, after: Position) -> int:
    """Bytes of all shards that come before that position."""
    return sum(sizes["train"]) * (stem == "held") + sum(sizes[stem][: after.shard]) + after.offset


def _batches(collection: Path, stem: str, after: Position, tested: tested_.Marks) -> Iterator[Batch]:
    parts: list[Part] = []
    size = left_out = 0
    for sample, after in shards.read_on(collection, stem, after):  # noqa: B020  it is the last one's
        if stem == "train":
            rest = tested_.without(sample, tested)
            these = [part for one in rest.samples for part in _training(one)]
            left_out += rest.left_out
        else:
            these = [*_pieces(sample)]
        for number, part in enumerate(these, 1):
            parts.append(part)
            size += len(part.text)
            if size >= BATCH:
                yield Batch(parts, after if number == len(these) else None, left_out)
                parts, size, left_out = [], 0, 0
    if parts or left_out:
        yield Batch(parts, after, left_out)


def _training(sample: Sample) -> Iterator[Part]:
    if "messages" in sample["json"]:
        yield Part(sample["txt"], sample["json"]["messages"])
        return
    pieces = list(cut(sample["txt"], BATCH))
    for number, piece in enumerate(pieces, 1):
        yield Part(piece, first=number == 1, last=number == len(pieces))


def _pieces(sample: Sample) -> Iterator[Part]:
    if "messages" in sample["json"]:
        yield Part(sample["txt"], sample["json"]["messages"])
        return
    yield from (Part(piece.strip("\n")) for piece in cut(sample["txt"], HELD_PIECE))


class _Encoder:
    """Encodes batches, in any thread; documents are closed by `end`, where there is one."""

    def __init__(self, tokenizer: RunTokenizer, template: str, end: int | None) -> None:
        self._tokenizer, self._template, self._marks = tokenizer, template, tokenizer.marks
        self._end = _NO_IDS if end is None else np.array([end], np.uint32)

    def __call__(self, batch: Batch) -> Encoded:
        texts = iter(self._tokenizer.encode([part.text for part in batch.parts if part.said is None]))
        encoded = [self._text(part, next(texts)) if part.said is None else self._conversation(part.said)
                   for part in batch.parts]  # fmt: skip
        kept = [(part, *each) for part, each in zip(batch.parts, encoded, strict=True) if len(each[0])]
        return Encoded(
            np.concatenate([_NO_IDS, *(ids for _, ids, _ in kept)]),
            np.concatenate([_NO_MARKS, *(marks for _, _, marks in kept)]),
            [len(ids) for _, ids, _ in kept], [diversity(ids) for _, ids, _ in kept],
            [part.last for part, _, _ in kept],
            [_digest(part.text) for part, _, _ in kept], batch.after,
            sum(part.said is not None for part in batch.parts) - sum(part.said is not None for part, _, _ in kept),
            batch.left_out,
        )  # fmt: skip

    def _text(self, part: Part, ids: Ids) -> tuple[Ids, Marks]:
        """All of it is learnt, its end too."""
        if part.last and (len(ids) or not part.first):
            ids = np.append(ids, self._end)
        return ids, np.ones(len(ids), np.uint8)

    def _conversation(self, said: chat.Conversation) -> tuple[Ids, Marks]:
        """Nothing, where somebody wrote one of the model's own marks: it would be taken for the real one."""
        if any(mark in message["content"] for message in said for mark in self._marks):
            return _NO_IDS, _NO_MARKS
        pieces = chat.pieces(said, self._template, self._tokenizer.special)
        ids, replies = chat.encode(pieces, self._tokenizer.marked)
        return (np.append(ids, self._end), np.append(replies, _NO_MARKS if self._end is _NO_IDS else np.uint8(0)))


class _Train:
    """Puts training documents into their columns."""

    def __init__(self, columns: Columns, counts: Counter[str], chats: bool) -> None:
        self._columns, self._counts, self._chats = columns, counts, chats
        self._length, self._diverse = 0, 0.0  # of the document under way; the second times the first

    def add(self, batch: Encoded) -> None:
        known: list[tuple[float, float]] = []
        place = self._counts["train_tokens"]
        for length, diverse, last in zip(batch.lengths, batch.diversities, batch.last, strict=True):
            place += length
            self._length, self._diverse = self._length + length, self._diverse + diverse * length
            if last:
                known.append((place, self._diverse / self._length))
                self._length, self._diverse = 0, 0.0
        self._columns.append("train.ids", batch.ids)
        self._columns.append("train.documents", np.array(known, "<f8"))
        if self._chats:
            self._columns.append("train.replies", batch.marks)
        self._counts["train_tokens"] = place
        self._counts["learnt_tokens"] += int(batch.marks.sum())
        self._counts["not_conversations"] += batch.not_conversations
        self._counts["tested_elsewhere"] += batch.left_out


class _Held:
    """Puts held-out pieces into their columns."""

    def __init__(self, columns: Columns, counts: Counter[str], chats: bool) -> None:
        self._columns, self._counts, self._chats = columns, counts, chats

    def add(self, batch: Encoded) -> None:
        self._columns.append("held.ids", batch.ids)
        self._columns.append("held.ends", self._counts["held_tokens"] + np.cumsum(batch.lengths, dtype=np.int64))
        self._columns.append("held.digests", np.array(batch.digests, "<u8"))
        if self._chats:
            self._columns.append("held.scored", batch.marks)
        self._counts["held_tokens"] += len(batch.ids)


def _in_order(pool: ThreadPoolExecutor, encode: _Encoder, batches: Iterator[Batch]) -> Iterator[Encoded]:
    """The batches encoded by all threads, in their order; only a few are under way."""
    under_way: deque[Future[Encoded]] = deque()
    for batch in batches:
        under_way.append(pool.submit(encode, batch))
        if len(under_way) > 2 * (os.cpu_count() or 1):
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
