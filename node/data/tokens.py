"""Collections as token ids: made once for each tokenizer, then mapped into memory.

`COLLECTION/tokens-<tokenizer>/` holds WebDataset tars of raw little-endian uint32. A training sample is a run of whole
documents, each closed by the end-of-text token, so that the usual collection is one array that needs no memory; a
held-out sample is a piece of a document without that token, since it is scored against its bytes. Pieces are shuffled
(by their own digest, so always alike): whoever measures on the first few thousand tokens measures a bit of everything.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from node.data import shards
from node.data.collection import read_meta
from shared.blobs import digest_of
from shared.disk import private_folder, turn, write
from shared.errors import OwnerMustAct

Ids = NDArray[np.uint32]
RUN = 16 << 20  # tokens in one training sample (64 MiB)
PIECE = 1 << 18  # characters tokenised at a time
HELD_PIECE = 1500  # characters; in most languages less than the 512 tokens of context of a measurement
ADD_SOME = "Add some text: potluck node data add FOLDER --name NAME"
END_WORDS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a trainer reads: `train`, all documents joined by the end-of-text token; `held`, (ids, bytes) a piece."""

    train: Ids
    held: list[tuple[Ids, int]]
    end: int  # the end-of-text token

    def window(self, cursor: int, length: int) -> Ids:
        """`length` ids for a reader who has read `cursor` tokens and reads `length - 1` at a time (the last is only
        guessed). Stretches come scattered over the whole text, each once a pass, so that a short run sees a bit of
        everything; after the last the first comes again."""
        step = max(1, length - 1)
        start = scattered(cursor // step, -(-len(self.train) // step)) * step + cursor % step
        piece = self.train[start : start + length]
        if len(piece) == length:
            return np.asarray(piece)
        return np.take(self.train, np.arange(start, start + length), mode="wrap")


def scattered(index: int, count: int) -> int:
    """A fixed shuffle of range(count): strides of the golden ratio, which leave no part of the text for last."""
    stride = max(1, round(count * (math.sqrt(5) - 1) / 2))
    while math.gcd(stride, count) != 1:
        stride += 1
    return index * stride % count


def collect(data_dirs: Sequence[Path], tokenizer_json: Path) -> Tokens:
    """The collections together, in the order given; tokenised now where that has not been done.

    One training array is mapped from its tar; several are copied together (4 bytes a token). Raises OwnerMustAct when
    there is nothing to train on.
    """
    if not data_dirs:
        raise OwnerMustAct(f"This PC has no text to train on yet. {ADD_SOME}")
    trains: list[Ids] = []
    held: list[tuple[Ids, int]] = []
    for collection in data_dirs:
        folder = tokenise(Path(collection), tokenizer_json)
        trains += [run for path in shards.paths(folder, "train") for run in _mapped(path)]
        held += [(np.frombuffer(s["bin"], "<u4"), int(s["json"]["bytes"])) for s in shards.read(folder, "held")]
    if not trains:
        raise OwnerMustAct(
            f"Everything in your text collections is held out for testing; nothing is left to train on. {ADD_SOME}"
        )
    end = int(json.loads((folder / "meta.json").read_bytes())["end"])
    return Tokens(trains[0] if len(trains) == 1 else np.concatenate(trains), held, end)


def tokenise(collection: Path, tokenizer_json: Path) -> Path:
    """The folder of that collection's tokens for that tokenizer, made if need be. Several processes may ask at once."""
    read_meta(collection)
    if not tokenizer_json.is_file():
        raise OwnerMustAct(
            f"The tokenizer {tokenizer_json} is missing. It comes with the run's model, so fetch that anew."
        )
    digest = digest_of(tokenizer_json)
    target = collection / f"tokens-{digest[:12]}"
    if not target.is_dir():
        with turn(collection / ".lock"):
            if not target.is_dir():
                beside = collection / f".{target.name}.new"
                shutil.rmtree(beside, ignore_errors=True)
                private_folder(beside)
                meta = {"tokenizer": digest, **_write_tokens(collection, load(tokenizer_json), beside, tokenizer_json)}
                write(beside / "meta.json", json.dumps(meta, indent=2, sort_keys=True).encode())
                os.replace(beside, target)
    return target


def load(tokenizer_json: Path) -> Tokenizer:
    """The tokenizer, told that what looks like a special token in somebody's text is only text."""
    try:
        tokenizer = Tokenizer.from_file(str(tokenizer_json))
    except Exception as error:  # the library raises nothing narrower
        raise OwnerMustAct(f"{tokenizer_json} is not a tokenizer ({error}).") from error
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def end_of_text(tokenizer: Tokenizer, tokenizer_json: Path) -> int:
    """The token that closes a document: the usual names, else what tokenizer_config.json beside it calls eos_token."""
    config = tokenizer_json.with_name("tokenizer_config.json")
    named = json.loads(config.read_bytes()).get("eos_token") if config.is_file() else None
    named = named.get("content") if isinstance(named, dict) else named
    for word in (*END_WORDS, *([named] if named else [])):
        if (found := tokenizer.token_to_id(word)) is not None:
            return int(found)
    raise OwnerMustAct(f"{tokenizer_json} has no end-of-text token, so documents cannot be told apart.")


def encode(tokenizer: Tokenizer, text: str) -> Ids:
    """All ids of a text, however long: in pieces that end at a line's end, so memory stays small."""
    ids = [
        np.asarray(tokenizer.encode(piece, add_special_tokens=False).ids, np.uint32) for piece in _pieces(text, PIECE)
    ]
    return np.concatenate(ids) if ids else np.empty(0, np.uint32)


def _write_tokens(collection: Path, tokenizer: Tokenizer, folder: Path, tokenizer_json: Path) -> dict[str, Any]:
    end = end_of_text(tokenizer, tokenizer_json)
    counts = {"train_tokens": 0, "held_tokens": 0}
    with shards.Shards(folder, "train") as out:
        run: list[Ids] = []
        length = 0
        for sample in shards.read(collection, "train"):
            run.append(np.append(encode(tokenizer, sample["txt"]), np.uint32(end)))
            length += len(run[-1])
            if length >= RUN:
                _write_run(out, run)
                counts["train_tokens"] += length
                run, length = [], 0
        if run:
            _write_run(out, run)
            counts["train_tokens"] += length
    with shards.Shards(folder, "held") as out:
        pieces = [piece for sample in shards.read(collection, "held") for piece in _pieces(sample["txt"], HELD_PIECE)]
        for piece in sorted((piece.strip("\n") for piece in pieces), key=_digest):
            ids = encode(tokenizer, piece)
            counts["held_tokens"] += len(ids)
            out.write(facts={"bytes": len(piece.encode()), "tokens": len(ids)}, binary=_raw(ids))
    return {**counts, "end": end, "tokens": sum(counts.values())}


def _write_run(out: shards.Shards, run: list[Ids]) -> None:
    ids = np.concatenate(run)
    out.write(facts={"documents": len(run), "tokens": len(ids)}, binary=_raw(ids))


def _raw(ids: Ids) -> bytes:
    return ids.astype("<u4").tobytes()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _pieces(text: str, size: int) -> Iterator[str]:
    """Cut at the first line's end after `size` characters."""
    start = 0
    while start < len(text):
        cut = text.find("\n", start + size)
        stop = len(text) if cut < 0 else cut
        yield text[start:stop]
        start = stop


def _mapped(tar: Path) -> Iterator[Ids]:
    """The .bin members of a tar, in place: members begin at multiples of 512 bytes and nothing is compressed."""
    whole = np.memmap(tar, "<u4", "r")
    with tarfile.open(tar, "r:") as members:
        for member in members:
            if member.name.endswith(".bin"):
                yield whole[member.offset_data // 4 : (member.offset_data + member.size) // 4]
