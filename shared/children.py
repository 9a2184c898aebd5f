"""Child processes that speak JSON lines: we start them, hear them, ask them to stop, and after a while insist.

The child reads one JSON object a line on standard input and writes one a line on standard output; what it logs goes
to standard error, which we keep in a file. When its parent dies its standard input ends, and it must end too.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.disk import private_folder

MAX_LINE = 32 << 20  # bytes; a Configured fact for many nodes is the longest
Words = dict[str, Any]


class Child:
    """One running child process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, module: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> Child:
        """Run `python -m module arguments`, its errors appended to `log`."""
        private_folder(log.parent)
        with open(log, "ab") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *arguments,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env={**os.environ, **(environment or {})}, limit=MAX_LINE,
                **_own_group(),
            )  # fmt: skip
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def tell(self, words: Words) -> None:
        """Send one request. A child that is gone is noticed by whoever listens, not here."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(words).encode() + b"\n")
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return

    async def facts(self) -> AsyncIterator[Words]:
        """What the child says, until it ends. A line that is not a JSON object is a library's chatter: skipped."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            try:
                words = json.loads(line)
            except ValueError:
                continue
            if isinstance(words, dict):
                yield words
        await self._process.wait()

    async def stop(self, patience: float = 10.0) -> None:
        """Close its standard input, wait, then end it."""
        if self._process.returncode is not None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        for insist in (self._process.terminate, self._process.kill):
            try:
                async with asyncio.timeout(patience):
                    await self._process.wait()
                return
            except TimeoutError:
                try:
                    insist()
                except ProcessLookupError:
                    return
        await self._process.wait()


def _own_group() -> dict[str, Any]:
    """Keep the terminal's Ctrl-C from reaching the child before we have asked it to stop."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]
    return {"start_new_session": True}
