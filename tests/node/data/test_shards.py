"""Tars that any WebDataset reader takes, that go on after a crash, and that say when they are damaged."""

from __future__ import annotations

import gc
import json
import shutil
import tarfile
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.data.shards import Position, Shards, paths, read
from shared.errors import OwnerMustAct


def fill(out: Shards, first: int, last: int) -> None:
    for number in range(first, last):
        out.write(facts={"n": number}, text=f"text {number} é\n" * (number % 50), binary=bytes([number % 256]))


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths(folder, "train")}


def test_the_library_s_own_reader_takes_them(tmp_path: Path) -> None:
    import webdataset

    with Shards(tmp_path, "train", shard_bytes=20_000) as out:
        fill(out, 0, 60)
    decoders = [
        webdataset.handle_extension("json", json.loads),
        webdataset.handle_extension("txt", bytes.decode),
        webdataset.handle_extension("bin", bytes),
    ]
    names = [str(path) for path in paths(tmp_path, "train")]
    assert len(names) > 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves files open
        found = list(webdataset.WebDataset(names, shardshuffle=False).decode(*decoders, only=["json", "txt", "bin"]))
        gc.collect()
    ours = [{key: sample[key] for key in ("json", "txt", "bin")} for sample in found]
    assert ours == list(read(tmp_path, "train"))
    assert [sample["__key__"] for sample in found] == [f"{number:09}" for number in range(60)]


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 3000))
def test_after_a_crash_it_goes_on_from_what_was_committed(
    tmp_path_factory: pytest.TempPathFactory, kept: int, lost: int, torn: int
) -> None:
    home, whole = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    folder = home / "crashed"
    with Shards(home, "train", shard_bytes=10_000) as out:
        fill(out, 0, kept)
        position = Position(**json.loads(json.dumps(out.committed().words())))
        fill(out, kept, kept + lost)
        out.committed()
        shutil.copytree(home, folder)
    last = paths(folder, "train")[-1]
    last.write_bytes(last.read_bytes() + b"\1" * torn)

    with Shards(folder, "train", shard_bytes=10_000, resume=position) as again:
        assert again.samples == kept
        fill(again, kept, 60)
    with Shards(whole, "train", shard_bytes=10_000) as out:
        fill(out, 0, 60)
    assert everything(folder) == everything(whole)


def test_what_was_committed_and_is_gone_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(OwnerMustAct, match="is shorter than it was"),
        Shards(tmp_path, "train", resume=Position(0, 10, 1)),
    ):
        pass


def test_empty_texts_and_no_samples_are_fine(tmp_path: Path) -> None:
    with Shards(tmp_path, "train") as out, Shards(tmp_path, "held"):
        out.write(facts={}, text="")
    assert list(read(tmp_path, "train")) == [{"json": {}, "txt": ""}]
    assert list(read(tmp_path, "held")) == []
    with tarfile.open(tmp_path / "train-000000.tar") as tar:
        assert tar.getnames() == ["000000000.json", "000000000.txt"]


@pytest.mark.parametrize("damage", ["cut", "no end", "header", "text"])
def test_a_damaged_tar_is_named(tmp_path: Path, damage: str) -> None:
    with Shards(tmp_path, "train") as out:
        out.write(facts={}, text="café" * 10)
    path = tmp_path / "train-000000.tar"
    data = path.read_bytes()
    broken = {
        "cut": data[:1600],
        "no end": data[:-1024],
        "header": b"x" + data[1:],
        "text": data.replace("é".encode(), b"\xff\xff"),
    }
    path.write_bytes(broken[damage])
    with pytest.raises(OwnerMustAct, match=r"train-000000\.tar is damaged"):
        list(read(tmp_path, "train"))
