"""The federation child, for real: it prepares, configures, merges and tells, and a kill changes nothing."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from shared.blobs import digest_of
from shared.codec.bf16 import decode, encode
from shared.maths.apply import add_delta
from shared.maths.outer import Nesterov
from tests.coordinator.federation_child import RUN, FederationChild, Words, flat, friend, spec, update
from tests.shared.tensors import Values, draw

FULL = {"kind": "full", "rank": None, "alpha": None}
FEDAVG = {"name": "FedAvg", "parameters": {}}
NESTEROV = {"name": "DiLoCo", "parameters": {"outer": "nesterov"}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def test_preparing_publishes_job_base_and_first_model(home: Path) -> None:
    with FederationChild(home) as child:
        job, ready = child.prepare(spec())
        assert (job.run, job.lora, job.lora_alpha, job.update, job.codec) == (RUN, 2, 4, "difference", "bf16")
        assert {"config.json", "tokenizer.json", "model.safetensors"} <= job.files.keys()
        assert all(digest_of(child.blobs.require(digest)) == digest for digest in job.files.values())
        first = child.load(job, ready["model"])
        assert all((array == 0).all() == name.endswith("lora_B.weight") for name, array in first.items())
    with FederationChild(home) as again:
        assert again.prepare(spec())[1] == ready


def test_a_local_folder_is_copied_so_that_its_owner_may_change_it(home: Path) -> None:
    with FederationChild(home) as child:
        child.prepare(spec())  # makes the tiny model
        (folder := home / "mine").mkdir()
        for file in next((home / "cache" / "models").glob("potluck-tiny*/")).iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        job, _ = child.prepare(spec(model="./mine"))
        with open(folder / "config.json", "a") as config:
            config.write("\n")
        assert digest_of(child.blobs.require(job.files["config.json"])) == job.files["config.json"]


def test_every_friend_is_configured_with_the_round(home: Path) -> None:
    with FederationChild(home) as child:
        _, ready = child.prepare(spec())
        nodes = [friend(n) for n in range(3)]
        answer = child.ask("configure", round=2, model=ready["model"], state=None, nodes=nodes)
        assert answer == {"fact": "configured", "round": 2, "who": {node: {"server-round": 2} for node in nodes}}


def test_flower_samples_the_same_friends_again_after_a_crash(home: Path) -> None:
    run_file = spec(strategy={"name": "FedAvg", "parameters": {"fraction_train": 0.4, "min_train_nodes": 1}})
    question: Words = {"round": 1, "nodes": [friend(n) for n in range(8)]}
    with FederationChild(home) as child:
        _, ready = child.prepare(run_file)
        first = child.ask("configure", model=ready["model"], state=None, **question)
        assert len(first["who"]) == 3
    with FederationChild(home) as child:
        child.ask("open", job=ready["job"], spec=run_file, state=None)
        assert child.ask("configure", model=ready["model"], state=None, **question) == first


def test_too_few_friends_are_an_answer_and_not_an_endless_wait(home: Path) -> None:
    with FederationChild(home) as child:
        _, ready = child.prepare(spec(strategy=FEDAVG))
        answer = child.ask("configure", round=1, model=ready["model"], state=None, nodes=[friend(1)])
        assert answer["fact"] == "failed"
        assert answer["sentence"] == "FedAvg needs 2 PCs in a round; 1 are here."


@pytest.mark.parametrize("codec", ["bf16", "fp32"])
def test_nodes_that_add_the_delta_have_the_models_digest(home: Path, codec: str) -> None:
    with FederationChild(home) as child:
        job, ready = child.prepare(spec(codec=codec))
        model = ready["model"]
        for round_ in (1, 2):
            merged = child.merge(round_, model, [update(child, job, n, tokens=10 * n) for n in (1, 2, 3)])
            base, delta = child.blobs.path(model), child.blobs.path(merged["delta"])
            assert add_delta(base, delta, home / "node", job.tensors, job.codec) == merged["model"]
            model = merged["model"]


def test_the_order_of_the_updates_does_not_matter(home: Path) -> None:
    with FederationChild(home) as child:
        job, ready = child.prepare(spec())
        updates = [update(child, job, n, tokens=7 * n) for n in (1, 2, 3, 4)]
        assert child.merge(1, ready["model"], updates) == child.merge(1, ready["model"], updates[::-1])


def test_nesterov_remembers_across_a_kill(home: Path) -> None:
    run_file = spec(strategy=NESTEROV)
    with FederationChild(home) as child:
        job, ready = child.prepare(run_file)
        updates = [[update(child, job, 10 * round_ + n) for n in (1, 2)] for round_ in (1, 2)]
        one = child.merge(1, ready["model"], updates[0])
        two = child.merge(2, one["model"], updates[1], one["state"])
        expected = flat(child.load(job, ready["model"]))
        momentum = np.zeros_like(expected)
        for round_ in (1, 2):
            sent = [decode(encode(flat(draw(job.tensors, 10 * round_ + n, 0.01)))) for n in (1, 2)]
            step, _ = Nesterov(0.7, 0.9).step(sent[0] * 0.5 + sent[1] * 0.5, momentum)
            expected += decode(encode(step))
        assert (flat(child.load(job, two["model"])) == expected).all()
        child.tell("merge", round=2, model=one["model"], state=one["state"], updates=updates[1])
        child.process.send_signal(signal.SIGKILL)  # somewhere in the merge, or before it
    with FederationChild(home) as child:
        assert child.ask("open", job=ready["job"], spec=run_file, state=one["state"]) == {"fact": "opened"}
        assert child.merge(2, one["model"], updates[1], one["state"]) == two
        assert list((home / "blobs" / "spool").iterdir()) == []


def test_a_state_of_another_run_is_not_taken(home: Path) -> None:
    with FederationChild(home) as child:
        job, ready = child.prepare(spec(strategy=NESTEROV))
        foreign = child.blobs.put(b"\x02\0\0\0\0\0\0\0{}")
        words: Words = {"round": 1, "model": ready["model"], "updates": [update(child, job, 1)]}
        assert "belongs to another run" in child.ask("merge", state=foreign, **words)["sentence"]


def test_fedavg_is_flowers_own_bit_for_bit(home: Path) -> None:
    with FederationChild(home) as child:
        job, ready = child.prepare(spec(FULL, FEDAVG))
        assert (job.update, job.codec, job.lora) == ("weights", "fp32", None)
        nodes = [friend(1), friend(2)]
        asked = child.ask("configure", round=1, model=ready["model"], state=None, nodes=nodes)
        assert set(asked["who"]) == set(nodes)
        tokens = {1: 300, 2: 500, 3: 77}
        merged = child.merge(1, ready["model"], [update(child, job, n, tokens=t) for n, t in tokens.items()])
        assert merged["delta"] is None
        assert merged["state"] is None
        expected = flowers_mean({n: draw(job.tensors, n, 0.01) for n in tokens}, tokens)
        got = child.load(job, merged["model"])
        assert all(got[name].tobytes() == array.tobytes() for name, array in expected.items())
        moved = flat(got).astype(np.float64) - flat(child.load(job, ready["model"]))
        assert merged["metrics"]["update_norm"] == pytest.approx(float(np.linalg.norm(moved)), rel=1e-5)


def test_diloco_averages_in_fp32_exactly_as_flower_does(home: Path) -> None:
    with FederationChild(home) as child:
        job, ready = child.prepare(spec(codec="fp32"))
        tokens = {1: 300, 2: 500, 3: 77}
        merged = child.merge(1, ready["model"], [update(child, job, n, tokens=t) for n, t in tokens.items()])
        expected = flowers_mean({n: draw(job.tensors, n, 0.01) for n in tokens}, tokens)
        delta = child.load(job, merged["delta"])
        assert all(delta[name].tobytes() == array.tobytes() for name, array in expected.items())


def flowers_mean(values: dict[int, Values], tokens: dict[int, int]) -> Values:
    """What Flower's own aggregation makes of these, in the order of Flower's node ids."""
    from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
    from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

    from shared.ids import flower_id

    records = [
        RecordDict({
            "arrays": ArrayRecord({name: Array(array) for name, array in sorted(values[n].items())}),
            "metrics": MetricRecord({"num-examples": tokens[n]}),
        })
        for n in sorted(values, key=lambda n: flower_id(friend(n)))
    ]  # fmt: skip
    return {name: array.numpy() for name, array in aggregate_arrayrecords(records, "num-examples").items()}


def test_what_was_measured_is_averaged_by_tokens_and_counts_are_summed(home: Path) -> None:
    with FederationChild(home) as child:
        job, ready = child.prepare(spec())
        mixed = [update(child, job, 1, tokens=30, odd=1.0), update(child, job, 2, tokens=10, loss=math.nan)]
        metrics = child.merge(1, ready["model"], mixed)["metrics"]
        assert "loss" not in metrics  # not a number on one side
        assert "odd" not in metrics  # one side only
        fine = [update(child, job, 1, tokens=30, loss=1.0), update(child, job, 2, tokens=10, loss=5.0)]
        metrics = child.merge(1, ready["model"], fine)["metrics"]
        assert (metrics["loss"], metrics["perplexity"], metrics["tokens"], metrics["nodes"]) == (
            2.0,
            math.exp(2),
            40,
            2,
        )
        told = [{"node": friend(n), "metrics": {"loss": float(n), "tokens": 50 * n, "bytes": 100}} for n in (1, 3)]
        assert child.ask("evaluated", round=1, replies=told)["metrics"] == {
            "loss": 2.5, "perplexity": math.exp(2.5), "tokens": 200, "bytes": 200, "nodes": 2,
        }  # fmt: skip
        assert child.ask("evaluated", round=1, replies=[])["metrics"] == {"nodes": 0}
        less = [{"node": friend(1), "metrics": {"loss": 1.0, "tokens": 0.5}}]
        assert child.ask("evaluated", round=1, replies=less)["metrics"] == {"nodes": 0}, "less than a token is none"


def test_tensorboard_shows_the_rounds(home: Path) -> None:
    with FederationChild(home) as child:
        job, ready = child.prepare(spec())
        child.merge(1, ready["model"], [update(child, job, n, loss=1.5) for n in (1, 2)])
        child.ask("evaluated", round=1, replies=[{"node": friend(1), "metrics": {"loss": 1.0, "tokens": 5}}])
        events = EventAccumulator(str(home / "work" / "tensorboard")).Reload()
        assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(1, 1.5)]
        names = {f"train/{name}" for name in ("perplexity", "gradient_norm", "tokens", "bytes", "update_norm")}
        assert {"held_out/loss", *names} <= set(events.Tags()["scalars"])


def test_what_is_missing_or_wrong_is_said_and_the_child_goes_on(home: Path) -> None:
    with FederationChild(home) as child:
        assert "was not opened" in child.ask("configure", round=1, model="0" * 64, state=None, nodes=[])["sentence"]
        job, ready = child.prepare(spec())
        good = update(child, job, 1)

        def refused(**change: object) -> str:
            words: Words = {"round": 1, "model": ready["model"], "state": None, "updates": [good], **change}
            answer = child.ask("merge", **words)
            assert answer["fact"] == "failed"
            assert answer["op"] == "merge"
            return str(answer["sentence"])

        assert "damaged or gone" in refused(model="1" * 64)
        assert "nobody trained" in refused(updates=[])
        assert "this run uses BF16" in refused(updates=[{**good, "digest": ready["model"]}])
        assert "carries metadata" in refused(updates=[{**good, "digest": job.files["model.safetensors"]}])
        assert "There is no request" in child.ask("dance")["sentence"]
        assert child.merge(1, ready["model"], [good])["fact"] == "merged"


@pytest.mark.slow
def test_a_child_killed_in_the_middle_of_a_merge_repeats_it(home: Path) -> None:
    run_file, spool = spec(FULL, NESTEROV, model="potluck-25m"), home / "blobs" / "spool"
    with FederationChild(home) as child:
        job, ready = child.prepare(run_file)
        updates = [update(child, job, n) for n in (1, 2)]
    for file in ("delta", "state", "model"):
        with FederationChild(home) as child:
            child.ask("open", job=ready["job"], spec=run_file, state=None)
            child.tell("merge", round=1, model=ready["model"], state=None, updates=updates)
            wait_until(lambda file=file: any(f".{file}." in path.name for path in spool.iterdir()))  # type: ignore[misc]
            child.process.kill()
            child.process.wait()
            assert list(spool.iterdir())
    with FederationChild(home) as child:
        child.ask("open", job=ready["job"], spec=run_file, state=None)
        assert list(spool.iterdir()) == []
        repeated = child.merge(1, ready["model"], updates)
        for name in ("model", "delta", "state"):
            assert digest_of(child.blobs.require(repeated[name])) == repeated[name]
        base, delta = child.blobs.path(ready["model"]), child.blobs.path(repeated["delta"])
        assert add_delta(base, delta, home / "node", job.tensors, job.codec) == repeated["model"]
        assert child.merge(1, ready["model"], updates) == repeated


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the high-water mark is read from /proc")
def test_merging_by_reference_needs_the_same_memory_for_two_and_for_six(home: Path) -> None:
    run_file = spec(FULL, NESTEROV, model="potluck-25m")  # 50 MB and more an update, 100 MB and more the model
    with FederationChild(home) as child:
        job, ready = child.prepare(run_file)
        updates = [update(child, job, n) for n in range(6)]
    needed = []
    for count in (2, 6):
        with FederationChild(home) as child:
            child.ask("open", job=ready["job"], spec=run_file, state=None)
            before = high_water(child)
            child.merge(1, ready["model"], updates[:count])
            needed.append(high_water(child) - before)
    assert max(needed) < 40, needed
    assert abs(needed[1] - needed[0]) < 5, needed


def high_water(child: FederationChild) -> float:
    """The most memory the child ever had resident, in MB."""
    lines = Path(f"/proc/{child.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def wait_until(seen: Callable[[], bool]) -> None:
    """Look again and again, without a pause: what we wait for is short."""
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"strategy": {"name": "FedAverage", "parameters": {}}},
            "There is no strategy FedAverage. Choose DiLoCo, FedAvg, FedAvgM",
        ),
        ({"strategy": {"name": "FedAvg", "parameters": {"fraction_trian": 1.0}}}, "did you mean `fraction_train`?"),
        ({"model": "no-such-model"}, "There is no model no-such-model"),
        ({"batch": 8}, "the batch must be at least one sequence"),
    ],
)
def test_a_run_that_cannot_be_is_refused_in_one_sentence(home: Path, change: Words, words: str) -> None:
    with FederationChild(home) as child:
        answer = child.ask("prepare", run=RUN, spec=spec(**change), folder=str(home))
        assert answer["fact"] == "failed"
        assert words in answer["sentence"]


def test_it_ends_when_its_input_ends_and_holds_no_torch(home: Path) -> None:
    with FederationChild(home) as child:
        job, ready = child.prepare(spec())
        child.merge(1, ready["model"], [update(child, job, 1)])
        if Path("/proc/self/maps").exists():
            assert "libtorch" not in Path(f"/proc/{child.process.pid}/maps").read_text()
        assert child.end() == 0


def test_the_exported_adapter_holds_the_merged_values(home: Path) -> None:
    with FederationChild(home) as child:
        job, ready = child.prepare(spec())
        merged = child.merge(1, ready["model"], [update(child, job, n) for n in (1, 2)])
        folder = Path(merged["folder"])
        there = load_file(folder / "adapter_model.safetensors")
        assert all((there[name] == array).all() for name, array in child.load(job, merged["model"]).items())
        config = json.loads((folder / "adapter_config.json").read_text())
        assert (config["r"], config["lora_alpha"]) == (2, 4)
        assert os.path.isfile(folder / config["base_model_name_or_path"] / "model.safetensors")
        card = (folder / "README.md").read_text()
        assert "averaged apart" in card
        assert merged["model"] in card


def test_a_model_that_others_run_in_another_way_says_so(home: Path) -> None:
    with FederationChild(home) as child:
        job, ready = child.prepare({**spec(FULL), "attention": "block_sparse_anyway"})
        folder = Path(child.merge(1, ready["model"], [update(child, job, 1)])["folder"])
        assert json.loads((folder / "config.json").read_text())["trained_with_attention"] == "block_sparse"
        assert "block-sparse" in (folder / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [{"kind": "lora", "rank": 2, "alpha": 4}, FULL], ids=["lora", "full"])
def test_transformers_loads_what_was_exported(home: Path, recipe: Words) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    with FederationChild(home) as child:
        job, ready = child.prepare(spec(recipe))
        merged = child.merge(1, ready["model"], [update(child, job, n) for n in (1, 2)])
        model = transformers.AutoModelForCausalLM.from_pretrained(merged["folder"])
        tokenizer = transformers.AutoTokenizer.from_pretrained(merged["folder"])
        ours = child.load(job, merged["model"])
        theirs = {name.replace(".default", ""): value for name, value in model.state_dict().items()}
        if recipe["kind"] == "lora":
            theirs = {f"base_model.model.{name}": value for name, value in theirs.items()}
        assert all((theirs[name].numpy() == array).all() for name, array in ours.items())
        with torch.no_grad():
            assert torch.isfinite(model(**tokenizer("Hello", return_tensors="pt")).logits).all()
