"""A disk that runs full: a clear line, nothing half-written, and on it goes when there is room."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from node.data.building.build import Wish, build
from node.data.building.choices import PLAIN
from node.data.building.removing import remove
from node.data.tokens import tokenise
from tests.node.data.building.command import KEY, Command, adding, digests, prose

pytestmark = pytest.mark.slow


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 0.8 MB."""
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=800k", "potluck-test", str(place)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_told_and_waited_out(small: Path, tmp_path: Path) -> None:
    folder = prose(tmp_path / "notes", files=100, paragraphs=20)
    words = [*adding(small, folder), "--cores", 1]
    told = Command(*words).result()
    assert told["fact"] == "failed"
    assert "The disk is full" in told["sentence"]
    assert re.search(rf"B free on the disk at {re.escape(str(small))}\)", told["sentence"])
    assert re.search(r" [kM]?B of [\d.]+ [kM]B are still to be read\.$", told["sentence"])
    assert not (small / "data" / "t").exists()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
    assert Command(*words).result()["fact"] == "done"
    build(Wish(tmp_path / "elsewhere", folder, "t", PLAIN), KEY)
    assert digests(small) == digests(tmp_path / "elsewhere")


def test_on_a_full_disk_a_collection_can_be_removed(small: Path, tmp_path: Path, tokenizer_json: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=8m", str(small)], check=True)
    for name, first in (("t", 0), ("other", 100)):
        build(Wish(small, prose(tmp_path / name, files=8, first=first), name, PLAIN), KEY)
        tokenise(small / "data" / name, tokenizer_json)
    with open(small / "filler", "wb", buffering=0) as filler, suppress(OSError):  # no space left
        while filler.write(bytes(512)):
            pass
    assert remove(small, "t")["bytes"] > 0
    assert not (small / "data" / "t").exists()
    assert (small / "data" / "other" / "meta.json").exists()
