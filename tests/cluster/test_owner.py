"""The owner comes first: pause, resume, leave; and the host's last word, revoke."""

from __future__ import annotations

import time

import pytest

from tests.cluster.group import Group

pytestmark = pytest.mark.slow

AT_ONCE = 5.0  # seconds within which a pause, and a removal, must be felt


@pytest.fixture
def training(group: Group) -> Group:
    """Ana and bo, who will do one step of a round's four, and then no more until they are let go."""
    group.up()
    for name in ("ana", "bo"):
        group.join(name)
        group.hold(name, 1)
    return group


def begin(group: Group, **changes: object) -> str:
    """Start a run, and wait until ana and bo are in the middle of its first round."""
    group.run(*group.friends)
    group.until("everybody", lambda: all(group.node(name)["state"] == "ready" for name in group.friends))
    run = group.start(**changes)
    group.until("both to train", lambda: all(group.doing(name).get("step") == 1 for name in ("ana", "bo")))
    return run


def test_a_pause_gives_the_memory_back_and_what_was_done_counts(training: Group) -> None:
    run = begin(training)
    training.friends["ana"].potluck("pause")
    began = time.monotonic()
    training.until("the trainer to be gone", lambda: not training.children("ana", "quick_trainer"))
    gone = time.monotonic() - began
    print(f"measured: trainer gone {gone:.1f} s after `pause`")
    assert gone < AT_ONCE
    training.until("the partial update", lambda: training.member(run, "ana")["state"] == "uploaded")
    member = training.member(run, "ana")
    assert member["share"] == 0.25
    assert member["sentence"] == "25 % of this round sent"
    training.until("the host to hear of it", lambda: training.node("ana")["state"] == "paused")
    assert "by its owner since" in training.node("ana")["sentence"]
    training.let_go()
    training.until("round 1", lambda: training.phase(run) == "committed")
    first = training.rounds(run)[0]
    assert first["metrics"]["nodes"] == 2
    training.until("round 2 to wait", lambda: training.phase(run, 2) == "recruiting")
    training.friends["ana"].potluck("resume")
    training.finished(run)
    assert training.member(run, "ana", 2) | {"share": 1.0, "state": "counted"} == training.member(run, "ana", 2)


def test_a_pause_of_two_seconds_ends_by_itself(training: Group) -> None:
    run = begin(training)
    training.friends["ana"].potluck("pause", "2s")
    training.until("the pause", lambda: "paused" in training.log("ana"))
    training.let_go()
    training.finished(run)  # round 2 needs both
    assert training.doing("ana")["readiness"] == "ready"


def test_a_pause_while_the_host_is_away_counts_when_it_is_back(training: Group) -> None:
    run = begin(training)
    training.kill("host")
    training.friends["ana"].potluck("pause")
    training.until("the trainer to be gone", lambda: not training.children("ana", "quick_trainer"), AT_ONCE)
    (kept,) = training.until("the update to be shown", lambda: training.doing("ana")["updates"])
    assert kept["share"] == 0.25
    assert kept["verdict"] is None
    assert "1 finished update waits to be sent" in training.doing("ana")["sentence"]
    training.up()
    training.until("the partial update", lambda: training.member(run, "ana")["state"] == "uploaded")
    assert training.member(run, "ana")["share"] == kept["share"]
    training.let_go()
    training.until("round 1", lambda: training.phase(run) == "committed")
    training.until("the PC to hear of it", lambda: training.doing("ana")["updates"][0]["verdict"] == "accepted")
    training.friends["ana"].potluck("resume")
    training.finished(run)


def test_an_owner_who_pauses_before_the_first_step_is_not_waited_for(training: Group) -> None:
    training.join("cy")
    training.hold("cy", 0)
    training.run("ana", "bo", "cy")
    training.until("all three", lambda: all(training.node(name)["state"] == "ready" for name in ("ana", "bo", "cy")))
    run = training.start(rounds=1)
    training.until("cy to begin", lambda: "info train round=1" in training.log("cy"))
    training.friends["cy"].potluck("pause")
    training.until("the host to hear of it", lambda: training.member(run, "cy")["state"] == "paused")
    training.let_go()
    (only,) = training.finished(run)["history"]
    states = {member["name"]: (member["state"], member["sentence"]) for member in only["members"]}
    assert states["cy"][0] == "paused"
    assert "by its owner since" in states["cy"][1]


def test_who_leaves_is_said_to_have_left_and_forgets_the_key(training: Group) -> None:
    training.run("ana")
    training.until("ana", lambda: training.node("ana")["state"] == "ready")
    home = training.friends["ana"].home
    refused = training.say(home, "node", "leave")
    assert refused.code == 1
    assert "in use by another potluck process" in refused.err
    training.processes["ana"].terminate()
    training.processes["ana"].wait(20)
    done = training.say(home, "node", "leave")
    assert (done.code, done.err) == (0, "")
    training.until("the goodbye", lambda: training.node("ana")["state"] == "left")
    assert "said goodbye" in training.node("ana")["sentence"]
    assert not (home / "node" / "pki" / "node.key").exists()
    again = training.say(home, "node", "run")
    assert again.code == 1
    assert "join" in again.err


def test_who_is_revoked_in_a_round_is_out_at_once_and_does_not_count(training: Group) -> None:
    training.join("cy")
    run = begin(training, rounds=1)
    training.until("cy's update", lambda: training.member(run, "cy").get("state") == "uploaded")
    said = training.host.potluck("revoke", "cy")
    began = time.monotonic()
    assert "is out; 1 open connection cut" in said
    assert training.processes["cy"].wait(30) == 3
    cut = time.monotonic() - began
    print(f"measured: the revoked agent ended {cut:.1f} s after `revoke` had answered")
    assert cut < AT_ONCE
    assert "The host removed this PC (cy) from the group" in training.log("cy")
    assert not training.children("cy", "quick_trainer")
    training.let_go()
    (only,) = training.finished(run)["history"]
    assert {member["name"]: member["state"] for member in only["members"]} == {
        "ana": "counted", "bo": "counted", "cy": "revoked",
    }  # fmt: skip
    assert only["metrics"]["nodes"] == 2


def test_who_is_revoked_while_it_trains_ends_within_seconds_and_too_few_give_the_round_up(training: Group) -> None:
    run = begin(training, rounds=1)
    training.host.potluck("revoke", "bo")
    began = time.monotonic()
    assert training.processes["bo"].wait(30) == 3
    print(f"measured: the revoked agent ended {time.monotonic() - began:.1f} s after `revoke` had answered")
    assert time.monotonic() - began < AT_ONCE
    assert not training.children("bo", "quick_trainer")
    training.let_go()
    training.until("the round to be given up", lambda: training.phase(run) == "abandoned")
    first = training.rounds(run)[0]
    assert "given up" in first["sentence"]
    assert training.member(run, "bo")["state"] == "revoked"
    (update,) = training.until("ana's update", lambda: training.doing("ana").get("updates"))
    training.until("ana to hear", lambda: training.doing("ana")["updates"][0]["verdict"] == "abandoned")
    assert update["round"] == 1
