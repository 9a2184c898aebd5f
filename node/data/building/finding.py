"""What a folder holds, as parts to be worked on: test files first, chat exports recognised, large files cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from node.data.building.choices import Choices
from node.data.building.plan import Part
from node.data.building.unread import Unread
from node.data.chats.exports import ENDINGS, recognised
from node.data.collection import matches
from node.data.document import Unreadable
from node.data.reading import read as reading
from node.data.reading.files import Entry, opened
from node.data.reading.read import Options
from shared.errors import OwnerMustAct

LEAST = 512  # bytes that a file counts for: opening it takes a while, too


class Found:
    """The folder is walked anew for each question, so that a million files need no memory."""

    def __init__(self, folder: Path, choices: Choices) -> None:
        self._folder, self._choices = folder, choices
        self._options = Options(choices.field, choices.encoding)
        self.unreadable = Unread()
        self.files = self.bytes = 0
        for entry in reading.inventory(folder):
            self.files += 1
            if isinstance(entry, Unreadable):
                self.unreadable.add(entry)
            else:
                self.bytes += max(entry.size, LEAST)

    def parts(self) -> Iterator[Part]:
        """Raises OwnerMustAct when the owner named test files and there are none."""
        if not self._choices.hold_out:
            yield from self._of(None)
            return
        tests = [*self._of(True)]
        if not tests:
            raise OwnerMustAct(f"No file in {self._folder} matches --hold-out {' '.join(self._choices.hold_out)}.")
        yield from tests
        yield from self._of(False)

    def _of(self, tested: bool | None) -> Iterator[Part]:
        for entry in reading.inventory(self._folder):
            if isinstance(entry, Unreadable):
                continue
            is_test = any(matches(entry.name, glob) for glob in self._choices.hold_out)
            if tested is None or tested is is_test:
                yield from self._cut(entry, is_test)

    def _cut(self, entry: Entry, tested: bool) -> Iterator[Part]:
        size = max(entry.size, LEAST)
        if export := self._export(entry):
            yield Part(entry.name, entry.size, entry.mtime_ns, size, tested=tested, export=export)
            return
        parts = [*reading.split(self._folder, entry, self._options)]
        for part in parts:
            stop = entry.size if part.stop is None else part.stop
            counted = size if len(parts) == 1 else max(stop - part.start, LEAST)
            yield Part(entry.name, entry.size, entry.mtime_ns, counted, part.start, part.stop, tested)

    def _export(self, entry: Entry) -> str:
        """Which program's chat export it is."""
        if not entry.name.lower().endswith(ENDINGS):
            return ""
        file = opened(self._folder, entry)
        if isinstance(file, Unreadable):
            return ""
        with file:
            try:
                format = recognised(entry.name, file)
            except OSError:
                return ""
        return "" if format is None else format.value
