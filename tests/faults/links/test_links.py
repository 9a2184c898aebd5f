"""Every fault of `faults.py` once, each in a process of its own, a few side by side: most of their time is waiting."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.links.faults import FAULTS, REPOSITORY

pytestmark = pytest.mark.slow

SIDE_BY_SIDE = 4
PATIENCE = 420.0  # seconds for one fault, on a busy machine

Outcomes = dict[str, Future[tuple[int, str]]]


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """All that were asked for begin at once, in the order of the table."""
    asked = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    cache = tmp_path_factory.mktemp("cache")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        yield {
            name: threads.submit(play, name, tmp_path_factory.mktemp(name), cache) for name in FAULTS if name in asked
        }


@pytest.mark.parametrize("name", list(FAULTS))
def test_the_group_gets_over(name: str, outcomes: Outcomes) -> None:
    code, said = outcomes[name].result()
    print(said)
    assert code == 0, said


def play(name: str, folder: Path, cache: Path) -> tuple[int, str]:
    """One fault to its end: exit code and all it said."""
    surroundings = {**os.environ, "POTLUCK_CACHE": str(cache), "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "tests.faults.links.faults", name, "--folder", str(folder)],
        cwd=REPOSITORY, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            said, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.terminate()  # it ends what it started
            said, _ = process.communicate()
            return 1, f"{said}\n{name} took longer than {PATIENCE:.0f} s"
    return process.returncode, said
