"""A tokenizer of the owner's own: learnt from the train shards of some collections, never from held-out text.

Words that stand in one document only are left out: a vocabulary is sent to everybody of a run, and a password or a
name that somebody wrote fifty times in one note would be in it. What several documents share is still in it: whoever
sends it around should know (LEAKS).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from node.data import shards
from node.data.tokenizers import convert, fast
from node.data.tokenizers.tokenizer import cut
from shared.disk import private_folder, write
from shared.errors import OwnerMustAct

Kind = Literal["bpe", "sentencepiece"]
Words = dict[str, Any]
Progress = Callable[[int, int], None]  # bytes of text done, in all
END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (END, START, STOP)
MOST = 1 << 30  # bytes of text looked at, from all over the shards: more hardly changes a vocabulary
LINES = 4_000_000  # of them SentencePiece holds in memory
READINGS = 2  # to learn, and to look who uses what
PIECE = 1 << 16  # characters handed over at a time
FEWEST, LARGEST = 512, 1 << 20  # words
LEAKS = (
    "A tokenizer trained on private text holds words of it: names, places, turns of phrase that stand in at least two "
    "of your documents. Read them in {file} before it leaves this PC; everybody in a run gets the run's tokenizer."
)


def train(
    collections: Sequence[Path], target: Path, words: int, kind: Kind = "bpe",
    progress: Progress = lambda done, total: None,
) -> Words:  # fmt: skip
    """Write tokenizer.json and tokenizer_config.json into the folder `target`; returns what is to be told.

    The same text gives the same bytes. Raises OwnerMustAct when there is too little text, or none.
    """
    if not FEWEST <= words <= LARGEST:
        raise OwnerMustAct(f"A vocabulary has {FEWEST:,} to {LARGEST:,} words, not {words:,}.")
    documents = _Documents(collections, progress)
    learnt = _bpe(documents, words) if kind == "bpe" else _sentencepiece(documents, words)
    learnt, dropped = without_rare(learnt, documents)
    if documents.count < 2:
        raise OwnerMustAct(
            f"A tokenizer is learnt from what several documents share; here are {documents.count}. Add more text: "
            "potluck node data add FOLDER --name NAME"
        )
    private_folder(target)
    file = target / "tokenizer.json"
    write(file, learnt.to_str().encode())
    end = END if kind == "bpe" else "</s>"
    config = {"eos_token": end, "pad_token": end, "tokenizer_class": "PreTrainedTokenizerFast"}
    write(target / "tokenizer_config.json", json.dumps(config, indent=2).encode())
    return {
        "file": str(file), "words": len(learnt.get_vocab()), "asked": words, "dropped": dropped,
        "bytes": documents.bytes, "documents": documents.count, "sentence": LEAKS.format(file=file),
    }  # fmt: skip


class _Documents:
    """The training documents, streamed from the shards as often as wanted: all of them, or a part spread evenly."""

    def __init__(self, collections: Sequence[Path], progress: Progress) -> None:
        self._sizes = {each: [path.stat().st_size for path in shards.paths(each, "train")] for each in collections}
        self._total = sum(map(sum, self._sizes.values()))
        self._share = min(1.0, MOST / max(1, self._total))
        self._progress, self._done = progress, 0
        self.bytes = self.count = 0  # of the last reading

    def __iter__(self) -> Iterator[str]:
        self.bytes = self.count = 0
        due = 1e-9
        for collection, sizes in self._sizes.items():
            for sample, after in shards.read_on(collection, "train"):
                due += self._share
                if due >= 1:
                    due -= 1
                    self.count += 1
                    self.bytes += len(sample["txt"].encode())
                    yield sample["txt"]
                self._progress(self._done + sum(sizes[: after.shard]) + after.offset, READINGS * self._total)
            self._done += sum(sizes)

    def pieces(self) -> Iterator[str]:
        """The same in pieces of moderate size."""
        for text in self:
            yield from cut(text, PIECE)


def _bpe(documents: _Documents, words: int) -> Tokenizer:
    """Byte-level BPE that splits as Llama 3 does: no text is unknown to it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(convert.SPLITS[128_000]), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=words, min_frequency=2, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(word, special=True, normalized=False) for word in SPECIAL],
        max_token_length=32,
    )  # fmt: skip
    tokenizer.train_from_iterator(documents.pieces(), trainer)
    return tokenizer


def _sentencepiece(documents: _Documents, words: int) -> Tokenizer:
    """BPE of whole characters, bytes for the rare ones; as a tokenizer.json."""
    import sentencepiece

    sentencepiece.set_random_generator_seed(1)
    out = io.BytesIO()
    lines = (line for piece in documents.pieces() for line in piece.split("\n") if line)
    short = (line[at : at + 1000] for line in lines for at in range(0, len(line), 1000))  # it skips longer ones
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=short, model_writer=out, vocab_size=words, model_type="bpe", byte_fallback=True,
            normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=False,
            split_digits=True, hard_vocab_limit=False, input_sentence_size=LINES, shuffle_input_sentence=True,
            control_symbols=list(SPECIAL[1:]), minloglevel=2, num_threads=1, character_coverage=0.9995,
        )  # fmt: skip
    except RuntimeError as error:
        raise OwnerMustAct(
            f"SentencePiece could not learn {words:,} words from this text ({error}). Ask for fewer, or add more text."
        ) from error
    return convert.from_model(out.getvalue(), "This text's tokenizer")


def without_rare(tokenizer: Tokenizer, documents: Iterable[str]) -> tuple[Tokenizer, int]:
    """The tokenizer without the words that fewer than two documents have a use for, and how many those were.

    A word counts for its document, and so does each that it is merged from. So what is left out is never needed for
    what stays.
    """
    words = json.loads(tokenizer.to_str())
    model, vocabulary = words["model"], words["model"]["vocab"]
    seen = _Seen(len(vocabulary))
    _look(tokenizer, documents, seen)
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    for first, second in sorted(pairs, key=lambda pair: -len("".join(pair))):  # parts are shorter than what they make
        for document in seen.documents(vocabulary[first + second]):
            seen.add(np.array([vocabulary[first], vocabulary[second]]), document)
    rare = {word for word in map("".join, pairs) if len(seen.documents(vocabulary[word])) < 2}
    kept = [word for word, _ in sorted(vocabulary.items(), key=lambda item: item[1]) if word not in rare]
    numbers = {word: number for number, word in enumerate(kept)}
    model.update(vocab=numbers, merges=[pair for pair in pairs if "".join(pair) not in rare])
    for token in words["added_tokens"]:
        token["id"] = numbers[token["content"]]
    return Tokenizer.from_str(json.dumps(words)), len(rare)


class _Seen:
    """In which documents each word was seen: the first two."""

    def __init__(self, words: int) -> None:
        self._first, self._second = (np.full(words, -1, np.int64) for _ in range(2))

    def add(self, ids: NDArray[Any], document: int) -> None:
        self._first[ids[self._first[ids] < 0]] = document
        self._second[ids[(self._first[ids] != document) & (self._second[ids] < 0)]] = document

    def documents(self, word: int) -> list[int]:
        return [int(each[word]) for each in (self._first, self._second) if each[word] >= 0]


def _look(tokenizer: Tokenizer, documents: Iterable[str], seen: _Seen) -> None:
    """Encode every document and note its words."""
    tokenizer.encode_special_tokens = True
    quick = fast.quick(tokenizer)
    for number, text in enumerate(documents):
        for piece in cut(text, PIECE):
            ids = None if quick is None else quick.encode(piece)
            if ids is None:
                ids = np.array(tokenizer.encode(piece, add_special_tokens=False).ids, np.uint32)
            seen.add(np.unique(ids), number)
