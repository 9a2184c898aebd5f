"""The named points at which a process of the group is killed; `survive` dies at one of them in a group of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack
from pathlib import Path

from coordinator.logic.members import Joined
from node.renewal import renew
from tests.faults.kills import dying, journal
from tests.faults.kills.checkpoints import dies_at_a_checkpoint
from tests.faults.kills.dying import Order
from tests.faults.kills.evening import FEDERATION, Evening

ROUND = [
    "accept upload", "save", "acknowledge", "configure", "merge", "write model", "rename", "journal", "publish delta",
    "snapshot", "garbage collection", "open round",
]  # fmt: skip
ENTRANCE = ["burn invite", "issue certificate"]
NODE = ["download", "train", "checkpoint", "upload"]
POINTS = [*ROUND, *ENTRANCE, *NODE]


def survive(folder: Path, point: str, repetition: int) -> dict[str, float]:
    """Kill at that point, in a group of its own in `folder`, and require that nothing is lost. Figures, in seconds.

    Any number of repetitions; after twelve they come again: before and after the first and the second call, this
    process or the one that started it.
    """
    if point == "checkpoint":
        with ExitStack() as stack:
            dies_at_a_checkpoint(folder, stack, [ordered(point, repetition)])
        return {}
    with ExitStack() as stack:
        evening = Evening(folder, stack)
        perform(evening, point, repetition)
        evening.settle()
        return {"restart_seconds": max(evening.restarts)} if evening.restarts else {}


def ordered(point: str, repetition: int) -> Order:
    """The first three: before the first call, after the first, before the second."""
    child = point in FEDERATION or point == "checkpoint"
    return Order(
        point,
        after=repetition % 2 == 1,
        nth=1 + repetition // 2 % 2,
        parent=child and repetition % 3 != 1,
    )


def perform(evening: Evening, point: str, repetition: int) -> None:
    """One death in an evening that goes on."""
    order = ordered(point, repetition)
    match point:
        case "burn invite" | "issue certificate":
            enter(evening, order)
        case "download" | "upload":
            agent_dies(evening, order)
        case "train":
            trainer_dies(evening, repetition)
        case _:
            evening.die(order)


def enter(evening: Evening, order: Order) -> None:
    """Friends join, and the host dies under the last of them; who tries again with the same invite is in, once."""
    group = evening.group
    names = [f"{order.point.split()[0]}-{len(evening.restarts)}-{number}" for number in range(order.nth)]
    words = {name: group.host.potluck("invite", name).strip() for name in names}

    def join(name: str) -> int:
        said = group.say(evening.home(name), "node", "join", "-", "--name", name, stdin=words[name])
        assert "Traceback" not in said.err, said.err
        return said.code

    def knock() -> None:
        assert [join(name) for name in names] == [0] * (order.nth - 1) + [1]

    evening.die(order, knock)
    assert join(names[-1]) == 0
    asyncio.run(renew(evening.home(names[-1]) / "node"))  # its papers serve
    happened = journal.read(group.host.home / "coordinator")
    joined = [fact for fact in happened if isinstance(fact, Joined) and fact.name in names]
    assert [fact.name for fact in joined] == names
    used = {invite["name"]: invite["state"] for invite in group.status()["invites"]}
    assert all(used[name] == "used" for name in names)


def agent_dies(evening: Evening, order: Order) -> None:
    """Ana's agent dies as ordered, and is started again."""
    group, home = evening.group, evening.home("ana")
    process = group.processes["ana"]
    dying.give(home, order)
    evening.let_go()
    assert process.wait(90) == -signal.SIGKILL, group.logs()
    assert dying.carried_out(home) == order
    group.run("ana")


def trainer_dies(evening: Evening, repetition: int) -> None:
    """In the middle of a round ana's agent dies, or her trainer, or both."""
    group, number = evening.group, len(evening.group.rounds(evening.run))
    group.hold("ana", 2)  # or at 3, if she was about to do it just now
    group.let_go("bo")
    seen = [(0, 0)]

    def middle() -> int:
        doing = group.doing("ana")
        seen.append((doing.get("round") or 0, doing.get("step") or 0))
        held = len(set(seen[-10:])) == 1  # for a second
        round_, step = seen[-1]
        return round_ if held and round_ >= number and step in (2, 3) else 0

    number = group.until("ana to be held in the middle", middle)
    (trainer,) = group.children("ana", "quick_trainer")
    process, who = group.processes["ana"], repetition % 3
    if who in (1, 2):
        os.kill(trainer, signal.SIGKILL)
    if who in (0, 2):
        group.kill("ana")
        assert process.returncode == -signal.SIGKILL
        group.run("ana")
    else:
        group.until("it to be noticed", lambda: "it was killed" in group.log("ana"))
    group.until("it to be gone", lambda: trainer not in group.children("ana", "quick_trainer"))
    evening.let_go()
    group.until(f"round {number} to be committed", lambda: group.phase(evening.run, number) == "committed")
