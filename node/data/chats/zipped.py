"""The .zip that WhatsApp makes: the chat's text, beside the pictures that were sent."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast
from zipfile import BadZipFile, ZipFile, ZipInfo

from node.data.chats import whatsapp
from node.data.chats.said import BrokenExport

HEAD = 8 << 10  # bytes
MOST_NAMES = 100_000
_SWELLING = 100  # times as large as within the zip: chats swell about four times, bombs a thousand
_DAMAGE = (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)  # the last: encrypted, odd


def has_chat(file: BinaryIO) -> bool:
    """Whether this is a zip with a chat's text at its top."""
    try:
        with chat_of(file) as text:
            return whatsapp.looks_like(text.read(HEAD).decode("utf-8-sig", errors="replace"))
    except BrokenExport:
        return False


@contextmanager
def chat_of(file: BinaryIO) -> Iterator[BinaryIO]:
    """The text, which can be read from its beginning again. Raises BrokenExport also while it is read."""
    try:
        with ZipFile(file) as zipped:
            texts = [one for one in zipped.infolist()[:MOST_NAMES] if _may_be(one)]
            if len(texts) != 1:
                raise BrokenExport("no chat in the zip, or several")
            with zipped.open(texts[0]) as text:
                yield cast(BinaryIO, text)
    except _DAMAGE as damage:
        raise BrokenExport("a damaged zip") from damage


def _may_be(one: ZipInfo) -> bool:
    at_the_top = "/" not in one.filename and one.filename.lower().endswith(".txt")
    return at_the_top and one.file_size <= _SWELLING * max(one.compress_size, 1 << 10)
