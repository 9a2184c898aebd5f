"""Any kind of tokenizer file gives the ids that its own library gives, and tiktoken those of `tokenizers`."""

from __future__ import annotations

import base64
import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from node.data.tokenizers import convert, fast
from node.data.tokenizers.tokenizer import PIECE, cut, open_tokenizer
from shared.errors import OwnerMustAct

LANGUAGES = fast.SAMPLE.splitlines()
TEXTS = [*LANGUAGES, *(f"{a} {b} <x> 12{n}" for n, (a, b) in enumerate(zip(LANGUAGES, LANGUAGES[::-1], strict=True)))]
SPLITS: dict[str, Any] = {
    "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    "digits": pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    "regex": pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(convert.SPLITS[199_998]), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    ),
}
# Letters, digits and blanks of many scripts, what no edition of Unicode knows, marks and what is joined by them.
ODD = [" ", "\n", "\t", "  ", "'s", "1", "٣", "<x>", "<|endoftext|>", "\u0301", "ß", "the"]
texts = st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=4))).map("".join)


@cache
def byte_level(split: str, nfc: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = SPLITS[split], decoders.ByteLevel()
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.train_from_iterator(
        TEXTS * 3,
        trainers.BpeTrainer(
            vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
            special_tokens=["<|endoftext|>"],
        ),
    )  # fmt: skip
    tokenizer.add_tokens([AddedToken("<x>", special=False)])
    tokenizer.encode_special_tokens = True
    return tokenizer


@settings(deadline=None, max_examples=60)
@given(texts, st.sampled_from(["gpt2", "digits", "regex"]), st.booleans())
def test_tiktoken_says_what_tokenizers_says_or_says_nothing(text: str, split: str, nfc: bool) -> None:
    tokenizer = byte_level(split, nfc)
    quick = quick_of(split, nfc)
    found = quick.encode(text)
    if found is not None:
        assert found.tolist() == tokenizer.encode(text, add_special_tokens=False).ids


@cache
def quick_of(split: str, nfc: bool) -> fast.Fast:
    made = fast.quick(byte_level(split, nfc))
    assert made is not None
    return made


@pytest.mark.parametrize("split", SPLITS)
def test_ordinary_text_takes_the_quick_way(split: str) -> None:
    for text in LANGUAGES[:3]:
        assert quick_of(split, False).encode(text) is not None
    assert quick_of(split, False).encode("one <x> two") is None
    assert quick_of(split, True).encode("e\u0301") is None


def test_what_tiktoken_cannot_do_is_left_to_tokenizers(tokenizer_json: Path) -> None:
    assert fast.quick(Tokenizer(models.WordLevel({"a": 0}, "a"))) is None
    spaced = Tokenizer.from_str(byte_level("gpt2").to_str())
    spaced.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    assert fast.quick(spaced) is None
    slow = open_tokenizer(tokenizer_json)  # one token a byte: it splits nothing
    assert slow.quick is None
    assert slow.encode(["é"])[0].tolist() == slow.plain.encode("é").ids


def test_a_byte_that_a_tokenizer_has_no_word_for_is_left_to_it() -> None:
    words = json.loads(byte_level("gpt2").to_str())
    lost = words["model"]["vocab"].pop(chr(260))  # byte 0x04
    words["model"]["vocab"]["unused"] = lost
    tokenizer = Tokenizer.from_str(json.dumps(words))
    quick = fast.quick(tokenizer)
    assert quick is not None
    assert quick.encode("a\x04b") is None
    assert quick.encode("ab") is not None


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("plain", [True, False])
def test_a_sentencepiece_model_gives_its_own_ids(tmp_path: Path, kind: str, plain: bool) -> None:
    file = tmp_path / "spm.model"
    file.write_bytes(sentencepiece_model(kind, plain))
    tokenizer = open_tokenizer(file)
    import sentencepiece

    original = sentencepiece.SentencePieceProcessor(model_proto=file.read_bytes())
    for text in [*TEXTS, "\n".join(TEXTS), "  two  blanks "]:
        assert tokenizer.encode([text])[0].tolist() == original.encode(text), text
    assert tokenizer.end == original.piece_to_id("</s>")
    assert tokenizer.words == len(original)
    convert.convert(file, tmp_path / "tokenizer.json")
    assert open_tokenizer(tmp_path / "tokenizer.json").encode(TEXTS[:1])[0].tolist() == original.encode(TEXTS[0])


@cache
def sentencepiece_model(kind: str, plain: bool, **more: str) -> bytes:
    import sentencepiece

    out = io.BytesIO()
    rules: dict[str, Any] = {
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "add_dummy_prefix": False,
    }
    rules = {**(rules if plain else {}), **more}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3), model_writer=out, vocab_size=700, model_type=kind, byte_fallback=True,
        hard_vocab_limit=False, minloglevel=2, num_threads=1, character_coverage=0.98, **rules,
    )  # fmt: skip
    return out.getvalue()


def test_a_sentencepiece_model_that_would_give_other_ids_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "spm.model"
    file.write_bytes(sentencepiece_model("bpe", False, user_defined_symbols="\n"))
    with pytest.raises(OwnerMustAct, match="gives the same tokens"):
        open_tokenizer(file)


def test_a_tiktoken_file_gives_its_own_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tiktoken

    ranks = ranks_of(byte_level("regex"))
    monkeypatch.setitem(convert.SPLITS, len(ranks), convert.SPLITS[199_998])
    file = tmp_path / "own.tiktoken"
    file.write_bytes(b"".join(base64.b64encode(word) + b" %d\n" % rank for word, rank in ranks.items()))
    original = tiktoken.Encoding(
        "own", pat_str=convert.SPLITS[199_998], mergeable_ranks=ranks, special_tokens={}
    )  # fmt: skip
    tokenizer = open_tokenizer(file)
    assert tokenizer.quick is not None
    for text in TEXTS:
        assert tokenizer.encode([text])[0].tolist() == original.encode_ordinary(text)
        assert tokenizer.plain.encode(text).ids == original.encode_ordinary(text)
    assert tokenizer.end == len(ranks)


def ranks_of(tokenizer: Tokenizer) -> dict[bytes, int]:
    model = json.loads(tokenizer.to_str())["model"]
    byte = fast.byte_of()
    words = [*byte, *dict.fromkeys("".join(pair) for pair in model["merges"])]
    return {bytes(byte[c] for c in word): rank for rank, word in enumerate(words)}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.model", b"rubbish", "is not a SentencePiece model"),
        ("a.tiktoken", b"rubbish", "is not a tiktoken file"),
        ("a.tiktoken", b"YQ== 0\n", "none of the known tiktoken files"),
        ("tokenizer.json", b"{}", "is not a tokenizer"),
    ],
)
def test_what_is_no_tokenizer_is_told(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(OwnerMustAct, match=words):
        open_tokenizer(tmp_path / name)


def test_a_text_without_an_end_of_line_is_cut_all_the_same() -> None:
    text = "x" * (10 * PIECE)
    assert "".join(cut(text, PIECE)) == text
    assert max(map(len, cut(text, PIECE))) <= 4 * PIECE
