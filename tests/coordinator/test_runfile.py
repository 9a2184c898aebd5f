"""Run files: every mistake at once, with its line and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.runfile import check, require
from shared.errors import OwnerMustAct

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "deploy" / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_fine(path: Path) -> None:
    spec, mistakes = check(path.read_text())
    assert mistakes == []
    assert spec is not None
    assert (spec["steps"] is None) != (spec["seconds"] is None)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


def test_all_mistakes_are_reported_together_with_their_lines() -> None:
    text = """\
run: x
model: smollm2-135m
recipe: {lora: 0}
rounds: many
round_lenght: 10 min
round_length: 0 steps
tokens: {sequence: 1024, batch: 1k, size: 3}
optimizer: {lr: -1, schedule: cosinus}
quorum: 2
evaluate: sometimes
"""
    spec, mistakes = check(text)
    assert spec is None
    found = {(m.line, m.where) for m in mistakes}
    assert found >= {
        (3, "recipe"),
        (4, "rounds"),
        (5, "round_lenght"),
        (6, "round_length"),
        (7, "tokens.size"),
        (8, "optimizer.lr"),
        (8, "optimizer.schedule"),
        (10, "evaluate"),
    }
    words = {m.where: m.sentence for m in mistakes}
    assert "round_length" in words["round_lenght"]
    assert "cosine" in words["optimizer.schedule"]
    assert words["rounds"] == "'many' is not allowed; write a whole number"
    assert words["optimizer.lr"] == "-1 is not allowed; it must be more than 0"


def test_what_is_no_run_file_at_all_is_told_in_plain_words() -> None:
    (mistake,) = check("run: x\nmodel: a: b\n")[1]
    assert str(mistake).startswith("line 2: here the file stops being a list of `name: value` lines.")
    (mistake,) = check("- run\n")[1]
    assert str(mistake).startswith("line 1: the file must be a list of `name: value` lines")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("quorum: 2.5", "write a whole number"),
        ("quorum: 0", "it must be at least 1"),
        ("dropout: half", "write a number"),
        ("dropout: 1", "it must be less than 1"),
        ("run: ''", "it must not be empty"),
        ("tokens: 5", "write it as in deploy/examples/"),
        ("optimizer: {betas: [0.9]}", "is missing"),
    ],
)
def test_no_mistake_is_told_in_a_programs_own_words(line: str, words: str) -> None:
    text = "run: a\nmodel: m\nrecipe: full\nrounds: 3\nround_length: 10 min\n"
    text = text.replace("run: a\n", "") if line.startswith("run") else text
    (mistake,) = check(f"{text}{line}\n")[1]
    assert mistake.sentence.endswith(words)


@pytest.mark.parametrize(
    ("mods", "sentence"),
    [
        ("[secret_mod]", "there is no mod 'secret_mod'"),
        ("[{LocalDpMod: {epsilon: 1}}]", "takes clipping_norm, sensitivity, epsilon, delta"),
        ("[{LocalDpMod: {clipping_norm: 1, sensitivity: 1, epsilon: 0, delta: 1}}]", "must be a number above 0"),
        ("[{LocalDpMod: {epsilon: much}}]", "must be numbers"),
        ("[7]", "write a mod's name"),
    ],
)
def test_a_wrong_mod_is_a_sentence(mods: str, sentence: str) -> None:
    _, mistakes = check(f"run: a\nmodel: m\nrecipe: full\nrounds: 3\nround_length: 10 min\nmods: {mods}\n")
    assert [(mistake.line, mistake.where) for mistake in mistakes] == [(6, "mods.0")]
    assert sentence in mistakes[0].sentence


def test_numbers_may_be_written_as_people_write_them() -> None:
    spec = require(
        "run: a\nmodel: m\nrecipe: full\nrounds: 3\nround_length: 10 min\n"
        "tokens: {sequence: 1k, batch: 64k}\noptimizer: {lr: 5e-5, warmup: 10%}\n",
        "a.yaml",
    )
    assert (spec["sequence"], spec["batch"], spec["seconds"]) == (1024, 65536, 600)
    assert spec["lr"] == 5e-5
    assert spec["warmup"] == 0.1


def test_a_bound_on_the_norm_of_updates_may_be_set() -> None:
    text = "run: a\nmodel: m\nrecipe: full\nrounds: 3\nround_length: 10 min\n"
    assert require(text, "a.yaml")["max_norm"] is None
    assert require(f"{text}max_norm: 1e1\n", "a.yaml")["max_norm"] == 10.0
    for wrong in ("0", ".nan", ".inf", "much"):
        assert [(m.line, m.where) for m in check(f"{text}max_norm: {wrong}\n")[1]] == [(6, "max_norm")]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(OwnerMustAct) as raised:
        require("run: a\n", "a.yaml")
    for name in ("model", "recipe", "rounds", "round_length"):
        assert f"{name}: is missing" in raised.value.sentence


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "run: [unclosed\n", "just words"])
def test_rubbish_is_answered_in_words(text: str) -> None:
    spec, mistakes = check(text)
    assert spec is None
    assert mistakes


def test_a_batch_holds_at_least_one_sequence() -> None:
    _, mistakes = check(
        "run: a\nmodel: m\nrecipe: full\nrounds: 3\nround_length: 10 min\ntokens: {sequence: 1k, batch: 512}\n"
    )
    assert [m.where for m in mistakes] == ["tokens"]
    assert "sequence" in mistakes[0].sentence


def test_the_run_file_knows_the_strategies_that_the_federation_knows() -> None:
    from typing import get_args

    from coordinator.federation import diloco, stock
    from coordinator.runfile import _Strategy

    allowed = get_args(_Strategy.model_fields["name"].annotation)
    assert sorted(allowed) == sorted([diloco.NAME, *stock.STOCK])


def test_block_sparse_attention_must_be_insisted_on() -> None:
    text = (EXAMPLES[0]).read_text() + "\nattention: block_sparse\n"
    spec, mistakes = check(text)
    assert [(mistake.where, "block_sparse_anyway" in mistake.sentence) for mistake in mistakes] == [("attention", True)]
    spec, mistakes = check(text.replace("block_sparse", "block_sparse_anyway"))
    assert mistakes == []
    assert spec is not None
    assert spec["attention"] == "block_sparse_anyway"
