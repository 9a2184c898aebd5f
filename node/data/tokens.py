"""Collections as token ids: made once for each tokenizer, then mapped into memory.

`COLLECTION/tokens-<tokenizer>/` holds columns (see `cache`), little-endian:

    train.ids        whole documents, each closed by the end-of-text token: uint16 where all words fit, else uint32
    train.replies    uint8, 1 where a token is to be learnt; only where there are conversations
    train.documents  float64 [n, 2]: the first place after a document; its diversity
    held.ids         held-out pieces without an end-of-text token, as they are scored against their bytes
    held.scored      uint8, 1 where a token is scored; only where there are conversations
    held.ends        int64: the first place after each piece
    held.digests     uint64: of each piece's words
    held.order       int64: which piece comes first, second, ...: by the pieces' digests, so always alike. Whoever
                     measures on the first few thousand tokens measures a bit of everything.
    meta.json        counts, and the size and digest of each file

They are written in constant memory by all cores; what was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from node.data import cache, chat, encoding, manifest, tested
from node.data.collection import at_rest, read_meta
from node.data.encoding import Progress
from node.data.samples import Ids, Text
from node.data.tokenizers.tokenizer import RunTokenizer, open_tokenizer
from shared.disk import private_folder, write
from shared.errors import OwnerMustAct

FORMAT = 3  # of the folder; another one is made anew
ADD_SOME = "Add some text: potluck node data add FOLDER --name NAME"


@dataclass(frozen=True, slots=True)
class Held:
    """A held-out piece."""

    ids: Ids
    scored: NDArray[np.uint8] | None  # 1 where a token is scored; None: all are


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a trainer reads and measures on."""

    texts: list[Text]
    held: Sequence[Held]
    end: int  # the end-of-text token


def collect(data_dirs: Sequence[Path], tokenizer_json: Path) -> Tokens:
    """The collections together, in the order given; tokenised now where that has not been done.

    Raises OwnerMustAct when there is nothing to train on.
    """
    if not data_dirs:
        raise OwnerMustAct(f"This PC has no text to train on yet. {ADD_SOME}")
    texts: list[Text] = []
    held: list[_HeldColumns] = []
    end = 0
    for collection in map(Path, data_dirs):
        manifest.check(collection)
        folder = tokenise(collection, tokenizer_json)
        meta = json.loads((folder / "meta.json").read_bytes())
        end = int(meta["end"])
        ids = cache.mapped(folder / "train.ids", meta["kind"])
        if len(ids):
            replies = cache.mapped(folder / "train.replies", "u1") if meta["replies"] else None
            documents = cache.mapped(folder / "train.documents", "<f8").reshape(-1, 2)
            texts.append(Text(name_of(collection, meta["edition"]), ids, replies, documents))
        held.append(_HeldColumns.of(folder, meta))
    if not texts:
        raise OwnerMustAct(
            f"Everything in your text collections is held out for testing; nothing is left to train on. {ADD_SOME}"
        )
    return Tokens(texts, _Pieces(held), end)


def name_of(collection: Path, edition: str) -> str:
    """What runs call this text where they note what they read. They keep that when the collection is gone: no words."""
    return hashlib.sha256(f"{collection.name} {edition}".encode()).hexdigest()[:16]


def tokenise(collection: Path, tokenizer_json: Path, progress: Progress = lambda done, total: None) -> Path:
    """The folder of that collection's tokens for that tokenizer, made if need be. Several processes may ask at once."""
    tokenizer = open_tokenizer(tokenizer_json)
    meta = read_meta(collection)
    template = chat.template_of(tokenizer_json.parent) if meta.get("conversations") else ""
    made_of = hashlib.sha256(f"{FORMAT} {tokenizer.digest} {template}".encode()).hexdigest()
    elsewhere = tested.elsewhere(collection)
    text = f"{meta['added']} {meta['bytes']} {tested.digest(elsewhere)}"
    edition = hashlib.sha256(f"{text} {made_of}".encode()).hexdigest()[:12]
    target = collection / f"tokens-{made_of[:12]}"
    if not _stands(target, edition):
        with at_rest(collection, meta):
            if not _stands(target, edition):
                _make(collection, target, tokenizer, template, elsewhere, edition, progress)
    return target


def _stands(target: Path, edition: str) -> bool:
    """Whether the tokens are there, of the text as it is now, and every file is as long as it was."""
    try:
        meta = json.loads((target / "meta.json").read_bytes())
        return bool(meta["edition"] == edition) and manifest.same_sizes(target, meta["files"])
    except (OSError, ValueError, LookupError):
        return False


def _make(
    collection: Path,
    target: Path,
    tokenizer: RunTokenizer,
    template: str,
    elsewhere: tested.Marks,
    edition: str,
    progress: Progress,
) -> None:
    """Write the folder beside its place, going on with what a killed process left, and rename it."""
    beside = collection / f".{target.name}.{edition}"
    for old in (*collection.glob(f".{target.name}.*"), *_outdated(collection)):
        if old != beside:
            shutil.rmtree(old, ignore_errors=True)
    private_folder(beside)
    counts = encoding.write(collection, beside, tokenizer, template, elsewhere, progress)
    (beside / cache.JOURNAL).unlink(missing_ok=True)
    words = {"tokenizer": tokenizer.digest, "edition": edition, "format": FORMAT, **counts}
    words["files"] = manifest.files_of([*beside.glob("train.*"), *beside.glob("held.*")])
    write(beside / "meta.json", json.dumps(words, indent=2, sort_keys=True).encode())
    shutil.rmtree(target, ignore_errors=True)
    os.replace(beside, target)
    told = {name: words[name] for name in ("tokenizer", "edition", "kind", "train_tokens", "held_tokens", "tokens")}
    manifest.note_tokens(collection, target.name, told)


def _outdated(collection: Path) -> Iterator[Path]:
    """Tokens that an earlier version of this program made, in another format."""
    for folder in (*collection.glob("tokens-*"), *collection.glob(".tokens-*.new")):
        try:
            known = json.loads((folder / "meta.json").read_bytes()).get("format")
        except (OSError, ValueError):
            known = None
        if known != FORMAT:
            yield folder


@dataclass(frozen=True, slots=True)
class _HeldColumns:
    ids: Ids
    scored: NDArray[np.uint8] | None
    ends: NDArray[np.int64]
    order: NDArray[np.int64]

    @classmethod
    def of(cls, folder: Path, meta: dict[str, Any]) -> _HeldColumns:
        scored = cache.mapped(folder / "held.scored", "u1") if meta["replies"] else None
        ends, order = (cache.mapped(folder / f"held.{name}", "<i8") for name in ("ends", "order"))
        return cls(cache.mapped(folder / "held.ids", meta["kind"]), scored, ends, order)

    def piece(self, index: int) -> Held:
        which = int(self.order[index])
        start, stop = int(self.ends[which - 1]) if which else 0, int(self.ends[which])
        return Held(self.ids[start:stop], None if self.scored is None else self.scored[start:stop])


class _Pieces(Sequence[Held]):
    """The held-out pieces of some collections, each read when it is looked at."""

    def __init__(self, columns: Sequence[_HeldColumns]) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return sum(len(each.order) for each in self._columns)

    @overload
    def __getitem__(self, index: int) -> Held: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Held]: ...
    def __getitem__(self, index: int | slice) -> Held | Sequence[Held]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        for each in self._columns:
            if 0 <= index < len(each.order):
                return each.piece(index)
            index -= len(each.order)
        raise IndexError("there are no more held-out pieces")
