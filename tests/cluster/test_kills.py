"""kill -9, anywhere: the same round goes on, and nothing that was acknowledged is lost or counted twice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from shared.blobs import CHUNK, digest_of
from shared.ids import is_digest
from tests.cluster.group import Group

pytestmark = pytest.mark.slow

BUFFERED = 8 * CHUNK  # what may be on its way, in the sockets of both ends, when one of them dies

WIDE = {  # two wide tables and hardly a layer: 20 MB in fp32, and no time to compute
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu", "hidden_size": 96,
    "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 48,
    "vocab_size": 50_000, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10_000.0,
    "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, "attention_bias": False,
    "mlp_bias": False, "initializer_range": 0.02, "dtype": "float32", "torch_dtype": "float32",
}  # fmt: skip


@pytest.fixture
def two(group: Group) -> Group:
    """A coordinator, and ana and bo who have joined; nobody trains yet."""
    group.up()
    group.join("ana")
    group.join("bo")
    return group


def updates(group: Group, name: str) -> list[dict[str, Any]]:
    """What a friend's PC knows of its own updates."""
    return list(group.doing(name).get("updates", []))


def counted(group: Group, run: str) -> None:
    """Both rounds merged two updates, each of them once, and each PC knows that it counted."""
    assert [(entry["number"], entry["phase"]) for entry in group.rounds(run)] == [(1, "committed"), (2, "committed")]
    for entry in group.rounds(run):
        assert [member["state"] for member in entry["members"]] == ["counted", "counted"]
        assert entry["metrics"]["nodes"] == 2
        assert entry["metrics"]["tokens"] == sum(int(member["tokens"]) for member in entry["members"])


def sent(group: Group, name: str, what: str = "update") -> list[dict[str, Any]]:
    return [line for line in group.friends[name].ask("sent") if line["what"] == what]


def test_a_coordinator_killed_while_nodes_train_goes_on_with_the_same_round(two: Group) -> None:
    for name in ("ana", "bo"):
        two.hold(name, 1)
    run = two.start()
    two.run("ana", "bo")
    two.until("both to train", lambda: two.doing("ana").get("step") and two.doing("bo").get("step"))
    before = two.rounds(run)[0]
    two.kill("host")
    began = time.monotonic()
    two.up()
    print(f"measured: restart to answering {time.monotonic() - began:.1f} s")
    after = two.rounds(run)[0]
    assert (after["number"], after["phase"], after["opened_ms"]) == (1, "training", before["opened_ms"])
    two.let_go()
    two.finished(run)
    counted(two, run)
    assert two.log("ana").count("info train round=1") == 1  # it went on training while the host was away


def test_an_acknowledged_update_survives_a_kill_at_once(two: Group) -> None:
    two.hold("bo", 1)
    run = two.start()
    two.run("ana", "bo")
    two.until("ana's update to be acknowledged", lambda: "verdict=accepted" in two.log("ana"))
    two.kill("host")
    (held,) = two.until("the update to be shown", lambda: updates(two, "ana"))
    path = two.blobs("host").path(held["digest"])
    assert digest_of(path) == held["digest"]
    two.up()
    assert two.member(run, "ana")["state"] == "uploaded"
    assert two.phase(run) == "training"
    two.let_go()
    two.finished(run)
    counted(two, run)
    digests = [line["digest"] for line in sent(two, "ana") if line["round"] == 1]
    assert digests == [held["digest"]]  # sent once, and never again


def test_a_coordinator_killed_while_it_merges_merges_the_same_again(two: Group) -> None:
    two.hold("bo", 1)
    run = two.start(rounds=1)
    two.run("ana", "bo")
    two.until("ana's update", lambda: two.member(run, "ana").get("state") == "uploaded")
    (child,) = two.children("host", "coordinator.federation")
    os.kill(child, signal.SIGSTOP)  # the merge will be asked for and not be answered
    two.let_go()
    two.until("the merge", lambda: two.phase(run) == "merging")
    two.kill("host")
    os.kill(child, signal.SIGCONT)  # the orphan does what it was asked, beside its successor
    two.up()
    entry = two.finished(run)
    (only,) = entry["history"]
    assert [member["state"] for member in only["members"]] == ["counted", "counted"]
    assert only["metrics"]["nodes"] == 2
    model = two.blobs("host").path(entry["model"])
    assert digest_of(model) == entry["model"]
    two.until("the orphan to end", lambda: child not in two.children("host", "coordinator.federation"))


def test_a_coordinator_killed_while_it_prepares_prepares_the_same_again(two: Group) -> None:
    run = two.start()
    child = two.until("the child", lambda: two.children("host", "coordinator.federation"))[0]
    os.kill(child, signal.SIGSTOP)
    assert two.entry(run)["state"] == "preparing"
    two.kill("host")
    os.kill(child, signal.SIGCONT)
    two.up()
    two.run("ana", "bo")
    two.finished(run)
    counted(two, run)


def test_a_dead_strategy_process_is_started_again(two: Group) -> None:
    two.hold("bo", 1)
    run = two.start()
    two.run("ana", "bo")
    two.until("ana's update", lambda: two.member(run, "ana").get("state") == "uploaded")
    (child,) = two.children("host", "coordinator.federation")
    os.kill(child, signal.SIGKILL)
    two.let_go()
    two.finished(run)
    counted(two, run)


@pytest.mark.parametrize("moment", ["download", "train", "upload"])
def test_a_node_killed_at_any_moment_comes_back_and_counts_once(two: Group, moment: str) -> None:
    (two.folder / "wide.json").write_text(json.dumps(WIDE))
    two.hold("ana", 1 if moment == "train" else 4)
    two.hold("bo", 1)  # so that what is seen on its way is ana's
    run = two.start(model="wide.json", codec="fp32")
    two.run("ana", "bo")
    match moment:
        case "download":
            there = catch(two, two.blobs("ana").root / "partial", "ana")
        case "upload":
            there = catch(two, two.blobs("host").root / "partial", "ana")
        case _:
            there = 0
            two.until("ana to train", lambda: two.doing("ana").get("step"))
    two.kill("ana")
    two.until("its trainer to end", lambda: not two.children("ana", "quick_trainer"))
    two.let_go()
    two.run("ana")
    two.finished(run)
    counted(two, run)
    assert len({line["digest"] for line in sent(two, "ana") if line["round"] == 1}) == 1
    ana, bo = two.node("ana"), two.node("bo")
    up = int(ana["bytes_received"]) - int(bo["bytes_received"])
    down = int(ana["bytes_sent"]) - int(bo["bytes_sent"])
    print(f"measured: killed after {there:,} bytes; {up:,} bytes went up twice, {down:,} down")
    assert up <= CHUNK
    assert down <= BUFFERED


def catch(group: Group, folder: Path, name: str) -> int:
    """Freeze the friend's PC when some, and not all, of a large file is in `folder`. How many bytes there are."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for path in folder.glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if is_digest(path.name) and path.stat().st_size >= 2 * CHUNK:
                    group.freeze(name)
                    return path.stat().st_size
    raise AssertionError(group.logs())


def test_a_round_closes_without_a_node_that_stays_dead(two: Group) -> None:
    two.join("cy")
    two.hold("cy", 1)
    two.run("ana", "bo", "cy")
    two.until("all three", lambda: all(two.node(name)["state"] == "ready" for name in ("ana", "bo", "cy")))
    run = two.start(rounds=1, deadline="15 s")
    two.until("cy to train", lambda: two.children("cy", "quick_trainer"))
    two.kill("cy")
    (only,) = two.finished(run)["history"]
    states = {member["name"]: member["state"] for member in only["members"]}
    assert states["ana"] == states["bo"] == "counted"
    assert states["cy"] in ("missed", "lost")


def test_a_killed_trainer_is_started_again_and_its_round_closes(two: Group) -> None:
    two.hold("ana", 1)
    run = two.start()
    two.run("ana", "bo")
    two.until("ana to train", lambda: two.doing("ana").get("step"))
    (trainer,) = two.children("ana", "quick_trainer")
    os.kill(trainer, signal.SIGKILL)
    two.let_go()
    two.finished(run)
    counted(two, run)
    assert "it was killed" in two.log("ana")
