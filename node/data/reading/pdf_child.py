"""The child process that reads PDFs: eight bytes of length and a file in, a JSON line for each page and the end out."""

from __future__ import annotations

import io
import json
import logging
import sys
from contextlib import suppress
from typing import BinaryIO

DAMAGED = "not a PDF file, or a damaged one"
LOCKED = "locked with a password (save it without one)"
TOO_LARGE = "a PDF that needs too much memory to read (save it as text)"


def main(seconds: int, memory: int) -> None:
    """Answer until standard input ends. Each file may take `seconds` of processor time; `memory` is in bytes."""
    import pypdf  # noqa: F401  so that no file pays for it

    logging.disable()
    _limit("RLIMIT_AS", memory)
    while len(length := sys.stdin.buffer.read(8)) == 8:
        _limit("RLIMIT_CPU", _used() + seconds)
        data = sys.stdin.buffer.read(int.from_bytes(length, "big"))
        _say(end=_read(io.BytesIO(data)))


def _read(file: BinaryIO) -> str:
    """Say what each page says; returns why there are no more, or ""."""
    from pypdf import PdfReader

    try:
        reader = PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            return LOCKED
        for page in reader.pages:
            _say(page=page.extract_text().encode("utf-8", "replace").decode())
    except MemoryError:
        return TOO_LARGE
    except Exception:  # noqa: BLE001  the edge of the process, and somebody's file in somebody else's parser
        return DAMAGED
    return ""


def _say(**words: str) -> None:
    sys.stdout.buffer.write(json.dumps(words).encode() + b"\n")
    sys.stdout.buffer.flush()


def _limit(name: str, value: int) -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has none: there the parent's patience is all
        import resource

        which = getattr(resource, name)
        resource.setrlimit(which, (value, resource.getrlimit(which)[1]))


def _used() -> int:
    import time

    return int(time.process_time()) + 1


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
