"""One line per fact: `time level fact key=value ...`, or the same as JSON. Never a secret, never a text of an owner."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from shared.errors import printable


class Stream(Protocol):
    """Where lines go: a file, or anything that writes like one."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> None: ...


class Log:
    """Writes lines for people (or for programs, with `as_json`). `say` also hears the reason of every warning."""

    def __init__(
        self, stream: Stream | None = None, *, as_json: bool = False, say: Callable[[str], None] = lambda why: None
    ) -> None:
        self.stream = stream or sys.stderr
        self._as_json, self._say = as_json, say

    def info(self, fact: str, **details: object) -> None:
        self._line("info", fact, details)

    def warn(self, fact: str, **details: object) -> None:
        self._line("warn", fact, details)
        if "why" in details:
            self.tell(str(details["why"]))

    def tell(self, words: str) -> None:
        """A sentence for whoever looks on; the log's own lines say the same in their way."""
        self._say(printable(words))

    def _line(self, level: str, fact: str, details: dict[str, object]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._as_json:
            line = json.dumps({"time": at, "level": level, "fact": fact, **details}, default=str)
        else:
            line = " ".join([at, level, fact, *(f"{key}={_quoted(value)}" for key, value in details.items())])
        print(line, file=self.stream, flush=True)


def _quoted(value: object) -> str:
    text = printable(f"{value:.4g}" if isinstance(value, float) else str(value))
    return json.dumps(text, ensure_ascii=False) if not text or any(c in text for c in ' "=\n') else text
