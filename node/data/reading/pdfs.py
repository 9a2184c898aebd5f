"""PDF: read in a child process with limits, since a few pages can ask for all of a PC's time and memory."""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO

from node.data.document import Document, Unreadable
from node.data.reading.limits import Limits, Refused
from node.data.reading.streams import CHUNK
from node.data.reading.texts import pieces

TOO_LONG = "a PDF that takes too long or too much memory to read (save it as text)"
PICTURES = "a PDF of pictures, with no text in it (let a program for text recognition read it first)"
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010]\n(?=[^\W\d_A-Z])")
_END = re.compile(r"[.!?:\u2026\u3002\"'\u201d)\]]\s*$")


def documents(name: str, file: BinaryIO, limits: Limits) -> Iterator[Document | Unreadable]:
    """The text of all pages, paragraphs as the PDF has them. Raises Refused."""
    size = file.seek(0, 2)
    file.seek(0)
    if size > limits.whole:
        raise Refused(f"a PDF of more than {limits.whole >> 20} MB")
    for item in pieces(name, _paragraphs(pages(file, size, limits))):
        yield item if isinstance(item, Document) else Unreadable(name, PICTURES)


def pages(file: BinaryIO, size: int, limits: Limits) -> Iterator[str]:
    """The text of each page, from the child. Raises Refused with its reason, or when it had to be ended."""
    child = _child(limits)
    patience = threading.Timer(limits.pdf_patience, child.kill)
    patience.start()
    done = False
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(size.to_bytes(8, "big"))
        left = size
        while left and (data := file.read(min(CHUNK, left))):
            child.stdin.write(data)
            left -= len(data)
        child.stdin.write(b"\0" * left)  # the file has become shorter
        child.stdin.flush()
        while line := child.stdout.readline():
            said = json.loads(line)
            if "page" in said:
                yield said["page"]
                continue
            done = True
            if said["end"]:
                raise Refused(said["end"])
            return
        raise Refused(TOO_LONG)
    except (BrokenPipeError, ValueError) as error:
        raise Refused(TOO_LONG) from error
    finally:
        patience.cancel()
        if not done:
            close()


def close() -> None:
    """End the child, if there is one."""
    global _running
    if _running is not None and _running[0] == os.getpid():
        child = _running[1]
        child.kill()
        child.communicate()
    _running = None


_running: tuple[int, subprocess.Popen[bytes]] | None = None  # the process whose child it is


def _child(limits: Limits) -> subprocess.Popen[bytes]:
    global _running
    if _running is None or _running[0] != os.getpid() or _running[1].poll() is not None:
        close()
        words = [sys.executable, "-m", "node.data.reading.pdf_child", str(limits.pdf_seconds), str(limits.pdf_memory)]
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        _running = (os.getpid(), child)
        atexit.register(close)
    return _running[1]


def _paragraphs(texts: Iterator[str]) -> Iterator[str]:
    """Pages joined: a word that was hyphenated is whole again, and a sentence may go on overleaf."""
    held = ""
    for text in texts:
        page = text.strip()
        if not page:
            continue
        joint = "" if not held else "\n\n" if _END.search(held[-20:]) else "\n"
        *done, held = re.split(r"\n\s*\n", _HYPHEN.sub("", f"{held}{joint}{page}"))
        yield from done
    if held:
        yield held
