"""What a word processor wrote, as it goes by: paragraphs; items of a list and rows of a table stand together."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 1 << 20  # characters of a paragraph
TOGETHER = 4000  # characters of a list or a table that stand together


class Flow:
    """What was read so far, in bounded memory as long as somebody takes it."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._lines: list[str] = []  # of a list or a table under way
        self._size = 0

    def taken(self) -> list[str]:
        """The paragraphs that have ended since last asked."""
        done, self._done = self._done, []
        return done

    def paragraph(self, text: str) -> None:
        if text := _tidy(text):
            self.end()
            self._done.append(text)

    def item(self, text: str) -> None:
        """Of a list."""
        if text := _tidy(text):
            self._line(f"- {text}")

    def row(self, cells: Sequence[Sequence[str]]) -> None:
        """Of a table: the paragraphs of each cell. One that has a single cell with words is no row."""
        full = [paragraphs for paragraphs in cells if any(map(_tidy, paragraphs))]
        if len(full) == 1:
            for text in full[0]:
                self.paragraph(text)
        elif full:
            self._line(" | ".join(" ".join(" ".join(paragraphs).split()) for paragraphs in cells).strip(" |"))

    def end(self) -> None:
        """The list or table under way is over."""
        if self._lines:
            self._done.append("\n".join(self._lines))
            self._lines, self._size = [], 0

    def _line(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._size > TOGETHER:
            self.end()


def _tidy(text: str) -> str:
    """Without what stands at the ends, and with single line ends: an empty line would be the end of the paragraph."""
    return "\n".join(line.rstrip() for line in text.strip().split("\n") if line.strip())
