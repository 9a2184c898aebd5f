"""Bytes, disks and clocks that go wrong: it is told in words, nothing is half done, and what was good is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.matter.faults import FAULTS

pytestmark = pytest.mark.slow

SEED = 1


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_matter_breaks_no_promise(name: str, tmp_path: Path) -> None:
    FAULTS[name](tmp_path, SEED)
