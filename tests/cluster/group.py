"""A whole group as real processes on loopback, for tests: the coordinator, nodes, and their homes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from coordinator.calling import calling
from coordinator.cli import as_text
from deploy.demo.friends import Friend, Host, environment, free_ports, running
from shared.blobs import Blobs
from shared.errors import PotluckError
from shared.rpc.v1 import operator_pb2

T = TypeVar("T")
Process = subprocess.Popen[bytes]

RUN = """\
run: {name}
model: {model}
recipe: {recipe}
rounds: {rounds}
round_length: {steps} steps
tokens: {{sequence: 32, batch: 64}}
optimizer: {{lr: 1e-3}}
strategy: {strategy}
codec: {codec}
quorum: {quorum}
deadline: {deadline}
evaluate: {evaluate}
evaluate_tokens: 128
"""
QUICK = {"trainer": "tests.cluster.quick_trainer", "ranks": 1}  # settings of a PC that only pretends to train
REAL = {"engine": "deepspeed", "zero": 3, "threads": 1, "ranks": 1}
PATIENCE = 90.0  # seconds for any one thing, on a busy machine


@dataclass(frozen=True, slots=True)
class Said:
    """One command to its end."""

    code: int
    out: str
    err: str


class Group:
    """One coordinator, and friends as they are asked for. Everything ends with the test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.host = Host(folder / "host")
        self.friends: dict[str, Friend] = {}
        self.processes: dict[str, Process] = {}
        self.port = free_ports()
        self.host.potluck("init", "testing", "--bind", "127.0.0.1", "--port", str(self.port))

    # ---- people at their keyboards ----

    def up(self) -> Process:
        """Start the coordinator (again), and wait until it answers."""
        process = self._start("host", self.host.home, ["coordinator", "up", "--verbose"])
        until("the coordinator to answer", lambda: process.poll() is not None or self.status(quiet=True), self.logs)
        assert process.poll() is None, self.log("host")
        return process

    def join(self, name: str, text: str = "", **settings: Any) -> Friend:
        """Invite and join one friend; with `text`, give it something to train on."""
        friend = self.friends[name] = Friend(name, self.folder / name)
        friend.potluck("join", "-", "--name", name, stdin=self.host.potluck("invite", name).strip())
        friend.choose(**(settings or QUICK))
        if text:
            notes = self.folder / f"{name}-notes"
            notes.mkdir()
            (notes / "notes.txt").write_text(text, encoding="utf-8")
            friend.potluck("data", "add", str(notes), "--name", "notes", "--no-tell-host")
        else:
            pretend_data(friend.home / "node")
        return friend

    def run(self, *names: str) -> None:
        """`potluck node run` for these friends (again)."""
        for name in names:
            self._start(name, self.friends[name].home, ["node", "run"])

    def start(self, **changes: Any) -> str:
        """Start a run; its name."""
        defaults = {
            "name": "test", "model": "potluck-tiny", "recipe": "full", "rounds": 2, "steps": 2, "quorum": 2,
            "strategy": "{name: DiLoCo}", "codec": "bf16", "deadline": "5 min", "evaluate": "false",
        }  # fmt: skip
        file = self.folder / "run.yaml"
        file.write_text(RUN.format(**{**defaults, **changes}))
        return self.host.potluck("start", str(file)).split()[1]

    def say(self, home: Path, *arguments: str, stdin: str = "") -> Said:
        """One `potluck` command, whatever comes of it."""
        done = subprocess.run(
            [sys.executable, "-m", "shared.entry", *arguments], input=stdin, capture_output=True, text=True,
            env=environment(home), timeout=PATIENCE, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    def hold(self, name: str, step: int) -> None:
        """That friend's quick trainer does no step after this one (of 4) until it is let go."""
        beside = self.friends[name].home / "node" / ".hold"
        beside.write_text(str(step))
        beside.replace(beside.with_name("hold"))

    def let_go(self, *names: str) -> None:
        for name in names or self.friends:
            (self.friends[name].home / "node" / "hold").unlink(missing_ok=True)

    # ---- looking ----

    def status(self, *, quiet: bool = False) -> dict[str, Any]:
        """What `potluck coordinator status --json` prints, without starting a process for it."""
        try:
            return dict(json.loads(asyncio.run(_status(self.host.home / "coordinator"))))
        except (PotluckError, OSError):
            if quiet:
                return {}
            raise

    def entry(self, run: str) -> dict[str, Any]:
        """The run as `status --json` tells it."""
        return next(dict(entry) for entry in self.status()["runs"] if entry["run"] == run)

    def rounds(self, run: str) -> list[dict[str, Any]]:
        return list(self.entry(run)["history"])

    def member(self, run: str, name: str, number: int = 1) -> dict[str, Any]:
        """Where a friend stands in a round; empty before the round has members."""
        rounds = self.rounds(run)
        members = rounds[number - 1]["members"] if len(rounds) >= number else []
        return next((dict(member) for member in members if member["name"] == name), {})

    def phase(self, run: str, number: int = 1) -> str:
        rounds = self.rounds(run)
        return str(rounds[number - 1]["phase"]) if len(rounds) >= number else ""

    def node(self, name: str) -> dict[str, Any]:
        """The host's row about a friend's PC."""
        return next(dict(node) for node in self.status()["nodes"] if node["name"] == name)

    def doing(self, name: str) -> dict[str, Any]:
        """A friend's own status.json."""
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads((self.friends[name].home / "node" / "status.json").read_text()))
        return {}

    def log(self, name: str) -> str:
        """What that process printed; for a friend's PC with what its log file keeps."""
        home = self.host.home if name == "host" else self.friends[name].home
        paths = [home / "coordinator.log"] if name == "host" else [home / "node.log", home / "node/log/agent.log"]
        return "".join(path.read_text() for path in paths if path.exists())

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{self.log(name)[-3000:]}" for name in ("host", *self.friends))

    def until(self, what: str, check: Callable[[], T | None], patience: float = PATIENCE) -> T:
        return until(what, check, self.logs, patience)

    def finished(self, run: str, patience: float = PATIENCE) -> dict[str, Any]:
        """Wait until the run has ended; it must have finished."""
        entry = self.until(f"{run} to end", lambda: _ended(self.entry(run)), patience)
        assert entry["state"] == "finished", f"{entry}\n{self.logs()}"
        return entry

    def blobs(self, name: str) -> Blobs:
        home = self.host.home / "coordinator" if name == "host" else self.friends[name].home / "node"
        return Blobs(home / "blobs")

    def children(self, name: str, module: str) -> list[int]:
        """Process ids of a home's children that are alive: `node.train`, `coordinator.federation`, ..."""
        home = self.host.home if name == "host" else self.friends[name].home
        return [pid for pid, line in _commands() if module in line and f"{home}/" in line]

    # ---- accidents ----

    def kill(self, name: str) -> None:
        """kill -9, and wait for the corpse."""
        process = self.processes[name]
        process.send_signal(signal.SIGKILL)
        process.wait(20)

    def freeze(self, name: str) -> None:
        """It stops in its tracks (SIGSTOP), and nobody knows."""
        self.processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGCONT)

    def _start(self, name: str, home: Path, arguments: list[str]) -> Process:
        process = self.processes[name] = self._stack.enter_context(running(home, arguments))
        self._stack.callback(process.send_signal, signal.SIGCONT)  # a frozen one could not be asked to stop
        return process


@contextmanager
def group(folder: Path) -> Iterator[Group]:
    with ExitStack() as stack:
        yield Group(folder, stack)


def until(
    what: str, check: Callable[[], T | None], why: Callable[[], str] = lambda: "", patience: float = PATIENCE
) -> T:
    """Look ten times a second until `check()` gives something; complain with `why()` after `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        if found := check():
            return found
        assert time.monotonic() < end, f"waited {patience:.0f} s for {what}\n{why()}"
        time.sleep(0.1)


def pretend_data(home: Path) -> None:
    """A collection's description: enough for an agent whose trainer does not read."""
    folder = home / "data" / "notes"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"name": "notes", "documents": 3, "bytes": 99, "tokens": 20}))


def words(seed: int, paragraphs: int = 60) -> str:
    """Text of our own making, a different one for each seed; a blank line between paragraphs."""
    nouns = ["soup", "ladle", "carrot", "kettle", "bread", "pepper", "basil", "onion", "spoon", "table"]
    verbs = ["warms", "holds", "spills", "carries", "remembers", "needs", "follows", "fills"]
    lines = []
    for number in range(paragraphs):
        pick = (number * 7919 + seed * 104729) % 9973
        lines.append(
            f"Note {seed}-{number}: the {nouns[pick % 10]} {verbs[pick % 8]} the {nouns[(pick // 10) % 10]}, "
            f"and the {nouns[(pick // 100) % 10]} {verbs[(pick // 7) % 8]} everybody at table {pick}."
        )
    return "\n\n".join(lines)


async def _status(home: Path) -> str:
    async with calling(home, "asking for the status") as host:
        return as_text(await host.Status(operator_pb2.StatusRequest(), timeout=10))


def _commands() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                yield int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _ended(entry: dict[str, Any]) -> dict[str, Any] | None:
    return entry if entry["state"] in ("finished", "stopped", "failed") else None
