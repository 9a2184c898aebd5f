"""Worker processes, one a core: units go out, spool files come back, and are handed on in the order of the units.

Nothing stops the rest: a unit whose worker died is tried again, the second time with the worker saying which part it is
at; a part that kills a worker then is left out. At most AHEAD units a worker are refined but not yet merged, so what
lies in spool files stays small.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from node.data.building import spool
from node.data.building.journal import Journal
from node.data.building.plan import Unit, part_words
from node.data.building.refining import Work
from shared.errors import DiskFull, OwnerMustAct

AHEAD = 4
AT_ONCE = 2  # units given to a worker: it need not wait for the next one
MODULE = "node.data.building.worker"
PATIENCE = 3  # workers that may die at their start, one after the other

Words = dict[str, Any]


@dataclass(eq=False)
class Worker:
    process: subprocess.Popen[bytes]
    units: deque[Unit] = field(default_factory=deque)  # the first is under way
    at: int | None = None  # the part it said it is at


class Workers:
    """A context manager; its processes end with it, and by themselves when their parent dies."""

    def __init__(self, folder: Path, work: Work, journal: Journal, cores: int, log: Path, module: str = MODULE) -> None:
        self._folder, self._work, self._journal, self._cores, self._log = folder, work, journal, cores, log
        self._module, self._label = module, str((journal.plan() or {})["label"])
        self._said: queue.Queue[tuple[Worker, Words | None]] = queue.Queue()
        self._workers: list[Worker] = []
        self._deaths: dict[int, int] = {}  # unit -> workers that died of it
        self._in_vain = 0

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
            for pipe in (worker.process.stdin, worker.process.stdout):
                assert pipe is not None
                pipe.close()

    def refined(self, first: int) -> Iterator[Unit]:
        """Every unit from `first` on, in order, each with its spool file whole."""
        units = self._journal.units(first)
        again: list[Unit] = []
        spooled: dict[int, Unit] = {}
        due, out, more = first, first, True
        while True:
            while due in spooled:
                yield spooled.pop(due)
                due += 1
            while (again or more) and (again or out < due + AHEAD * self._cores):
                unit = again.pop() if again else next(units, None)
                if unit is None:
                    more = False
                elif spool.is_whole(spool.path_of(self._folder, self._label, unit.number)):
                    spooled[unit.number], out = unit, max(out, unit.number + 1)
                elif (worker := self._free()) is not None:
                    self._give(worker, unit)
                    out = max(out, unit.number + 1)
                else:
                    again.append(unit)
                    out = max(out, unit.number + 1)
                    break
            if due in spooled:
                continue
            if not more and due == out:
                return
            again += self._hear(spooled)
            again.sort(key=lambda unit: -unit.number)

    def _free(self) -> Worker | None:
        """The worker with the least to do, unless all have enough; a new one while there are cores for it."""
        idle = min(self._workers, key=lambda worker: len(worker.units), default=None)
        if (idle is None or idle.units) and len(self._workers) < self._cores:
            self._workers.append(self._start())
            return self._workers[-1]
        return idle if idle is not None and len(idle.units) < AT_ONCE else None

    def _start(self) -> Worker:
        with open(self._log, "ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
            )  # fmt: skip
        worker = Worker(process)
        work = self._work
        keys = {"group_key": work.group_key.hex(), "pseudonym_key": work.pseudonym_key.hex()}
        known = {
            "folder": str(self._folder),
            "label": self._label,
            "source": str(work.source),
            **keys,
            "choices": asdict(work.choices),
        }
        self._tell(worker, known)
        assert process.stdout is not None
        threading.Thread(target=self._listen, args=(worker, process.stdout), daemon=True).start()
        return worker

    def _listen(self, worker: Worker, lines: IO[bytes]) -> None:
        try:
            for line in lines:
                if line.startswith(b"{"):
                    self._said.put((worker, json.loads(line)))
        except ValueError:  # closed, or cut in the middle of a line: it is gone
            pass
        self._said.put((worker, None))

    def _give(self, worker: Worker, unit: Unit) -> None:
        worker.units.append(unit)
        careful = self._deaths.get(unit.number, 0) > 0
        words = {"unit": unit.number, "parts": [part_words(part) for part in unit.parts], "careful": careful}
        self._tell(worker, {**words, "skip": self._journal.culprits(unit.number)})

    def _tell(self, worker: Worker, words: Words) -> None:
        assert worker.process.stdin is not None
        try:
            worker.process.stdin.write(json.dumps(words).encode() + b"\n")
            worker.process.stdin.flush()
        except OSError:  # it died: its listener says so
            pass

    def _hear(self, spooled: dict[int, Unit]) -> list[Unit]:
        """Wait for one thing that a worker says; returns units that must be done again."""
        worker, words = self._said.get()
        match words:
            case None:
                return self._died(worker)
            case {"trouble": sentence, "full": full}:
                raise DiskFull(str(sentence)) if full else OwnerMustAct(str(sentence))
            case {"at": int(part)}:
                worker.at = part
            case {"done": int(number)}:
                self._in_vain, worker.at = 0, None
                spooled[number] = worker.units.popleft()
        return []

    def _died(self, worker: Worker) -> list[Unit]:
        self._workers.remove(worker)
        code = worker.process.wait()
        for pipe in (worker.process.stdin, worker.process.stdout):
            assert pipe is not None
            pipe.close()
        self._in_vain += 1
        if worker.units:
            number = worker.units[0].number
            self._deaths[number] = self._deaths.get(number, 0) + 1
            if worker.at is not None:
                self._journal.blame(number, worker.at)
                self._in_vain = 0
        if self._in_vain > PATIENCE:
            raise OwnerMustAct(
                f"The processes that read your text end again and again (exit code {code}). "
                f"{self._log} says more. What was done is kept; start again to go on."
            )
        return list(worker.units)
