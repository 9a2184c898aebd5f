"""Two friends with the same text and the real trainer: one dies at its checkpoints, and both send the same tensors."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from pathlib import Path

from tests.cluster.group import words
from tests.faults.kills import dying, journal
from tests.faults.kills.dying import Order
from tests.faults.kills.evening import DyingGroup

TRAINER = "tests.faults.kills.dying_trainer"
REAL = {"engine": "torch", "threads": 1, "ranks": 1}
PATIENCE = 240.0  # seconds: torch is loaded anew after each death


def dies_at_a_checkpoint(folder: Path, stack: ExitStack, orders: list[Order]) -> None:
    """One round for each death of ana's trainer (or of her agent). Training goes on from the last whole checkpoint."""
    group = DyingGroup(folder, stack)
    group.up()
    ana = group.join("ana", words(1), **REAL, trainer=TRAINER).home
    twin = group.join("twin", words(1), **REAL).home
    dying.give(ana, orders[0])
    group.run("ana", "twin")
    run = group.start(rounds=len(orders), steps=3, recipe="{lora: 4}")
    for number, order in enumerate(orders, start=1):
        process = group.processes["ana"]
        group.until(f"the death at {order}", lambda: dying.carried_out(ana), PATIENCE)
        assert dying.carried_out(ana) == order
        if order.parent:
            assert process.wait(20) == -signal.SIGKILL
            group.until("the orphan to end", lambda: not group.children("ana", TRAINER))
        else:
            group.until("it to be noticed", lambda: "it was killed" in group.log("ana"))
        if number < len(orders):
            dying.give(ana, orders[number])
        if order.parent:
            group.run("ana")
    group.finished(run, PATIENCE)
    sent = journal.digests_sent(ana / "node", run)
    assert {number: len(digests) for number, digests in sent.items()} == dict.fromkeys(range(1, len(orders) + 1), 1)
    work, other = (home / "node" / "runs" / run / "work" for home in (ana, twin))
    kept = sorted(path.relative_to(work) for path in work.rglob("*.safetensors"))  # the last update, and Adam's state
    assert len(kept) >= 3, kept
    for path in kept:
        assert tensors(work / path) == tensors(other / path), f"{path}: what was trained twice came out otherwise"
    for entry in group.rounds(run):
        assert entry["phase"] == "committed"
        assert {member["name"]: member["state"] for member in entry["members"]} == {"ana": "counted", "twin": "counted"}
        assert entry["metrics"]["tokens"] == sum(int(member["tokens"]) for member in entry["members"])


def tensors(path: Path) -> tuple[dict[str, object], bytes]:
    """What a safetensors file holds, without the words in its header on who made it."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header.pop("__metadata__", None)
    return header, data[end:]
