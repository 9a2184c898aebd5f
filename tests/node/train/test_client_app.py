"""The node's work as a real Flower ClientApp, called with real Messages."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict

from node.train.client_app import client_app
from shared.job import Mod
from tests.flower_identity import fresh_flower_identity, some_flower_identity

__all__ = ["fresh_flower_identity"]
pytestmark = pytest.mark.usefixtures(some_flower_identity.__name__)


class Adder:
    """A worker that adds one to everything."""

    def train(self, arrays: ArrayRecord, config: ConfigRecord) -> tuple[ArrayRecord, MetricRecord]:
        step = float(config.get("step", 1.0))  # type: ignore[arg-type,unused-ignore]
        after = {name: Array(array.numpy() + np.float32(step)) for name, array in arrays.items()}
        return ArrayRecord(after), MetricRecord({"num-examples": 7, "loss": 1.5})

    def evaluate(self, arrays: ArrayRecord, config: ConfigRecord) -> MetricRecord:
        return MetricRecord({"num-examples": 3, "loss": float(sum(array.numpy().sum() for array in arrays.values()))})


def message(kind: str, **config: float) -> Message:
    arrays = ArrayRecord({"w": Array(np.zeros(4, np.float32))})
    content = RecordDict({"arrays": arrays, "config": ConfigRecord({"server-round": 1, **config})})
    return Message(content, dst_node_id=1, message_type=kind)


CONTEXT = Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={})


def test_train_answers_with_arrays_and_metrics() -> None:
    reply = client_app(Adder(), ())(message("train"), CONTEXT)
    assert reply.content["arrays"]["w"].numpy().tolist() == [1, 1, 1, 1]
    assert reply.content["metrics"]["num-examples"] == 7


def test_evaluate_answers_with_metrics_alone() -> None:
    reply = client_app(Adder(), ())(message("evaluate"), CONTEXT)
    assert list(reply.content) == ["metrics"]


def test_a_clipping_mod_shortens_the_update() -> None:
    reply = client_app(Adder(), [Mod("fixedclipping_mod")])(message("train", clipping_norm=1.0), CONTEXT)
    assert np.linalg.norm(reply.content["arrays"]["w"].numpy()) == pytest.approx(1.0)  # it was 2


def test_an_adaptive_mod_tells_whether_it_clipped() -> None:
    for limit, clipped in ((9.0, 0), (1.0, 1)):
        reply = client_app(Adder(), [Mod("adaptiveclipping_mod")])(message("train", clipping_norm=limit), CONTEXT)
        assert reply.content["metrics"]["norm_bit"] == clipped


def test_a_mod_without_its_setting_refuses_before_any_training() -> None:
    class Never(Adder):
        def train(self, arrays: ArrayRecord, config: ConfigRecord) -> tuple[ArrayRecord, MetricRecord]:
            raise AssertionError("trained")

    assert client_app(Never(), [Mod("fixedclipping_mod")])(message("train"), CONTEXT).has_error()


def test_local_privacy_clips_and_adds_noise() -> None:
    local = Mod("LocalDpMod", {"clipping_norm": 1.0, "sensitivity": 1e-3, "epsilon": 10.0, "delta": 1e-5})
    values = client_app(Adder(), [local])(message("train"), CONTEXT).content["arrays"]["w"].numpy()
    assert 0 < np.abs(values - 0.5).max() < 0.01  # 2 clipped to 1 over four values, and a deviation of 5e-4
