"""What is wrong with a run file beyond its words: the model that is not there, the parameter that nothing takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coordinator.checking import further, place
from coordinator.mistakes import Mistake
from coordinator.runfile import Spec, check
from coordinator.status import going_already
from shared.rpc.v1 import operator_pb2 as pb
from tests.node.train.room import ODD_LLAMA

GOOD = "run: a\nmodel: {model}\nrecipe: full\nrounds: 3\nround_length: 10 min\nstrategy: {strategy}\n"


def mistakes(folder: Path, text: str) -> list[Mistake]:
    return check(text, further(folder))[1]


@pytest.fixture
def a_pickle(tmp_path: Path) -> str:
    """A folder that holds a model nobody should open."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "pytorch_model.bin").write_bytes(b"\x80")
    return folder.name


def test_a_good_run_is_fine(tmp_path: Path) -> None:
    text = GOOD.format(model="potluck-tiny", strategy="{name: DiLoCo, outer: auto}")
    assert check(text, further(tmp_path))[0] == check(text)[0]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("no-such", "There is no model no-such"),
        ("theirs", "holds pytorch_model.bin, which can run code"),
        ("bad.json", "is not a usable config.json"),
    ],
)
def test_a_model_that_cannot_be_used_is_told_with_its_line(
    tmp_path: Path, a_pickle: str, model: str, words: str
) -> None:
    (tmp_path / "bad.json").write_text("{}")
    (found,) = mistakes(tmp_path, GOOD.format(model=model, strategy="{name: DiLoCo}"))
    assert (found.line, found.where) == (2, "model")
    assert words in found.sentence


@pytest.mark.parametrize(
    ("model", "source", "words"),
    [
        ("smollm2-135m", "potluck-1b", "only says how large the new one is"),
        ("potluck-125m", "theirs", "holds pytorch_model.bin"),
    ],
)
def test_a_warm_start_that_cannot_be_is_told_with_its_line(
    tmp_path: Path, a_pickle: str, model: str, source: str, words: str
) -> None:
    text = GOOD.format(model=model, strategy="{name: DiLoCo}") + f"warm_start: {source}\n"
    (found,) = mistakes(tmp_path, text)
    assert (found.line, found.where) == (7, "warm_start")
    assert words in found.sentence


@pytest.mark.parametrize(
    ("strategy", "line", "where", "words"),
    [
        ("\n  name: DiLoCo\n  outer: maybe", 8, "strategy.outer", "Write auto, plain, nesterov or a number"),
        ("\n  outr: auto\n  name: DiLoCo", 7, "strategy.outr", "did you mean `outer`"),
        ("{name: FedAvg, min_train_nodes: 9}", 6, "strategy.min_train_nodes", "choose 1 to 2"),
    ],
)
def test_a_parameter_that_the_strategy_does_not_take_is_told_with_its_line(
    tmp_path: Path, strategy: str, line: int, where: str, words: str
) -> None:
    (found,) = mistakes(tmp_path, GOOD.format(model="potluck-tiny", strategy=strategy))
    assert (found.line, found.where) == (line, where)
    assert words in found.sentence


@pytest.mark.parametrize(("model", "most"), [("potluck-tiny", 512), ("own.json", 96), ("smollm2-135m", 8192)])
def test_a_sequence_that_is_longer_than_the_model_takes_is_told_with_its_line(
    tmp_path: Path, model: str, most: int
) -> None:
    (tmp_path / "own.json").write_text(json.dumps({**ODD_LLAMA, "vocab_size": 259, "max_position_embeddings": 96}))

    def text(sequence: int) -> str:
        good = GOOD.format(model=model, strategy="{name: DiLoCo}")
        return f"{good}tokens:\n  batch: {4 * sequence}\n  sequence: {sequence}\n"

    assert mistakes(tmp_path, text(most)) == []
    (found,) = mistakes(tmp_path, text(most + 8))
    assert (found.line, found.where) == (9, "tokens.sequence")
    assert found.sentence == f"a sequence of {most + 8:,} tokens is longer than the model takes ({most:,})."


def test_these_mistakes_are_told_together_with_the_others(tmp_path: Path) -> None:
    text = GOOD.format(model="no-such", strategy="{name: DiLoCo, outer: maybe}").replace("rounds: 3", "rounds: many")
    assert [found.where for found in mistakes(tmp_path, text)] == ["model", "rounds", "strategy.outer"]


def test_what_is_wrong_already_is_not_looked_at_further() -> None:
    seen: list[Spec] = []

    def look(spec: Spec) -> list[tuple[list[str], str]]:
        seen.append(spec)
        return []

    text = GOOD.format(model="[]", strategy="{name: FedAvg, min_train_nodes: 3}") + "quorum: none\n"
    assert [found.where for found in check(text, look)[1]] == ["model", "quorum"]
    assert (seen[0]["model"], seen[0]["strategy"]["name"]) == ("potluck-tiny", "DiLoCo")


def test_a_sentence_that_names_no_parameter_is_about_the_strategy() -> None:
    spec = {"strategy": {"name": "Krum", "parameters": {"lr": 1}}}
    assert place("strategy", "`name` of Krum needs 3 PCs", spec) == ["strategy"]
    assert place("strategy", "With `outer: auto`, set no `lr`", spec) == ["strategy", "lr"]


def test_a_run_that_is_going_is_named_and_an_ended_one_is_not() -> None:
    going = pb.RunStatus(run="saturday-notes-a1b2c3", state="running", sentence="1 of 2 rounds done")
    others = [
        pb.RunStatus(run="saturday-notes-d4e5f6", state="finished"),
        pb.RunStatus(run="saturday-a1b2c3", state="running"),
    ]
    words = going_already(pb.StatusReply(runs=[going, *others]), "Saturday notes")
    assert words == (
        "The run Saturday notes is already going (saturday-notes-a1b2c3: 1 of 2 rounds done); nothing was started."
    )
    assert going_already(pb.StatusReply(runs=others), "Saturday notes") == ""
