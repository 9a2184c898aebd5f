"""Taking back the consent for a Flower app."""

from __future__ import annotations

from pathlib import Path

import pytest

from node import allowing
from shared.errors import OwnerMustAct


def taken_back(home: Path, beginning: str) -> None:
    allowing.allow_app(home, None, [], beginning, yes=True, as_json=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two apps whose digests begin alike are allowed."""
    for digest in ("ab1", "ab2"):
        (tmp_path / "apps" / digest.ljust(64, "0")).mkdir(parents=True)
    return tmp_path


def test_a_beginning_that_names_two_apps_takes_back_neither(home: Path) -> None:
    with pytest.raises(OwnerMustAct, match=r"2 allowed apps begin with 'ab': ab10+\.\.\., ab20+\.{4} Write"):
        taken_back(home, "ab")
    assert len(list((home / "apps").iterdir())) == 2


def test_a_beginning_that_names_one_takes_back_that_one(home: Path) -> None:
    taken_back(home, "ab1")
    assert [path.name[:3] for path in (home / "apps").iterdir()] == ["ab2"]
    with pytest.raises(OwnerMustAct, match="No app whose digest begins with 'ab1'"):
        taken_back(home, "ab1")
