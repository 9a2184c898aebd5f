"""A bar on a terminal: how much is done, how fast it goes, how long it will take. Silence in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Words = dict[str, Any]


@contextmanager
def bar(what: str, *, quiet: bool = False) -> Iterator[Callable[[Words], None]]:
    """Hands out what takes {done, total, kept} in bytes, or {words}. Ctrl-C says how to go on."""
    if quiet or not sys.stderr.isatty():
        yield lambda words: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )  # fmt: skip

    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)

        def tell(words: Words) -> None:
            doing = str(words.get("words", what))
            if shown.tasks[0].total != words["total"] or shown.tasks[0].description != doing:
                # The speed is that of now, not of an earlier start.
                shown.reset(task, total=words["total"], completed=words.get("kept", 0), description=doing)
            shown.update(task, completed=words["done"])

        try:
            yield tell
        except KeyboardInterrupt:
            shown.stop()
            print("Stopped. What was read is kept: the same command goes on.", file=sys.stderr)
            raise
