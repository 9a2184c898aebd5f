"""Collections as token ids: made once for each tokenizer, then mapped into memory.

`COLLECTION/tokens-<tokenizer>/` holds WebDataset tars of raw little-endian uint32. A training sample is a run of whole
documents, each closed by the end-of-text token, so that the usual collection is one array that needs no memory; beside
it lie what is known of each document, and, where there are conversations, which tokens are replies. A held-out sample
is a piece of a document without the end-of-text token, since it is scored against its bytes. Pieces are shuffled (by
their own digest, so always alike): whoever measures on the first few thousand tokens measures a bit of everything.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from node.data import chat, shards
from node.data.collection import read_meta
from node.data.samples import Text, diversity
from shared.blobs import digest_of
from shared.disk import private_folder, turn, write
from shared.errors import OwnerMustAct

Ids = NDArray[np.uint32]
FORMAT = 2  # of the folder below; another one is made anew
RUN = 16 << 20  # tokens in one training sample (64 MiB)
PIECE = 1 << 18  # characters tokenised at a time
HELD_PIECE = 1500  # characters; in most languages less than the 512 tokens of context of a measurement
ADD_SOME = "Add some text: potluck node data add FOLDER --name NAME"
END_WORDS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>")


@dataclass(frozen=True, slots=True)
class Held:
    """A held-out piece."""

    ids: Ids
    scored: NDArray[np.uint8] | None  # 1 where a token is scored; None: all are


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a trainer reads and measures on."""

    texts: list[Text]
    held: list[Held]
    end: int  # the end-of-text token


def collect(data_dirs: Sequence[Path], tokenizer_json: Path) -> Tokens:
    """The collections together, in the order given; tokenised now where that has not been done.

    Raises OwnerMustAct when there is nothing to train on.
    """
    if not data_dirs:
        raise OwnerMustAct(f"This PC has no text to train on yet. {ADD_SOME}")
    texts: list[Text] = []
    held: list[Held] = []
    for collection in map(Path, data_dirs):
        folder = tokenise(collection, tokenizer_json)
        meta = json.loads((folder / "meta.json").read_bytes())
        ids = _mapped(folder, "train", "<u4")
        if len(ids):
            replies = _mapped(folder, "replies", "u1") if meta["replies"] else None
            documents = _mapped(folder, "documents", "<f8").reshape(-1, 2)
            texts.append(Text(f"{collection.name} {meta['edition']}", ids, replies, documents))
        held += [_held(sample) for sample in shards.read(folder, "held")]
    if not texts:
        raise OwnerMustAct(
            f"Everything in your text collections is held out for testing; nothing is left to train on. {ADD_SOME}"
        )
    return Tokens(texts, held, int(meta["end"]))


def tokenise(collection: Path, tokenizer_json: Path) -> Path:
    """The folder of that collection's tokens for that tokenizer, made if need be. Several processes may ask at once."""
    meta = read_meta(collection)
    if not tokenizer_json.is_file():
        raise OwnerMustAct(
            f"The tokenizer {tokenizer_json} is missing. It comes with the run's model, so fetch that anew."
        )
    digest = digest_of(tokenizer_json)
    template = chat.template_of(tokenizer_json.parent) if meta.get("conversations") else ""
    made_of = hashlib.sha256(f"{FORMAT} {digest} {template}".encode()).hexdigest()
    target = collection / f"tokens-{made_of[:12]}"
    if not target.is_dir():
        with turn(collection / ".lock"):
            if not target.is_dir():
                beside = collection / f".{target.name}.new"
                shutil.rmtree(beside, ignore_errors=True)
                private_folder(beside)
                counts = _Writer(collection, tokenizer_json, template).write(beside)
                edition = hashlib.sha256(f"{meta['added']} {meta['bytes']} {made_of}".encode()).hexdigest()[:12]
                words = {"tokenizer": digest, "edition": edition, **counts}
                write(beside / "meta.json", json.dumps(words, indent=2, sort_keys=True).encode())
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


class _Writer:
    """Makes the tokens of one collection."""

    def __init__(self, collection: Path, tokenizer_json: Path, template: str) -> None:
        self._collection, self._template = collection, template
        self._tokenizer = load(tokenizer_json)
        self._chat_tokenizer = load(tokenizer_json)
        self._chat_tokenizer.encode_special_tokens = False  # the template's marks are meant
        added = self._tokenizer.get_added_tokens_decoder().values()
        self._marks = [token.content for token in added if token.special]
        self._end = end_of_text(self._tokenizer, tokenizer_json)
        self._special = special_words(tokenizer_json)

    def write(self, folder: Path) -> dict[str, Any]:
        """Every tar; returns the counts."""
        counts = Counter(train_tokens=0, held_tokens=0, learnt_tokens=0, not_conversations=0)
        chats = bool(read_meta(self._collection).get("conversations"))
        with ExitStack() as stack:
            stems = ("train", "documents", *(["replies"] if chats else []))
            out = {stem: stack.enter_context(shards.Shards(folder, stem)) for stem in stems}
            for run in _runs(self._documents(counts)):
                ids, replies = (np.concatenate(parts) for parts in zip(*run, strict=True))
                ends = counts["train_tokens"] + np.cumsum([len(document) for document, _ in run])
                known = [(float(end), diversity(document)) for end, (document, _) in zip(ends, run, strict=True)]
                out["train"].write(facts={"documents": len(run), "tokens": len(ids)}, binary=_raw(ids))
                out["documents"].write(facts={"documents": len(run)}, binary=np.array(known, "<f8").tobytes())
                if chats:
                    out["replies"].write(facts={"tokens": int(replies.sum())}, binary=replies.tobytes())
                counts["train_tokens"] += len(ids)
                counts["learnt_tokens"] += int(replies.sum())
        with shards.Shards(folder, "held") as held:
            for ids, scored in self._held_out():
                counts["held_tokens"] += len(ids)
                marks = {} if scored is None else {"scored": "".join(map(str, scored.tolist()))}
                held.write(facts={"tokens": len(ids), **marks}, binary=_raw(ids))
        return {**counts, "end": self._end, "replies": chats, "tokens": counts["learnt_tokens"] + counts["held_tokens"]}

    def _documents(self, counts: Counter[str]) -> Iterator[tuple[Ids, NDArray[np.uint8]]]:
        """Each training document with its end-of-text token, and 1 where a token is to be learnt."""
        for sample in shards.read(self._collection, "train"):
            if "messages" in sample["json"]:
                ids, replies = self._conversation(sample["json"]["messages"])
                counts["not_conversations"] += not len(ids)
            else:
                ids = encode(self._tokenizer, sample["txt"])
                replies = np.ones(len(ids) + 1, np.uint8)
            if len(ids):
                yield np.append(ids, np.uint32(self._end)), np.append(replies, np.uint8(0))[: len(ids) + 1]

    def _conversation(self, said: chat.Conversation) -> tuple[Ids, NDArray[np.uint8]]:
        """Nothing, where somebody wrote one of the model's own marks: it would be taken for the real one."""
        if any(mark in message["content"] for message in said for mark in self._marks):
            return np.empty(0, np.uint32), np.empty(0, np.uint8)
        return chat.encode(chat.pieces(said, self._template, self._special), self._chat_tokenizer)

    def _held_out(self) -> Iterator[tuple[Ids, NDArray[np.uint8] | None]]:
        """Pieces in the order of their digests. Of conversations only the replies are scored."""
        samples = list(shards.read(self._collection, "held"))
        texts = [sample["txt"] for sample in samples if "messages" not in sample["json"]]
        pieces = [piece.strip("\n") for text in texts for piece in _pieces(text, HELD_PIECE)]
        said = {sample["txt"]: sample["json"]["messages"] for sample in samples if "messages" in sample["json"]}
        for piece in sorted([*pieces, *said], key=_digest):
            if piece not in said:
                yield encode(self._tokenizer, piece), None
            elif len((found := self._conversation(said[piece]))[0]):
                yield found


def special_words(tokenizer_json: Path) -> dict[str, str]:
    """What templates call eos_token and the like."""
    try:
        config = json.loads(tokenizer_json.with_name("tokenizer_config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    named = {name: config.get(name) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    words = {name: word.get("content") if isinstance(word, dict) else word for name, word in named.items()}
    return {name: word for name, word in words.items() if isinstance(word, str)}


def _runs(documents: Iterator[tuple[Ids, NDArray[np.uint8]]]) -> Iterator[list[tuple[Ids, NDArray[np.uint8]]]]:
    """Documents in runs of about RUN tokens."""
    run: list[tuple[Ids, NDArray[np.uint8]]] = []
    length = 0
    for document in documents:
        run.append(document)
        length += len(document[0])
        if length >= RUN:
            yield run
            run, length = [], 0
    if run:
        yield run


def _held(sample: dict[str, Any]) -> Held:
    scored = sample["json"].get("scored")
    marks = None if scored is None else np.frombuffer(scored.encode(), np.uint8) - ord("0")
    return Held(np.frombuffer(sample["bin"], "<u4"), marks)


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


def _mapped(folder: Path, stem: str, kind: str) -> NDArray[Any]:
    """The .bin members of the tars of that stem as one array: in place where there is one, copied together otherwise.

    Members begin at multiples of 512 bytes, and nothing is compressed.
    """
    found = []
    for path in shards.paths(folder, stem):
        whole = np.memmap(path, "u1", "r")
        with tarfile.open(path, "r:") as members:
            for member in members:
                if member.name.endswith(".bin"):
                    found.append(whole[member.offset_data : member.offset_data + member.size].view(kind))
    return found[0] if len(found) == 1 else np.concatenate([np.empty(0, kind), *found])
