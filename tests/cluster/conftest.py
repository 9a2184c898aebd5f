"""Real processes must find this repository and one cache of made models, wherever the tests are started from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.group import Group

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("POTLUCK_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("POTLUCK_HOME", raising=False)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    """A coordinator's home and port; nothing runs yet. Everything started ends with the test."""
    with ExitStack() as stack:
        yield Group(tmp_path, stack)
