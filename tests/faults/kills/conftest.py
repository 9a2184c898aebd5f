"""Real processes must find this repository and one cache of made models, wherever the tests are started from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module", autouse=True)
def _surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        patch.setenv("POTLUCK_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        patch.delenv("POTLUCK_HOME", raising=False)
        yield
