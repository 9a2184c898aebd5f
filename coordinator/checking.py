"""What a run file alone cannot tell: whether its model is there, and whether its strategy takes these parameters.

Both need numpy and Flower, which no command of ours loads: so a child process looks, `coordinator.federation.checking`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from coordinator.runfile import Further, Spec
from shared.errors import OwnerMustAct

PATIENCE = 120.0  # seconds: a cold disk


def further(folder: Path) -> Further:
    """For `runfile.require`. Relative model paths start at `folder`."""

    def look(spec: Spec) -> list[tuple[list[str], str]]:
        done = subprocess.run(
            [sys.executable, "-m", "coordinator.federation.checking", str(folder)],
            input=json.dumps(spec), capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        said = done.stdout.splitlines()
        if done.returncode != 0 or not said:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise OwnerMustAct(f"The model and the strategy could not be checked ({last}): is Potluck installed whole?")
        return [(place(str(part), str(words), spec), str(words)) for part, words in json.loads(said[-1])]

    return look


def place(part: str, sentence: str, spec: Spec) -> list[str]:
    """Where in the file: the strategy's parameter that the sentence names first, if it names one."""
    named = [name for name in re.findall(r"`([^` ]+)`", sentence) if name in spec["strategy"]["parameters"]]
    return [part, *named[:1]] if part == "strategy" else part.split(".")
