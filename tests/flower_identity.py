"""Flower stamps messages from one identity a process; tests that share a process each get their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flwr.supercore.task_identity import TaskIdentity

FIELDS = ("_task_id", "_run_id", "_node_id")


@pytest.fixture(autouse=True)
def fresh_flower_identity() -> Iterator[None]:
    """Nobody's before the test, and nobody's after it."""
    for field in FIELDS:
        setattr(TaskIdentity, field, None)
    yield
    for field in FIELDS:
        setattr(TaskIdentity, field, None)


@pytest.fixture
def some_flower_identity(fresh_flower_identity: None) -> None:
    """As the trainer's: all ones."""
    for field in FIELDS:
        setattr(TaskIdentity, field, 1)
