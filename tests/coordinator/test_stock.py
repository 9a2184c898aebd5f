"""Every strategy of Flower's in the real child, killed in the middle of a run, against the same strategy in one piece.

The reference lives in this process as it would in a Flower server: one object for all rounds, its arrays in memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MessageType, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg, Strategy

from coordinator.federation import memory
from coordinator.federation.choose import mods, travel
from coordinator.federation.grid import RoundGrid
from coordinator.federation.stock import STOCK, build
from coordinator.runfile import STRATEGIES
from shared.errors import OwnerMustAct
from shared.ids import Digest
from shared.job import Job, Mod
from tests.coordinator.federation_child import RUN, FederationChild, Words, friend, sent, spec
from tests.flower_identity import fresh_flower_identity
from tests.shared.tensors import Values, draw

__all__ = ["fresh_flower_identity"]  # a fixture for every test here
FRIENDS, ROUNDS = 7, 4
QUIET = {"noise_multiplier": 0.0, "num_sampled_clients": FRIENDS}  # chance would differ from run to run
PARAMETERS: dict[str, Words] = {
    "FedAvg": {},
    "FedAvgM": {"server_momentum": 0.9, "server_learning_rate": 0.7},
    "FedAdam": {"eta": 0.01},
    "FedAdagrad": {"eta": 0.01},
    "FedYogi": {"eta": 0.01},
    "FedProx": {"proximal_mu": 0.1},
    "FedMedian": {},
    "FedTrimmedAvg": {"beta": 0.3},
    "Krum": {"num_malicious_nodes": 2},
    "MultiKrum": {"num_malicious_nodes": 1, "num_nodes_to_select": 3},
    "Bulyan": {"num_malicious_nodes": 1},
    "QFedAvg": {"client_learning_rate": 0.1, "q": 0.2},
    "DifferentialPrivacyServerSideFixedClipping": {**QUIET, "clipping_norm": 0.5, "wraps": "FedAdam"},
    "DifferentialPrivacyServerSideAdaptiveClipping": {
        **QUIET, "clipped_count_stddev": 0.0, "wraps": {"name": "FedAvgM", "server_momentum": 0.5},
    },
    "DifferentialPrivacyClientSideFixedClipping": {**QUIET, "clipping_norm": 0.5},
    "DifferentialPrivacyClientSideAdaptiveClipping": {**QUIET, "clipped_count_stddev": 0.0},
}  # fmt: skip


def replies(job: Job, round_: int, model: Values) -> dict[int, tuple[Values, int, dict[str, float]]]:
    """What each friend makes of the model: weights, tokens, metrics. The fourth is far from the others."""
    found = {}
    for number in range(1, FRIENDS + 1):
        scale = 1.0 if number == 4 else 0.01
        moved = draw(job.tensors, 100 * round_ + number, scale)
        weights = {name: model[name] + moved[name] for name in model}
        found[number] = weights, 10 * number, {"loss": 2.0 + number / 10, "norm_bit": float(number % 2)}
    return found


def one_round(
    child: FederationChild, job: Job, round_: int, flower: Strategy, grid: RoundGrid, arrays: ArrayRecord,
    model: Digest, state: Digest | None,
) -> tuple[ArrayRecord, Digest, Digest | None]:  # fmt: skip
    """The same round in Flower's object and in the child. Returns where both stand now."""
    nodes = [friend(number) for number in range(1, FRIENDS + 1)]
    told = grid.configured(flower.configure_train(round_, arrays, ConfigRecord(), grid))
    assert child.ask("configure", round=round_, model=model, state=state, nodes=nodes)["who"] == told
    answers = replies(job, round_, child.load(job, model))
    contents = {
        friend(number): RecordDict({
            "arrays": ArrayRecord({n: Array(values) for n, values in sorted(weights.items())}),
            "metrics": MetricRecord({**metrics, "num-examples": tokens}),
        })
        for number, (weights, tokens, metrics) in answers.items()
    }  # fmt: skip
    merged, _ = flower.aggregate_train(round_, grid.replies(round_, MessageType.TRAIN, contents))
    assert merged is not None
    updates = [sent(child, job, number, *answer) for number, answer in answers.items()]
    fact = child.merge(round_, model, updates, state)
    assert child.merge(round_, model, updates, state)["model"] == fact["model"], "asked twice, answered alike"
    for tensor, values in child.load(job, fact["model"]).items():
        np.testing.assert_array_equal(values, merged[tensor].numpy().astype(np.float32), tensor)
    return merged, Digest(fact["model"]), fact["state"]


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_run_killed_after_its_second_round_ends_bit_equal_to_flowers_own(name: str, tmp_path: Path) -> None:
    run = spec(strategy={"name": name, "parameters": PARAMETERS[name]}, quorum=FRIENDS, rounds=ROUNDS)
    flower, grid = build(name, PARAMETERS[name], FRIENDS), RoundGrid(RUN)
    grid.present([friend(number) for number in range(1, FRIENDS + 1)])
    with FederationChild(tmp_path) as child:
        job, ready = child.prepare(run)
        model, state, begun = Digest(ready["model"]), None, child.load(job, ready["model"])
        arrays = ArrayRecord({name: Array(values) for name, values in sorted(begun.items())})
        for round_ in (1, 2):
            arrays, model, state = one_round(child, job, round_, flower, grid, arrays, model, state)
    with FederationChild(tmp_path) as child:  # the first was killed; this one knows the blobs and two digests
        assert child.ask("open", job=ready["job"], spec=run, state=state)["fact"] == "opened"
        for round_ in (3, 4):
            arrays, model, state = one_round(child, job, round_, flower, grid, arrays, model, state)
        got = child.load(job, model)
    assert any((got[n] != begun[n]).any() for n in got)


def test_the_run_file_the_table_and_the_memory_know_the_same_strategies() -> None:
    assert set(STRATEGIES) == {"DiLoCo", *STOCK}
    assert set(PARAMETERS) == set(STOCK)


def test_a_strategy_that_may_remember_something_unknown_is_refused(tmp_path: Path) -> None:
    class Remembering(FedAvg):  # type: ignore[misc]
        """Somebody's own, with a memory that nobody told us of."""

    with pytest.raises(OwnerMustAct, match="not one Potluck can bring through a crash"):
        memory.save(tmp_path / "state", Remembering(), ArrayRecord())


def test_a_memory_of_another_strategy_or_model_is_not_taken(tmp_path: Path) -> None:
    adam, model = build("FedAdam", {}, 1), ArrayRecord({"w": Array(np.zeros(3, np.float32))})
    adam.m_t = adam.v_t = {"w": np.ones(3)}
    assert memory.save(tmp_path / "state", adam, model)
    for strategy, shape in (("FedYogi", 3), ("FedAdam", 4)):
        other = ArrayRecord({"w": Array(np.zeros(shape, np.float32))})
        with pytest.raises(OwnerMustAct, match="belongs to another run"):
            memory.load(tmp_path / "state", build(strategy, {}, 1), other)
    (tmp_path / "state").write_bytes((tmp_path / "state").read_bytes()[:-1])
    with pytest.raises(OwnerMustAct, match="is damaged"):
        memory.load(tmp_path / "state", build("FedAdam", {}, 1), model)


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("FedXgbBagging", {}, "There is no strategy FedXgbBagging"),
        ("FedAdam", {"beta1": 0.9}, "did you mean `beta_1`"),
        ("FedAdam", {"beta_1": 1.0}, "choose 0 to 0.999999"),
        ("FedAdam", {"tau": 0}, "`tau` is 0"),
        ("FedAvgM", {"server_momentum": "much"}, "must be a number"),
        ("FedTrimmedAvg", {"beta": 0.5}, "FedTrimmedAvg: `beta` must be in the range"),
        ("QFedAvg", {}, "QFedAvg needs `client_learning_rate`"),
        ("FedProx", {"proximal_mu": -1}, "`proximal_mu` is -1"),
        ("Krum", {"num_malicious_nodes": 1}, "needs 5 PCs in every round; the quorum is 3"),
        ("MultiKrum", {"num_nodes_to_select": 4}, "choose 1 to 3"),
        ("Bulyan", {"num_malicious_nodes": 2}, "needs 11 PCs"),
        ("DifferentialPrivacyServerSideFixedClipping", {"clipping_norm": 1.0}, "needs `noise_multiplier`"),
        ("DifferentialPrivacyServerSideFixedClipping", {"noise_multiplier": 1, "clipping_norm": 0}, "positive"),
        (
            "DifferentialPrivacyServerSideFixedClipping",
            {"noise_multiplier": 1, "clipping_norm": 1, "wraps": "DiLoCo"},
            "`wraps` is 'DiLoCo'",
        ),
        (
            "DifferentialPrivacyServerSideFixedClipping",
            {"noise_multiplier": 1, "clipping_norm": 1, "wraps": {"name": "FedAdam", "etta": 1}},
            "did you mean `eta`",
        ),
    ],
)
def test_a_wrong_parameter_is_one_sentence(name: str, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(OwnerMustAct, match=words) as refused:
        travel(spec(strategy={"name": name, "parameters": parameters}, quorum=3))
    assert "\n" not in refused.value.sentence


def test_clipping_at_the_friends_brings_its_mod() -> None:
    name = "DifferentialPrivacyClientSideAdaptiveClipping"
    strategy = {"name": name, "parameters": PARAMETERS[name]}
    assert mods(spec(strategy=strategy)) == (Mod("adaptiveclipping_mod"),)
    local = {"clipping_norm": 1.0, "sensitivity": 1.0, "epsilon": 1.0, "delta": 1e-5}
    both = [{"name": "LocalDpMod", "parameters": local}]
    assert [mod.name for mod in mods(spec(strategy=strategy, mods=both))] == ["LocalDpMod", "adaptiveclipping_mod"]
    with pytest.raises(OwnerMustAct, match="works on whole weights, but DiLoCo sends differences"):
        travel(spec(mods=both))
