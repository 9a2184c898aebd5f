"""Sentences on a terminal: long ones go on below, broken between words. In a pipe a sentence stays one line."""

from __future__ import annotations

import shutil
import sys
import textwrap


def say(words: str, *, below: int = 0, err: bool = False) -> None:
    """Print `words`; what does not fit the window goes on `below` columns from its left edge."""
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        words = folded(words, shutil.get_terminal_size().columns, below)
    print(words, file=stream, flush=True)


def folded(words: str, width: int, below: int = 0) -> str:
    """Each line of `words` in at most `width` columns. A path or an id longer than that is left whole."""
    return "\n".join(
        textwrap.fill(
            line, max(width, below + 20), subsequent_indent=" " * below, replace_whitespace=False,
            break_long_words=False, break_on_hyphens=False,
        )
        for line in words.split("\n")
    )  # fmt: skip
