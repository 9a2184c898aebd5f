"""Tables as they look in a window of 80 columns."""

from __future__ import annotations

import io

from rich.console import Console

from coordinator.pictures import picture
from shared.rpc.v1 import operator_pb2 as pb

NOW = 1764018240000


def shown(reply: pb.StatusReply, *parts: str) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    console.print(picture(reply, list(parts)))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def member(name: str, state: str, sentence: str = "", **more: object) -> pb.MemberStatus:
    return pb.MemberStatus(name=name, state=state, sentence=sentence, **more)  # type: ignore[arg-type]


def a_run(name: str, state: str, *rounds: pb.RoundStatus, sentence: str = "") -> pb.RunStatus:
    return pb.RunStatus(run=name, state=state, sentence=sentence, rounds=20, history=rounds)


TRAINED = pb.RoundStatus(
    number=1, phase="committed", sentence="2 updates merged",
    metrics={"train_loss": 2.345, "held_out_loss": 2.5, "perplexity": 10.433},
    members=[
        member("ana", "counted", share=1.0, tokens=1_234_567, metrics={"train_loss": 2.3, "held_out_loss": 2.45}),
        member("bo", "counted", "37 % of this round sent", share=0.37, tokens=234_567, metrics={"train_loss": 2.4}),
    ],
)  # fmt: skip
WAITING = pb.RoundStatus(number=2, phase="recruiting", sentence="waiting for 1 PC; 0 could start now")


def test_a_round_shows_the_loss_of_each_and_of_all() -> None:
    lines = shown(pb.StatusReply(runs=[a_run("notes-a1b2c3", "running", TRAINED, WAITING)]), "rounds")
    assert lines[2:] == [
        "notes-a1b2c3  running",
        "                                    train  held-out",
        "round  state       done     tokens   loss      loss  why",
        "1      committed                    2.345     2.500  2 updates merged,",
        "                                                     perplexity 10.433",
        "  ana  counted     100%  1,234,567  2.300     2.450",
        "  bo   counted      37%    234,567  2.400            37 % of this round sent",
        "2      recruiting                                    waiting for 1 PC; 0 could",
        "                                                     start now",
        "",
        "done: the part of its round's training that a PC did",
        "train loss: on the text a PC learnt from; held-out loss: the new model's, on",
        "text it never learnt from",
    ]


def test_a_run_that_nobody_trains_in_has_no_empty_columns() -> None:
    lines = shown(pb.StatusReply(runs=[a_run("notes-a1b2c3", "running", WAITING)]), "rounds")
    assert lines[3] == "round  state       why"


def test_what_goes_on_comes_first_and_old_runs_are_a_line_each() -> None:
    runs = [
        a_run("old-1", "failed", TRAINED, sentence="The disk is full."),
        a_run("done-2", "finished", TRAINED),
        a_run("now-3", "running", TRAINED),
    ]
    lines = shown(pb.StatusReply(runs=runs), "rounds")
    heads = [line for line in lines if line.startswith(("old", "done-", "now"))]
    assert heads == ["now-3  running", "done-2  finished", "old-1  failed  The disk is full."]
    assert sum("ana" in line for line in lines) == 1
    ended = shown(pb.StatusReply(runs=runs[:2]), "rounds")
    assert sum("ana" in line for line in ended) == 1


def test_a_pc_keeps_its_state_and_when_it_was_heard_on_one_line() -> None:
    node = pb.NodeStatus(
        node="abcdef1234567890", name="a-name-that-goes-on-and-on-and-on", state="paused",
        sentence="by its owner since 20:07, until Wed 08:00", hardware="RTX 4070 12 GB, 32 GB RAM, 41.2 GB free",
        data=[pb.DataCountStatus(name="notes", documents=1, tokens=3_456_789)], last_seen_ms=NOW,
    )  # fmt: skip
    lines = shown(pb.StatusReply(nodes=[node], clock_ms=NOW), "nodes")
    assert "a-name-that" in lines[2]
    assert "paused" in lines[2]
    assert ":" in lines[2]
    assert "notes: 1 document, 3,456,789" in "\n".join(lines)
    assert max(map(len, lines)) <= 80
