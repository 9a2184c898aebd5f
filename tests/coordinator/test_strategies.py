"""Flower's side of the federation child, without a process: parameters, messages, saved state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg

from coordinator.federation import state
from coordinator.federation.grid import RoundGrid
from coordinator.federation.parameters import arguments, outer_step
from shared.codec import safe
from shared.errors import OwnerMustAct
from shared.ids import RunId, flower_id
from shared.maths.outer import Nesterov, Outer, Plain
from tests.coordinator.federation_child import friend
from tests.flower_identity import fresh_flower_identity
from tests.shared.tensors import SMALL, draw

__all__ = ["fresh_flower_identity"]  # a fixture for every test here
RUN = RunId("strategies-abc123")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, Plain(1.0)),
        ({"outer": "auto"}, Plain(1.0)),
        ({"outer": 1.0}, Plain(1.0)),
        ({"outer": 0.5}, Plain(0.5)),
        ({"outer": "plain", "lr": 2}, Plain(2.0)),
        ({"outer": "nesterov"}, Nesterov(0.7, 0.9)),
        ({"outer": "nesterov", "lr": 0.9, "momentum": 0.5}, Nesterov(0.9, 0.5)),
    ],
)
def test_an_outer_step_is_chosen_in_the_run_file(parameters: dict[str, Any], expected: Outer) -> None:
    assert outer_step(parameters, rounds=20) == expected


def test_long_runs_accelerate_by_themselves() -> None:
    assert outer_step({}, rounds=100) == Nesterov(0.7, 0.9)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"outr": "auto"}, "did you mean `outer`"),
        ({"outer": "sgd"}, "Write auto, plain, nesterov or a number"),
        ({"outer": -1.0}, "above 0"),
        ({"outer": True}, "above 0"),
        ({"outer": 1.0, "momentum": 0.9}, "already"),
        ({"lr": 0.7}, "chosen for you"),
        ({"outer": "plain", "momentum": 0.9}, "has no momentum"),
        ({"outer": "nesterov", "momentum": 1.5}, "at most 0.9999"),
        ({"outer": "nesterov", "lr": "fast"}, "must be a number"),
    ],
)
def test_a_wrong_outer_step_is_a_sentence(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(OwnerMustAct, match=words):
        outer_step(parameters, rounds=20)


def test_flowers_strategies_take_their_numbers_and_the_quorum() -> None:
    assert arguments(FedAvg, {"fraction_train": 1}, quorum=3) == {
        "fraction_train": 1.0, "min_train_nodes": 3, "min_evaluate_nodes": 3, "min_available_nodes": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"weighted_by_key": "loss"}, "FedAvg has no parameter `weighted_by_key`"),
        ({"train_metrics_aggr_fn": "os.system"}, "has no parameter"),
        ({"fraction_train": "half"}, "must be a number"),
        ({"fraction_train": True}, "must be a number"),
        ({"fraction_train": 0.0}, "more than 0"),
        ({"fraction_train": float("nan")}, "must be a number"),
        ({"min_train_nodes": 2.5}, "must be a whole number"),
        ({"min_available_nodes": 9}, "choose 1 to 3"),
    ],
)
def test_a_wrong_parameter_of_flowers_is_a_sentence(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(OwnerMustAct, match=words):
        arguments(FedAvg, parameters, quorum=3)


def test_replies_are_real_messages_in_the_order_of_node_ids() -> None:
    grid, friends = RoundGrid(RUN), [friend(n) for n in range(5)]
    contents = {node: RecordDict({"metrics": MetricRecord({"n": i})}) for i, node in enumerate(friends)}
    replies = grid.replies(7, MessageType.TRAIN, contents)
    assert [reply.metadata.src_node_id for reply in replies] == sorted(map(flower_id, friends))
    first = replies[0].metadata
    assert (first.group_id, first.message_type, first.run_id) == ("7", "train", grid.run.run_id)
    assert first.reply_to_message_id
    assert replies[0].has_content()


def test_a_configuration_becomes_plain_json() -> None:
    grid = RoundGrid(RUN)
    grid.present([friend(1)])
    config = ConfigRecord(
        {"lr": 0.5, "n": 3, "on": True, "name": "x", "raw": b"\x00\xff", "many": [b"a", b"b"], "list": [1]}
    )
    message = Message(RecordDict({"arrays": ArrayRecord(), "config": config}), flower_id(friend(1)), "train")
    assert grid.configured([message]) == {
        friend(1): {
            "lr": 0.5, "n": 3, "on": True, "name": "x", "raw": {"base64": "AP8="},
            "many": [{"base64": "YQ=="}, {"base64": "Yg=="}], "list": [1],
        }
    }  # fmt: skip


def test_strategies_may_not_send_by_themselves() -> None:
    with pytest.raises(NotImplementedError):
        RoundGrid(RUN).send_and_receive([])


def test_state_comes_back_with_its_facts(tmp_path: Path) -> None:
    where = state.layout("DiLoCo", SMALL, {"round": 3})
    values = {f"momentum/{name}": array for name, array in draw(SMALL, 1).items()}
    safe.write(tmp_path / "state", sorted(values.items()), where)
    assert state.check(tmp_path / "state", "DiLoCo", SMALL) == (where, {"round": 3})
    with pytest.raises(OwnerMustAct, match="belongs to another run"):
        state.check(tmp_path / "state", "DiLoCo", SMALL[:2])
    with pytest.raises(OwnerMustAct, match="belongs to another run"):
        state.check(tmp_path / "state", "FedAvg", SMALL)
