"""What a worker made of one unit, on disk until it is merged: JSON lines, the last being their digest.

Not flushed to the disk: after a power cut a file that is not whole is seen by its digest, and its unit is done again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import xxhash

Words = dict[str, Any]


def folder_of(folder: Path, label: str) -> Path:
    """Each plan has its own: a worker that outlives a killed parent must not write into the next one's."""
    return folder / f"units-{label}"


def path_of(folder: Path, label: str, number: int) -> Path:
    return folder_of(folder, label) / f"{number:08}"


def write(path: Path, lines: Iterable[Words]) -> None:
    """All lines, then their digest, renamed into place."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    digest = xxhash.xxh3_128()
    with open(beside, "wb") as file:
        for words in lines:
            line = json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
            digest.update(line)
            file.write(line)
        file.write(digest.hexdigest().encode() + b"\n")
    os.replace(beside, path)


def is_whole(path: Path) -> bool:
    """Whether there is such a file and nothing of it is missing."""
    digest = xxhash.xxh3_128()
    last = b""
    try:
        with open(path, "rb") as file:
            for line in file:
                if last:
                    digest.update(last)
                last = line
    except FileNotFoundError:
        return False
    return last == digest.hexdigest().encode() + b"\n"


def read(path: Path) -> Iterator[Words]:
    """The lines of a whole file."""
    with open(path, "rb") as file:
        for line in file:
            if line.startswith(b"{"):
                yield json.loads(line)
