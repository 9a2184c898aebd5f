"""The messages of a JSON export, one at a time: memory holds one message, not the file."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from node.data.chats.said import BrokenExport

CHUNK = 1 << 18  # bytes read at a time
LARGEST = 16 << 20  # characters of one value; a chat's message has a few thousand
DEEPEST = 6
_INTO = ("chats", "left_chats", "list")  # where chats lie within a whole account
Context = tuple[dict[str, Any], ...]  # what stood before, in each of the objects around


def messages(file: BinaryIO) -> Iterator[tuple[Context, dict[str, Any]]]:
    """Each element of each "messages" list (or of the list that the file is), with what was said around it before.

    Raises BrokenExport where the file is no JSON, is cut off, or has a value of more than 16 million characters.
    """
    reader = _Reader(file)
    try:
        if reader.peek() == "[":
            for _ in reader.elements():
                yield from _whole(reader, ())
        else:
            yield from _within(reader, ())
    except RecursionError:
        raise BrokenExport("nested too deeply") from None


def _within(reader: _Reader, around: Context) -> Iterator[tuple[Context, dict[str, Any]]]:
    if len(around) > DEEPEST:
        raise BrokenExport("nested too deeply")
    known: dict[str, Any] = {}
    here = (*around, known)
    for key in reader.members():
        opening = reader.peek()
        if key == "messages" and opening == "[":
            for _ in reader.elements():
                yield from _whole(reader, here)
        elif key in _INTO and opening == "{":
            yield from _within(reader, here)
        elif key in _INTO and opening == "[":
            for _ in reader.elements():
                if reader.peek() == "{":
                    yield from _within(reader, here)
                else:
                    reader.value()
        else:
            known[key] = reader.value()


def _whole(reader: _Reader, around: Context) -> Iterator[tuple[Context, dict[str, Any]]]:
    value = reader.value()
    if isinstance(value, dict):
        yield around, value


class _Reader:
    """JSON text of any length, looked at through a window."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode
        self._text, self._at, self._ended = "", 0, False
        self._json = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is not white space."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                raise BrokenExport("cut off")
            self._fill()

    def value(self) -> Any:
        """The value that begins here."""
        self.peek()
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except ValueError:
                value, end = None, len(self._text) + 1
            if end < len(self._text) or (self._ended and end == len(self._text)):
                self._at = end
                return value
            if self._ended or len(self._text) - self._at > LARGEST:
                raise BrokenExport("not JSON")
            self._fill()

    def members(self) -> Iterator[str]:
        """Each key of the object that begins here; whoever asks takes its value before the next one."""
        for _ in self._items("{", "}"):
            key = self.value()
            if not isinstance(key, str):
                raise BrokenExport("not JSON")
            self._take(":")
            yield key

    def elements(self) -> Iterator[None]:
        """Stops at each element of the list that begins here; whoever asks takes its value."""
        return self._items("[", "]")

    def _items(self, opening: str, closing: str) -> Iterator[None]:
        self._take(opening)
        more = self.peek() != closing
        while more:
            yield
            more = self.peek() == ","
            if more:
                self._take(",")
        self._take(closing)

    def _take(self, character: str) -> None:
        if self.peek() != character:
            raise BrokenExport("not JSON")
        self._at += 1

    def _fill(self) -> None:
        rest = self._text[self._at :]
        data = self._file.read(max(CHUNK, len(rest)))  # twice as much each time: a long value is not decoded too often
        self._ended = not data
        self._text, self._at = rest + self._decode(data, self._ended), 0
