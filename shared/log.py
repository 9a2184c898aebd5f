"""One line per fact: `time level fact key=value ...`, or the same as JSON. Never a secret, never a text of an owner."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import IO

from shared.errors import printable


class Log:
    """Writes lines for people (or for programs, with `as_json`)."""

    def __init__(self, stream: IO[str] | None = None, *, as_json: bool = False) -> None:
        self.stream = stream or sys.stderr
        self._as_json = as_json

    def info(self, fact: str, **details: object) -> None:
        self._line("info", fact, details)

    def warn(self, fact: str, **details: object) -> None:
        self._line("warn", fact, details)

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
