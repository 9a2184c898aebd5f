"""Orders come in as JSON lines on standard input; facts go out as JSON lines on what was standard output.

A thread reads the orders, so that `halt` is heard in the middle of a round. Whatever a library prints lands on standard
error: file descriptor 1 is kept for facts alone. The end of standard input means that our parent is gone.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

Words = dict[str, Any]


class Facts:
    """What this process tells its parent. Takes file descriptor 1 away from everybody else."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)

    def tell(self, words: Words) -> None:
        """One line. A parent that is gone does not hear it; the end of standard input will stop us."""
        try:
            self._file.write(json.dumps(words, ensure_ascii=False) + "\n")
            self._file.flush()
        except (BrokenPipeError, ValueError):
            return


class Orders:
    """What the parent wants, in order. `halted` is true from the moment `halt` (or the end) was read.

    At the end `leave` is called at once, from the reading thread, while `nothing_to_save`: no one waits for a model to
    be loaded or measured that nobody wants any more.
    """

    def __init__(self, stream: IO[str], leave: Callable[[], object] = lambda: None) -> None:
        self._leave = leave
        self.nothing_to_save = True
        self._queue: queue.SimpleQueue[Words] = queue.SimpleQueue()
        self._halt = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._read, args=(stream,), name="orders", daemon=True).start()

    def next(self) -> Words:
        """Wait for the next order."""
        return self._queue.get()

    @property
    def halted(self) -> bool:
        return self._halt.is_set()

    @property
    def ended(self) -> bool:
        """Whether the parent is gone or wants us to stop altogether."""
        return self._ended.is_set()

    def rest(self, seconds: float) -> bool:
        """Wait so long, but no longer than until `halt`; whether it was read."""
        return self._halt.wait(seconds)

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            try:
                words = json.loads(line)
            except ValueError:
                words = {"op": "?", "line": line[:80]}
            if not isinstance(words, dict):
                words = {"op": "?", "line": line[:80]}
            if words.get("op") in ("train", "alone"):
                self._halt.clear()  # here, not when it is performed: a halt may follow on its heels
            if words.get("op") == "halt":
                self._halt.set()
            if words.get("op") == "stop":
                break
            self._queue.put(words)
        if self.nothing_to_save:
            self._leave()
        self._ended.set()
        self._halt.set()
        self._queue.put({"op": "stop"})
