"""A whole group as real processes on loopback, for tests: the coordinator, nodes, and their homes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from deploy.demo.friends import Friend, Host, free_ports, running, wait_for

RUN = """\
run: {name}
model: potluck-tiny
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
Process = subprocess.Popen[bytes]


class Group:
    """One coordinator, and friends as they are asked for. Everything ends with the test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.host = Host(folder / "host")
        self.friends: dict[str, Friend] = {}
        self.processes: dict[str, Process] = {}
        self.port = free_ports()
        self.host.potluck("init", "testing", "--bind", "127.0.0.1", "--port", str(self.port))

    def up(self) -> Process:
        """Start the coordinator (again)."""
        process = self._stack.enter_context(running(self.host.home, ["coordinator", "up", "--verbose"]))
        self.processes["host"] = process
        wait_for("the coordinator", lambda: _quiet(self.host.status), [process], 60)
        return process

    def join(self, name: str, text: str = "", **settings: Any) -> Friend:
        """Invite and join one friend; with `text`, give it something to train on."""
        friend = self.friends[name] = Friend(name, self._folder / name)
        friend.potluck("join", "-", "--name", name, stdin=self.host.potluck("invite", name).strip())
        if settings:
            friend.choose(**settings)
        if text:
            notes = self._folder / f"{name}-notes"
            notes.mkdir()
            (notes / "notes.txt").write_text(text)
            friend.potluck("data", "add", str(notes), "--name", "notes", "--no-tell-host")
        return friend

    def run(self, name: str) -> Process:
        """`potluck node run` for that friend (again)."""
        process = self._stack.enter_context(running(self.friends[name].home, ["node", "run"]))
        self.processes[name] = process
        return process

    def start(self, **changes: Any) -> str:
        """Start a run; its name."""
        defaults = {
            "name": "test", "recipe": "full", "rounds": 2, "steps": 2, "strategy": "{name: DiLoCo}", "codec": "bf16",
            "quorum": 2, "deadline": "5 min", "evaluate": "false",
        }  # fmt: skip
        file = self._folder / "run.yaml"
        file.write_text(RUN.format(**{**defaults, **changes}))
        return self.host.potluck("start", str(file)).split()[1]

    def entry(self, run: str) -> dict[str, Any]:
        """The run as `status --json` tells it."""
        found: dict[str, Any] = next(entry for entry in self.host.status()["runs"] if entry["run"] == run)
        return found

    def rounds(self, run: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.entry(run)["history"]
        return found

    def finished(self, run: str, patience: float = 240) -> dict[str, Any]:
        """Wait until the run has ended; it must have finished."""
        ended = wait_for(f"{run} to end", lambda: _ended(self.entry(run)), patience=patience)
        assert ended["state"] == "finished", ended
        found: dict[str, Any] = ended
        return found

    def kill(self, name: str) -> None:
        """kill -9, and wait for the corpse."""
        process = self.processes[name]
        process.send_signal(signal.SIGKILL)
        process.wait(20)


@contextmanager
def group(folder: Path) -> Iterator[Group]:
    with ExitStack() as stack:
        yield Group(folder, stack)


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


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _ended(entry: dict[str, Any]) -> dict[str, Any] | None:
    return entry if entry["state"] in ("finished", "stopped", "failed") else None


def _quiet(ask: Any) -> Any:
    from deploy.demo.friends import DemoFailed

    try:
        return ask()
    except DemoFailed:
        return None
