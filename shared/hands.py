"""Keep exactly the wished-for actions under way."""

from __future__ import annotations

from asyncio import Task, TaskGroup
from collections.abc import Callable, Coroutine, Hashable, Iterable
from typing import Any, Generic, TypeVar

W = TypeVar("W", bound=Hashable)


class Hands(Generic[W]):
    """Start what is newly wished for, cancel what no longer is, leave the rest alone.

    A wish that has been performed and is still wished for is not performed again until it has been absent once:
    whoever performs it turns its end into a fact, and the fact changes the wishes.
    """

    def __init__(self, tasks: TaskGroup, perform: Callable[[W], Coroutine[Any, Any, None]]) -> None:
        self._tasks = tasks
        self._perform = perform
        self._busy: dict[W, Task[None]] = {}

    def want(self, wishes: Iterable[W]) -> None:
        wished = dict.fromkeys(wishes)
        for wish in self._busy.keys() - wished.keys():
            self._busy.pop(wish).cancel()
        for wish in wished:
            if wish not in self._busy:
                self._busy[wish] = self._tasks.create_task(self._perform(wish), name=repr(wish)[:80])
