"""`potluck node run` on a terminal, in a pipe, and for programs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.node.test_agent import REPOSITORY, Stage, on_stage


async def shown(stage: Stage, *options: str, terminal: bool = False) -> str:
    """All that one round of `node run` writes on standard error."""
    stage.host.tell(stage.duty())
    ours, theirs = os.openpty() if terminal else os.pipe()
    home = stage.home.parent
    environment = {**os.environ, "POTLUCK_HOME": str(home), "POTLUCK_CACHE": str(home / "cache"), "COLUMNS": "80",
                   "TERM": "xterm"}  # fmt: skip
    agent = subprocess.Popen(
        [sys.executable, "-m", "node", "run", *options], env=environment, cwd=REPOSITORY, stdin=subprocess.DEVNULL,
        stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    stage._agents.append(agent)
    reading = asyncio.ensure_future(asyncio.to_thread(all_of, ours))
    await stage.until(lambda: stage.host.updates)
    agent.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(agent.wait, 10) == 0
    return await reading


def all_of(descriptor: int) -> str:
    """Until the other end closes (a terminal's then fails)."""
    found = b""
    while True:
        try:
            more = os.read(descriptor, 65536)
        except OSError:
            more = b""
        if not more:
            os.close(descriptor)
            return found.decode(errors="replace")
        found += more


SENTENCE = re.compile(r"^\d\d:\d\d [a-z].+$")


def test_a_pipe_gets_sentences_and_the_file_keeps_everything(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        lines = (await shown(stage)).splitlines()
        assert [line for line in lines if not SENTENCE.match(line)] == []
        assert any(line.endswith("round 1 of saturday-notes-k3f9qa: training begins") for line in lines)
        assert any(" round 1 of saturday-notes-k3f9qa: training, loss 2.00, 9 tokens/s" in line for line in lines)
        assert "info train round=1" in (stage.home / "log" / "agent.log").read_text()
        assert "info train" not in "\n".join(lines)
        assert (stage.home / "log" / "agent.log").stat().st_mode & 0o077 == 0

    on_stage(tmp_path, act)


def test_verbose_shows_the_logs_own_lines_too(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        text = await shown(stage, "-v")
        assert "info train round=1" in text
        assert "round 1 of saturday-notes-k3f9qa: training begins" in text

    on_stage(tmp_path, act)


def test_programs_get_nothing_but_json(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        lines = [json.loads(line) for line in (await shown(stage, "--json")).splitlines()]
        assert {"connected", "train", "trained"} <= {line["fact"] for line in lines}

    on_stage(tmp_path, act)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_a_terminal_has_a_line_for_the_step_under_way(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        (stage.work / "slow").write_text("0.6")
        text = await shown(stage, terminal=True)
        assert re.search(r"░ round 1 of saturday-notes-k3f9qa: [257][05]%, loss 2.00, 9 tokens/s", text)
        assert re.search(r"\d\d:\d\d round 1 of saturday-notes-k3f9qa: training begins", text)

    on_stage(tmp_path, act)
