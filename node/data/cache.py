"""Columns of numbers as flat files: written in a stream, committed now and then, mapped into memory.

    FOLDER/train.ids  FOLDER/train.documents ...    the columns
    FOLDER/journal.json                             while they are written: how long each is, and what the writer noted

After a crash the columns are cut back to what was committed, and the writer goes on from its note.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from shared.disk import disk_trouble, private_folder, write

Words = dict[str, Any]
JOURNAL = "journal.json"


class Columns:
    """The columns of one folder, being written. A context manager."""

    def __init__(self, folder: Path, kinds: Mapping[str, str]) -> None:
        """`kinds`: numpy's name of the numbers of each column, such as "<u2"."""
        self._folder, self._kinds = private_folder(folder), kinds
        self._journal: Words = _read(folder / JOURNAL)
        self._files: dict[str, BinaryIO] = {}

    @property
    def note(self) -> Words:
        """What the writer noted when it last committed; empty at the beginning."""
        return dict(self._journal.get("note", {}))

    def __enter__(self) -> Columns:
        sizes = self._journal.get("sizes", {})
        for name, kind in self._kinds.items():
            path = self._folder / name
            path.touch(mode=0o600)
            if path.stat().st_size < sizes.get(name, 0):  # the journal tells of more than is here: begin anew
                sizes, self._journal = {}, {}
            assert np.dtype(kind).itemsize
        for name in self._kinds:
            file = self._files[name] = open(self._folder / name, "r+b")
            file.truncate(sizes.get(name, 0))
            file.seek(0, os.SEEK_END)
        return self

    def append(self, name: str, numbers: NDArray[Any]) -> None:
        """At the end of a column. Raises OwnerMustAct when the disk is full."""
        try:
            self._files[name].write(np.ascontiguousarray(numbers, self._kinds[name]).data)
        except OSError as error:
            raise disk_trouble(error, self._folder / name) from error

    def commit(self, note: Words) -> None:
        """From here it goes on after a crash."""
        try:
            for file in self._files.values():
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise disk_trouble(error, self._folder) from error
        self._journal = {"note": note, "sizes": {name: file.tell() for name, file in self._files.items()}}
        write(self._folder / JOURNAL, json.dumps(self._journal).encode())

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()


def mapped(path: Path, kind: str) -> NDArray[Any]:
    """A column, in place: nothing is read before it is looked at."""
    if not path.stat().st_size:
        return np.empty(0, kind)
    return np.memmap(path, kind, "r")


def _read(path: Path) -> Words:
    try:
        words: Words = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return words
