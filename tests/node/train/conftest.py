"""Trainers start from a process that has imported torch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.node.train import processes
from tests.node.train.forked import Forked


@pytest.fixture(scope="session", autouse=True)
def _forked() -> Iterator[None]:
    processes.plain_start = Forked
    yield
    processes.plain_start = processes.executed
