"""What `potluck node run` shows: plain sentences with the time of day, and on a terminal one live line below them.

The log file keeps every line, whatever is shown.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from shared.disk import is_locked, private_folder
from shared.log import Log

BAR = 12  # columns
LOG_BYTES = 16 << 20  # then the log starts anew, and the old one is kept once

Words = dict[str, Any]
Agent = Callable[[Log, Callable[[Words], None]], str]


def run(agent: Agent, home: Path, *, as_json: bool, verbose: bool) -> str:
    """Run the agent: sentences for its owner; log lines too with `verbose`; nothing but JSON lines with `as_json`."""
    with _log_file(home) as kept, _live(as_json) as (say, show):
        if as_json:
            return agent(Log(_Both(sys.stderr, kept), as_json=True), show)
        stream = _Both(sys.stderr, kept) if verbose else kept
        return agent(Log(stream, say=lambda words: say(f"{datetime.now():%H:%M} {words}")), show)


@contextmanager
def _log_file(home: Path) -> Iterator[IO[str]]:
    path = private_folder(home / "log") / "agent.log"
    if path.exists() and path.stat().st_size > LOG_BYTES and not is_locked(home):
        os.replace(path, path.with_suffix(".old"))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8") as file:
        yield file


@contextmanager
def _live(as_json: bool) -> Iterator[tuple[Callable[[str], None], Callable[[Words], None]]]:
    """How to say a sentence, and how to show the picture of the moment."""
    if as_json or not sys.stderr.isatty():
        yield lambda sentence: print(sentence, file=sys.stderr, flush=True), lambda words: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True)
    with Live(console=console, refresh_per_second=4, redirect_stderr=True, transient=True) as live:
        yield lambda sentence: console.print(Text(sentence)), lambda words: live.update(Text(moment(words)))


def moment(words: Words) -> str:
    """The step under way, in one line."""
    if words["doing"] == "training":
        filled = round(BAR * words["share"])
        speed = f", loss {words['loss']:.2f}, {words['tokens_per_second']:,.0f} tokens/s" if words["step"] else ""
        bar = "█" * filled + "░" * (BAR - filled)
        return f"{bar} round {words['round']} of {words['run']}: {words['share']:.0%}{speed}"
    return "not connected" if words["trouble"] else str(words["sentence"])


class _Both:
    """Writes to two streams: the screen and the file that is kept."""

    def __init__(self, *streams: IO[str]) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        for stream in self._streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self._streams:
            stream.flush()
