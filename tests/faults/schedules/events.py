"""Virtual time: what happens next is the earliest thing that was put off. Nothing waits, nothing runs side by side.

A process is a generator that yields seconds, or a signal, to wait for. It lives in a `Life`, which ends as a program
does: with all it had under way, and without a word.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator
from typing import Any, TypeVar

T = TypeVar("T")
Steps = Generator["float | Signal", None, T]
Action = Callable[[], None]


class Events:
    def __init__(self) -> None:
        self.now = 1_000_000.0  # UTC seconds
        self._coming: list[tuple[float, int, Action]] = []
        self._count = 0

    def after(self, seconds: float, action: Action) -> None:
        self._count += 1
        heapq.heappush(self._coming, (self.now + seconds, self._count, action))

    def until(self, over: Callable[[], bool], latest: float) -> None:
        """Let things happen until `over`, or until that time has come."""
        while self._coming and not over():
            at, _, action = heapq.heappop(self._coming)
            if at > latest:
                self.now = latest
                heapq.heappush(self._coming, (at, 0, action))
                return
            self.now = at
            action()


class Signal:
    """Something that is waited for; it comes once."""

    def __init__(self) -> None:
        self.come = False
        self._waiting: list[Action] = []

    def then(self, action: Action) -> None:
        if self.come:
            action()
        else:
            self._waiting.append(action)

    def fire(self) -> None:
        self.come = True
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            action()


class Process:
    """What `asyncio.Task` is to asyncio: it can be cancelled wherever it waits."""

    def __init__(self, life: Life, steps: Steps[Any]) -> None:
        self._life, self._steps = life, steps
        self._over = self._running = False

    def go_on(self) -> None:
        if self._over:
            return
        self._running = True
        try:
            awaited = next(self._steps)
        except StopIteration:
            self._end()
            return
        finally:
            self._running = False
        if self._over:  # cancelled by what it did
            self._steps.close()
        elif isinstance(awaited, Signal):
            awaited.then(lambda: self._life.after(0.0, self.go_on))
        else:
            self._life.after(awaited, self.go_on)

    def cancel(self) -> None:
        if not self._over:
            self._end()
            if not self._running:
                self._steps.close()

    def _end(self) -> None:
        self._over = True
        self._life.processes.pop(self, None)


class Life:
    """One program from its start to its end. Stands in for the TaskGroup of `shared.hands.Hands`."""

    def __init__(self, events: Events) -> None:
        self.events = events
        self.alive = True
        self.processes: dict[Process, None] = {}

    def after(self, seconds: float, action: Action) -> None:
        self.events.after(seconds, lambda: action() if self.alive else None)

    def create_task(self, steps: Steps[Any], name: str = "") -> Process:
        process = Process(self, steps)
        self.processes[process] = None
        self.after(0.0, process.go_on)
        return process

    def end(self) -> None:
        self.alive = False
        for process in list(self.processes):
            process.cancel()
