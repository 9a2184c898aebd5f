"""Real text found on this machine, as a folder of files: manual pages, package papers, Python's own library.

Where there is less than asked for it comes again in other letters: every copy swaps the letters of the alphabet in its
own way, so that no paragraph and no five words are like another copy's, while lengths and repetitions stay real.
"""

from __future__ import annotations

import gzip
import random
import string
import sysconfig
from collections.abc import Iterator
from pathlib import Path

MAN, DOC = Path("/usr/share/man"), Path("/usr/share/doc")
SHORTEST, LONGEST = 500, 200_000  # characters of a file


def folder_of(folder: Path, megabytes: float) -> int:
    """Fill `folder`; returns the bytes written."""
    written = 0
    for number, (ending, text) in enumerate(endless()):
        data = text.encode()
        inside = folder / f"{number // 1000:03}"
        inside.mkdir(parents=True, exist_ok=True)
        (inside / f"{number:06}.{ending}").write_bytes(data)
        written += len(data)
        if written >= megabytes * 1e6:
            break
    return written


def endless() -> Iterator[tuple[str, str]]:
    """Endings and texts; first as they are, then again and again in other letters."""
    yield from real()
    copy = 0
    while True:
        copy += 1
        letters = random.Random(copy).sample(string.ascii_lowercase, 26)
        table = str.maketrans(string.ascii_letters, "".join(letters) + "".join(letters).upper())
        for ending, text in real():
            yield ending, text.translate(table)


def real() -> Iterator[tuple[str, str]]:
    """Prose and code by turns, in a fixed order."""
    prose, code = _mixed(_prose()), _mixed(_code())
    for text in prose:
        yield "txt", text
        for _ in range(1):
            if (source := next(code, None)) is not None:
                yield "py", source


def _prose() -> list[Path]:
    found = [path for path in MAN.rglob("*.gz") if path.parent.name.startswith("man")]
    return [*found, *DOC.glob("*/*")]


def _code() -> list[Path]:
    stdlib = Path(sysconfig.get_path("stdlib"))
    return [path for path in stdlib.rglob("*.py") if "site-packages" not in path.parts]


def _mixed(paths: list[Path]) -> Iterator[str]:
    order = sorted({path for path in paths if path.is_file() and not path.is_symlink()})
    random.Random(1).shuffle(order)
    for path in order:
        data = path.read_bytes()
        try:
            text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        except (OSError, EOFError, UnicodeDecodeError):
            continue
        if SHORTEST < len(text) < LONGEST and "\0" not in text:
            yield text
