"""Byte-level BPE by tiktoken, several times as fast as by `tokenizers`, where both certainly agree.

A tokenizer.json qualifies when it is byte-level BPE, its words are split by an expression that tiktoken understands,
and each merge makes a new word. Then both must agree on SAMPLE, and on each character before a text with it is given
to tiktoken: the two libraries know different editions of Unicode. Everything else is left to `tokenizers`.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, pre_tokenizers

Words = dict[str, Any]
Ids = NDArray[np.uint32]
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# Digits stand alone before anything else is split, so a run of blanks ends at a digit as it does at the text's end.
GPT2_DIGITS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+"
_CODES = 0x110000
SAMPLE = (
    "The quick brown fox's 12 345 jumps;  it'll  \t run\n\n\n  def f(x_1):\n\treturn x**2 # ok\r\n"
    "Fünf große Bären — „schön“! Où est-ce qu’on va? ¿Qué? Čeština, žluťoučký kůň. İstanbul ığdır.\n"
    "Привет, мир! Ελληνικά; עברית שלום، العربية ١٢٣ हिन्दी १२ ไทย ๑๒ 日本語のテキスト。中文，没有空格 한국어 입니다\n"
    "e\u0301 \u00a0nbsp\u2003em\u200bzw \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea ½ Ⅷ ² ٣"
    " don't DON'T we've 's 1's  2  3\u3000x\n \n  \n   end   "
)


class Fast:
    """A byte-level BPE in tiktoken's hands."""

    def __init__(self, slow: Tokenizer, encoding: Any, ids: Ids, nfc: bool, texts_not: list[str]) -> None:
        self._slow, self._encoding, self._ids = slow, encoding, ids
        self._nfc, self._texts_not = nfc, texts_not
        self._trusted = np.zeros(_CODES, np.bool_)
        self._doubtful = np.zeros(_CODES, np.bool_)

    def encode(self, text: str) -> Ids | None:
        """Its ids; None where `tokenizers` has to be asked."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        if not self._trusted[codes].all() and not self._trusts(np.unique(codes)):
            return None
        if self._nfc and not unicodedata.is_normalized("NFC", text):
            return None
        if any(word in text for word in self._texts_not):
            return None
        return self._encoded(text)

    def agrees(self, text: str) -> bool:
        """Whether both make the same of it."""
        wanted = self._slow.encode(text, add_special_tokens=False).ids
        return bool(np.array_equal(self._encoded(text), np.asarray(wanted, np.uint32)))

    def _encoded(self, text: str) -> Ids:
        ranks: NDArray[np.uint32] = self._encoding.encode_to_numpy(text, disallowed_special=())
        return self._ids[ranks]

    def _trusts(self, codes: NDArray[np.uint32]) -> bool:
        """Look at characters that were not met before: beside letters, digits, marks and blanks."""
        for code in codes[~self._trusted[codes] & ~self._doubtful[codes]].tolist():
            c = chr(code)
            known = not 0xD800 <= code < 0xE000 and (not self._nfc or unicodedata.is_normalized("NFC", f"a{c}1{c}"))
            agree = known and self.agrees(f"a{c} {c}1{c}{c}a 1 {c}.{c}  {c}\n{c}'s{c}")
            (self._trusted if agree else self._doubtful)[code] = True
        return bool(self._trusted[codes].all())


def quick(tokenizer: Tokenizer) -> Fast | None:
    """The same in tiktoken's hands; None where that would not be the same. `tokenizer` takes special words for text."""
    import tiktoken

    words = json.loads(tokenizer.to_str())
    expression, ranks = _expression(words.get("pre_tokenizer")), _ranks(words["model"])
    if expression is None or ranks is None or not _nfc_or_none(words):
        return None
    plain = [word["content"] for word in words.get("added_tokens", ()) if not word["special"]]
    encoding = tiktoken.Encoding(
        "run", pat_str=expression, mergeable_ranks={word: rank for rank, (word, _) in enumerate(ranks)},
        special_tokens={},
    )  # fmt: skip
    ids = np.array([number for _, number in ranks], np.uint32)
    nfc = words.get("normalizer") is not None
    made = Fast(tokenizer, encoding, ids, nfc, plain)
    return made if made.agrees(unicodedata.normalize("NFC", SAMPLE) if nfc else SAMPLE) else None


def byte_of() -> dict[str, int]:
    """The byte that each character of byte-level BPE stands for."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(256 + place): byte for place, byte in enumerate(hidden)}


def _nfc_or_none(words: Words) -> bool:
    return words.get("normalizer") in (None, {"type": "NFC"})


def _expression(splitter: Words | None) -> str | None:
    """What tiktoken splits by to do as this pre-tokenizer does."""
    match splitter:
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}:
            return GPT2
        case {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        ]}:  # fmt: skip
            return GPT2_DIGITS
        case {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": str(expression)}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        ]}:  # fmt: skip
            return expression
        case _:
            return None


def _ranks(model: Words) -> list[tuple[bytes, int]] | None:
    """Words in the order in which merges make them, each with its id; None where tiktoken would do something else."""
    plain = ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix")
    if model.get("type") != "BPE" or any(model.get(name) for name in plain):
        return None
    byte, vocabulary = byte_of(), model["vocab"]
    order = [character for character in byte if character in vocabulary]
    merged = [first + second for first, second in (_pair(merge) for merge in model["merges"])]
    if len(set(merged)) != len(merged) and not model.get("ignore_merges"):
        return None
    order += dict.fromkeys(merged)
    if any(word not in vocabulary or not set(word) <= byte.keys() for word in order):
        return None
    if model.get("ignore_merges") and len(order) < len(vocabulary):  # a word that no merge makes
        return None
    # For a byte that it has no word for tiktoken gets one, and `_trusts` finds out that it says something else.
    lost = [(bytes([number]), 0) for character, number in byte.items() if character not in vocabulary]
    return [*((bytes(byte[c] for c in word), vocabulary[word]) for word in order), *lost]


def _pair(merge: Any) -> tuple[str, str]:
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second


assert set(byte_of()) == set(pre_tokenizers.ByteLevel.alphabet())
