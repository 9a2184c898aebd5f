"""Real processes for the demo: one coordinator, some nodes, each with a home folder of its own."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 600.0  # seconds for any one thing


class DemoFailed(Exception):
    """Something did not happen; the sentence says what and where to look."""


@dataclass(frozen=True, slots=True)
class Friend:
    name: str
    home: Path  # this friend's POTLUCK_HOME

    def potluck(self, *arguments: str, stdin: str = "") -> str:
        """One command of this friend's, to its end; its standard output."""
        return command(self.home, ["node", *arguments], stdin)

    def choose(self, **settings: Any) -> None:
        """How this PC trains: what `settings.json` in its home says."""
        (self.home / "node" / "settings.json").write_text(json.dumps(settings))

    def ask(self, *arguments: str) -> Any:
        return json.loads(self.potluck(*arguments, "--json").splitlines()[-1])


@dataclass(frozen=True, slots=True)
class Host:
    home: Path

    def potluck(self, *arguments: str) -> str:
        return command(self.home, ["coordinator", *arguments], "")

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.potluck("status", "--json"))
        return found


def environment(home: Path) -> dict[str, str]:
    """One compute thread a process: three trainers with two threads each on two cores are six times slower."""
    return {
        **os.environ,
        "POTLUCK_HOME": str(home),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "100",
    }


def command(home: Path, arguments: Sequence[str], stdin: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        input=stdin, capture_output=True, text=True, env=environment(home), timeout=PATIENCE, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise DemoFailed(f"`potluck {' '.join(arguments)}` in {home} said: {said or done.returncode}")
    return done.stdout


@contextmanager
def running(home: Path, arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A long-lived `potluck` process; asked to stop at the end, and ended if it does not."""
    log = home / f"{arguments[0]}.log"
    home.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment(home), start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(
    what: str, check: Any, processes: Sequence[subprocess.Popen[bytes]] = (), patience: float = PATIENCE
) -> Any:
    """Poll until `check()` is truthy. A process that ends meanwhile, or too long a wait, fails in words."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        for process in processes:
            if process.poll() is not None:
                raise DemoFailed(f"A process ended (code {process.returncode}) while waiting for {what}.")
        if found := check():
            return found
        time.sleep(0.5)
    raise DemoFailed(f"Waited {patience:.0f} s for {what}.")


def free_ports() -> int:
    """A port whose successor is free too (both on loopback), below those that a system gives to outgoing lines: a host
    that is started again must find its port free."""
    for _ in range(200):
        port = random.randrange(20_000, 32_000, 2)  # noqa: S311  not a secret
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise DemoFailed("No two free ports next to each other on 127.0.0.1.")
