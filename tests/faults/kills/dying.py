"""The ordinary programs, which end themselves with SIGKILL where a test says: nothing in the product knows of it.

    python -m tests.faults.kills.dying coordinator up       is  python -m coordinator up
    python -m tests.faults.kills.dying node run             is  python -m node run
    python -m tests.faults.kills.dying coordinator.federation ...   what the first one starts instead of its child

Each named point is a function that is wrapped before the program begins. `$POTLUCK_HOME/die-at.json` holds the order;
it is looked for at every call of such a function, so a process that has run for long can be told, and its calls are
counted from then on. An order is carried out once: it becomes `died.json` in the instant before the signal.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from inspect import isasyncgenfunction, iscoroutinefunction
from pathlib import Path
from typing import Any

from shared.disk import write

DYING = "tests.faults.kills.dying"
Concerns = Callable[..., bool]  # whether a call with these arguments is one of the point's


@dataclass(frozen=True, slots=True)
class Order:
    """Die at a point."""

    point: str
    after: bool = False  # the wrapped call, or before it
    nth: int = 1  # such call
    parent: bool = False  # not this process dies but the one that started it


def give(home: Path, order: Order) -> None:
    """To whatever runs in this home."""
    (home / "died.json").unlink(missing_ok=True)
    write(home / "die-at.json", json.dumps({**asdict(order), "token": time.time_ns()}).encode())


def carried_out(home: Path) -> Order | None:
    """The order that a process of this home has died of."""
    try:
        words = json.loads((home / "died.json").read_text())
    except FileNotFoundError:
        return None
    return Order(words["point"], words["after"], words["nth"], words["parent"])


class Fate:
    """Looks for the order at every wrapped call, and counts."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._text, self._count = "", 0
        self._turn = threading.Lock()

    def due(self, point: str, *, after: bool) -> bool:
        """Whether this call is the one."""
        try:
            text = (self._home / "die-at.json").read_text()
        except FileNotFoundError:
            return False
        words = json.loads(text)
        if (words["point"], words["after"]) != (point, after):
            return False
        with self._turn:
            self._text, self._count = text, (self._count + 1 if text == self._text else 1)
            return bool(self._count == words["nth"])

    def die(self) -> None:
        path = self._home / "die-at.json"
        parent = json.loads(path.read_text())["parent"]
        path.replace(path.with_name("died.json"))
        os.kill(os.getppid() if parent else os.getpid(), signal.SIGKILL)

    def meet(self, point: str, *, after: bool) -> None:
        if self.due(point, after=after):
            self.die()


def wrap(fate: Fate, owner: Any, name: str, point: str, concerns: Concerns = lambda *_, **__: True) -> None:
    """Every call of `owner.name` is the point's, before and after, if it concerns it."""
    plain = getattr(owner, name)
    wrapped: Any
    if isasyncgenfunction(plain):

        @functools.wraps(plain)
        async def wrapped(*arguments: Any, **named: Any) -> Any:
            mine = concerns(*arguments, **named)
            if mine:
                fate.meet(point, after=False)
            async with aclosing(plain(*arguments, **named)) as things:
                async for thing in things:
                    yield thing
            if mine:
                fate.meet(point, after=True)

    elif iscoroutinefunction(plain):

        @functools.wraps(plain)
        async def wrapped(*arguments: Any, **named: Any) -> Any:
            mine = concerns(*arguments, **named)
            if mine:
                fate.meet(point, after=False)
            answer = await plain(*arguments, **named)
            if mine:
                fate.meet(point, after=True)
            return answer

    else:

        @functools.wraps(plain)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            mine = concerns(*arguments, **named)
            if mine:
                fate.meet(point, after=False)
            answer = plain(*arguments, **named)
            if mine:
                fate.meet(point, after=True)
            return answer

    setattr(owner, name, wrapped)


def doom_coordinator(fate: Fate) -> None:
    from coordinator.doors.node import NodeDoor
    from coordinator.doors.transfers import Transfers
    from coordinator.logic import runs
    from coordinator.store.sqlite import SqliteStore
    from shared.authority import CertificateAuthority
    from shared.blobs import Blobs
    from shared.children import Child

    def rows(kind: str) -> Concerns:
        return lambda _, rows: any(row.kind == kind for row in rows)

    def delta(transfers: Any, _: str, digest: str, __: int) -> bool:
        return digest in {run.delta for run in transfers._ledger.state.runs.values()}

    wrap(fate, Transfers, "_receive", "accept upload")
    wrap(fate, SqliteStore, "append", "save", rows("Uploaded"))
    _doom_the_answer(fate, NodeDoor, "Upload", "acknowledge")
    wrap(fate, SqliteStore, "append", "journal", rows("Merged"))
    wrap(fate, Transfers, "download", "publish delta", delta)
    wrap(fate, SqliteStore, "append", "burn invite", rows("Joined"))
    wrap(fate, CertificateAuthority, "issue_node", "issue certificate")
    wrap(fate, SqliteStore, "keep_snapshot", "snapshot")
    wrap(fate, Blobs, "drop", "garbage collection")
    wrap(fate, runs, "_open", "open round")

    child: Any = Child
    start = child.start

    async def start_dying(module: str, arguments: Any, *rest: Any, **named: Any) -> Any:
        return await start(DYING, [module, *arguments], *rest, **named)

    child.start = staticmethod(start_dying)


def _doom_the_answer(fate: Fate, owner: Any, name: str, point: str) -> None:
    """A gRPC handler's answer: before gRPC has it; or after it has left, when the call is done."""
    plain = getattr(owner, name)

    @functools.wraps(plain)
    async def wrapped(self: Any, request: Any, context: Any) -> Any:
        answer = await plain(self, request, context)
        fate.meet(point, after=False)
        if fate.due(point, after=True):
            context.add_done_callback(lambda _: fate.die())
        return answer

    setattr(owner, name, wrapped)


def doom_federation(fate: Fate) -> None:
    from coordinator.federation import diloco
    from coordinator.federation.service import Service
    from shared.blobs import Blobs

    wrap(fate, Service, "_configure", "configure")
    wrap(fate, Service, "_merge", "merge")
    wrap(fate, diloco, "add_delta", "write model")
    wrap(fate, Blobs, "adopt", "rename")


def doom_node(fate: Fate) -> None:
    from node.blobs_link import BlobsLink
    from node.logic import backoff
    from shared.blobs import Incoming

    backoff.STEADY_SECONDS = 0.0  # so a friend knocks as if hours, and not moments, had passed since the last death
    wrap(fate, Incoming, "write", "download")
    wrap(fate, BlobsLink, "_send", "upload")


def main() -> int:
    program, *arguments = sys.argv[1:]
    sys.argv = [program, *arguments]
    fate = Fate(Path(os.environ["POTLUCK_HOME"]))
    match program:
        case "coordinator":
            doom_coordinator(fate)
            from coordinator.cli import main as coordinator

            return coordinator()
        case "coordinator.federation":
            doom_federation(fate)
            from coordinator.federation.__main__ import main as federation

            return federation()
        case "node":
            doom_node(fate)
            from node.cli import main as node

            return node()
    raise AssertionError(program)


if __name__ == "__main__":
    sys.exit(main())
