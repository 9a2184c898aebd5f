"""Each run's federation child: asked one thing at a time, started again when it dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.children import Child, Words
from shared.errors import OwnerMustAct, TryLater
from shared.ids import RunId

ANSWERS = frozenset({"prepared", "opened", "configured", "merged", "damaged", "evaluated", "full", "failed"})
ROOM_SECONDS = 5.0  # between two looks whether a full disk has room again
Opening = Callable[
    [], Words | None
]  # the "open" request for this run as the journal stands, or None before it is prepared


class Federation:
    """The child of one run. It keeps no truth: what it must know is in its requests and in the blob folder."""

    def __init__(
        self, home: Path, run: RunId, cache: Path, opening: Opening, tell: Callable[[str], None] = lambda why: None
    ) -> None:
        """`tell` hears, once, why nothing goes on while the disk is full."""
        self._home, self._run, self._cache, self._opening, self._tell = home, run, cache, opening, tell
        self._child: Child | None = None
        self._facts: Any = None
        self._owed = 0  # answers to questions that nobody waits for any more
        self._turn = asyncio.Lock()

    async def ask(self, request: Words) -> Words:
        """The child's answer, once there is room on the disk for it. Raises OwnerMustAct with its sentence, or
        TryLater when the child died."""
        told = False
        while True:
            async with self._turn:
                if self._child is None or self._child.returncode is not None:
                    await self._start()
                answer = await self._exchange(request)
            if answer["fact"] != "full":
                return answer
            if not told:
                self._tell(answer["sentence"])
            told = True
            await asyncio.sleep(ROOM_SECONDS)

    async def close(self) -> None:
        if self._child is not None:
            await self._child.stop()
            self._child = None

    async def _start(self) -> None:
        work = self._home / "runs" / self._run
        self._child = await Child.start(
            "coordinator.federation",
            ["--blobs", str(self._home / "blobs"), "--work", str(work), "--cache", str(self._cache)],
            log=self._home / "log" / f"{self._run}.log",
            environment={
                "FLWR_TELEMETRY_ENABLED": "0",
                "FLWR_DISABLE_UPDATE_CHECK": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1",
            },
        )
        self._facts, self._owed = self._child.facts(), 0
        if (opening := self._opening()) is not None:
            await self._exchange(opening)

    async def _exchange(self, request: Words) -> Words:
        """One question and its answer. Answers come in order, so those that are owed to nobody are skipped first."""
        assert self._child is not None
        await self._child.tell(request)
        self._owed += 1
        async for answer in self._facts:
            if answer.get("fact") not in ANSWERS:
                continue
            self._owed -= 1
            if self._owed:
                continue
            if answer["fact"] == "failed":
                raise OwnerMustAct(str(answer.get("sentence", "The run's strategy failed.")))
            found: Words = answer
            return found
        code, self._child = self._child.returncode, None
        log = self._home / "log" / f"{self._run}.log"
        raise TryLater(f"The strategy process of {self._run} ended unexpectedly (code {code}); its log is {log}")
