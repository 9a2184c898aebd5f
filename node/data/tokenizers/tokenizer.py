"""What the rest needs of a tokenizer: ids of much text, the end-of-text token, how many words it knows, its digest.

What looks like a special token in somebody's text is only text. Opened from local files; nothing is ever fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from node.data.tokenizers import convert, fast
from shared.blobs import digest_of
from shared.errors import OwnerMustAct

Ids = NDArray[np.uint32]
PIECE = 1 << 18  # characters tokenised at a time
END_WORDS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>")


@dataclass(frozen=True, slots=True)
class RunTokenizer:
    """A tokenizer at work. Several threads may use it at once; the work is done outside Python's lock."""

    plain: Tokenizer
    marked: Tokenizer  # takes the special tokens that a chat template writes for what they are
    quick: fast.Fast | None
    end: int  # the end-of-text token
    words: int  # ids are less than this
    digest: str
    special: dict[str, str]  # what templates call eos_token and the like

    @property
    def marks(self) -> list[str]:
        """The special tokens' own words."""
        return [token.content for token in self.plain.get_added_tokens_decoder().values() if token.special]

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text, however long."""
        pieces = [list(cut(text, PIECE)) for text in texts]
        found = iter(self._encode([piece for these in pieces for piece in these]))
        return [np.concatenate([np.empty(0, np.uint32), *(next(found) for _ in these)]) for these in pieces]

    def _encode(self, pieces: Sequence[str]) -> list[Ids]:
        ids = [None if self.quick is None else self.quick.encode(piece) for piece in pieces]
        slow = [piece for piece, found in zip(pieces, ids, strict=True) if found is None]
        rest = (np.asarray(one.ids, np.uint32) for one in self.plain.encode_batch_fast(slow, add_special_tokens=False))
        return [next(rest) if found is None else found for found in ids]


def open_tokenizer(file: Path) -> RunTokenizer:
    """The tokenizer in that file. Raises OwnerMustAct when it is missing, is none, or has no end-of-text token."""
    if not file.is_file():
        raise OwnerMustAct(f"The tokenizer {file} is missing. It comes with the run's model, so fetch that anew.")
    plain, marked = load(file), load(file)
    marked.encode_special_tokens = False
    return RunTokenizer(
        plain, marked, fast.quick(plain), end_of_text(plain, file), 1 + max(plain.get_vocab().values()),
        digest_of(file), special_words(file),
    )  # fmt: skip


def load(file: Path) -> Tokenizer:
    """The library's tokenizer, told that what looks like a special token in somebody's text is only text."""
    try:
        tokenizer = convert.converted(file) if file.suffix in convert.KINDS else Tokenizer.from_file(str(file))
    except OwnerMustAct:
        raise
    except Exception as error:  # the library raises nothing narrower
        raise OwnerMustAct(f"{file} is not a tokenizer ({error}).") from error
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def end_of_text(tokenizer: Tokenizer, file: Path) -> int:
    """The token that closes a document: the usual names, else what tokenizer_config.json beside it calls eos_token."""
    for word in (*END_WORDS, *([named] if (named := special_words(file).get("eos_token")) else [])):
        if (found := tokenizer.token_to_id(word)) is not None:
            return int(found)
    raise OwnerMustAct(f"{file} has no end-of-text token, so documents cannot be told apart.")


def special_words(file: Path) -> dict[str, str]:
    """What templates call eos_token and the like: from tokenizer_config.json beside it."""
    try:
        config = json.loads(file.with_name("tokenizer_config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    named = {name: config.get(name) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    words = {name: word.get("content") if isinstance(word, dict) else word for name, word in named.items()}
    return {name: word for name, word in words.items() if isinstance(word, str)}


def cut(text: str, size: int) -> Iterator[str]:
    """In pieces that end at the first line's end after `size` characters, or after four times as many."""
    start = 0
    while start < len(text):
        stop = text.find("\n", start + size, start + 4 * size)
        if stop < 0:
            stop = len(text) if len(text) <= start + 4 * size else start + 4 * size
        yield text[start:stop]
        start = stop
