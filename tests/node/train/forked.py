"""Processes of the trainer that need not import torch and its friends: forked from one that has.

Each is a process of its own that runs the same module as its own program, with its own environment, pipes and end; what
it shares is the four to seven seconds of a core that the imports take. That the trainer starts from nothing is seen in
tests/cluster, and wherever an agent starts it.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from tests.node.train.processes import PLAIN

PRELOADED = "tests.node.train.preloaded"


class Forked:
    """As `processes.executed` starts one."""

    def __init__(
        self, module: str, arguments: Sequence[str], env: Mapping[str, str], log: Path, spoken_to: bool
    ) -> None:
        _serve()
        self.stdin: IO[str] | None = None
        self.stdout: IO[str] | None = None
        ends: list[Connection] = []
        if spoken_to:
            heard, to_tell = _CONTEXT.Pipe(duplex=False)
            to_hear, told = _CONTEXT.Pipe(duplex=False)
            self.stdin, self.stdout = _file(to_tell, "w"), _file(to_hear, "r")
            ends = [heard, told]
        self._process = _CONTEXT.Process(target=_become, args=(module, [*arguments], dict(env), str(log), ends))
        self._process.start()
        for end in ends:
            end.close()
        pid = self._process.pid
        assert pid is not None
        self.pid = pid

    def poll(self) -> int | None:
        code: int | None = self._process.exitcode
        return code

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self.poll()
        assert code is not None, f"the process did not end within {timeout} s"
        return code

    def kill(self) -> None:
        self._process.kill()


_CONTEXT: Any = multiprocessing.get_context("forkserver")


def _serve() -> None:
    """The process that is forked, started once; its environment is the one in which libraries are imported."""
    from multiprocessing import forkserver

    before = dict(os.environ)
    os.environ |= PLAIN
    try:
        forkserver.set_forkserver_preload([PRELOADED])
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ |= before


def _file(end: Connection, mode: str) -> IO[Any]:
    file: IO[Any] = os.fdopen(os.dup(end.fileno()), mode, encoding="utf-8")
    end.close()
    return file


def _become(module: str, arguments: list[str], env: dict[str, str], log: str, ends: list[Connection]) -> None:
    """In the forked process: what `exec` would have made of it."""
    os.environ.clear()
    os.environ |= env
    nothing = open(os.devnull, "r+b", buffering=0)  # noqa: SIM115  for as long as the process lives
    errors = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number, source in enumerate([*(end.fileno() for end in ends or (nothing, nothing)), errors]):
        os.dup2(source, number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
