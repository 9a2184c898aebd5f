"""WebDataset tars, written and read without ever meeting a pickle.

A sample is the members `KEY.txt` (UTF-8), `KEY.json`, `KEY.bin` of one key. The library's own decoders are not used, as
they unpickle what is called .pkl or .pyd; nor its way of opening files, as it takes names that start with `pipe:` for
commands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from webdataset.tariterators import group_by_keys, tar_file_expander
from webdataset.writer import TarWriter

from shared.errors import OwnerMustAct

ADD_AGAIN = "Add the folder again: potluck node data add"
SHARD = 256 << 20  # bytes of samples, after which the next tar begins
Sample = dict[str, Any]

_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "txt": lambda data: data.decode(),
    "json": json.loads,
    "bin": bytes,
}


class Shards:
    """Writes `stem`-000000.tar, `stem`-000001.tar, ... into a folder. A context manager; no samples, one empty tar."""

    def __init__(self, folder: Path, stem: str, shard_bytes: int = SHARD) -> None:
        self._folder, self._stem, self._limit = folder, stem, shard_bytes
        self._file: BinaryIO | None = None
        self._tar: Any = None
        self._shards = self._in_shard = 0
        self.samples = 0

    def __enter__(self) -> Shards:
        self._next()
        return self

    def write(self, *, facts: dict[str, Any], text: str | None = None, binary: bytes | None = None) -> None:
        """Append one sample: `facts` as .json beside .txt or .bin."""
        if self._in_shard >= self._limit:
            self._next()
        sample: Sample = {"__key__": f"{self.samples:09}", "json": json.dumps(facts, sort_keys=True).encode()}
        if text is not None:
            sample["txt"] = text.encode()
        if binary is not None:
            sample["bin"] = binary
        self._in_shard += self._tar.write(sample)
        self.samples += 1

    def __exit__(self, *_: object) -> None:
        self._close()

    def _next(self) -> None:
        self._close()
        self._file = open(self._folder / f"{self._stem}-{self._shards:06}.tar", "wb")  # noqa: SIM115  closed in _close
        self._tar = TarWriter(self._file, user="potluck", group="potluck", mode=0o600, encoder=False, mtime=0)
        self._shards, self._in_shard = self._shards + 1, 0

    def _close(self) -> None:
        if self._file is not None:
            self._tar.close()
            self._file.close()
            self._file = None


def paths(folder: Path, stem: str) -> list[Path]:
    """The tars of that stem, in order. Raises OwnerMustAct when there are none."""
    found = sorted(folder.glob(f"{stem}-[0-9][0-9][0-9][0-9][0-9][0-9].tar"))
    if not found:
        raise OwnerMustAct(f"{folder} has no {stem}-000000.tar, so it is not a text collection. {ADD_AGAIN}")
    return found


def read(folder: Path, stem: str) -> Iterator[Sample]:
    """Every sample in order, decoded by extension: txt to str, json to object, bin to bytes; others are refused."""
    for path in paths(folder, stem):
        with open(path, "rb") as file:
            members = tar_file_expander([{"url": path.name, "stream": file}])
            for sample in group_by_keys(members):
                yield {name: _decoded(path, name, value) for name, value in sample.items() if not name.startswith("__")}


def _decoded(path: Path, extension: str, value: bytes) -> Any:
    if extension not in _DECODERS:
        raise OwnerMustAct(f"{path} holds a .{extension} file, which we never write. {ADD_AGAIN}")
    return _DECODERS[extension](value)
