"""What is written down of a crash: its kind, files and lines. Never its words: they may quote somebody's text."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import traceback
from collections.abc import Iterator


def keep_private() -> None:
    """From now on only that reaches this process's standard error, a log; what libraries print there is lost."""
    log = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    faulthandler.enable(log)
    sys.excepthook = lambda kind, error, trace: print(without_values(error), file=log)
    threading.excepthook = lambda told: print(without_values(told.exc_value), file=log)


def without_values(error: BaseException | None) -> str:
    """The traceback of an error and of what caused it, without their words."""
    return "".join(_lines(error, set()))


def _lines(error: BaseException | None, told: set[int]) -> Iterator[str]:
    if error is None or id(error) in told:
        return
    told.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    yield from _lines(before, told)
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _lines(inner, told)
    yield from traceback.format_list(traceback.extract_tb(error.__traceback__))
    yield f"{type(error).__module__}.{type(error).__qualname__}{_code(error)}\n"


def _code(error: BaseException) -> str:
    """What else is known of it and quotes nothing."""
    match error:
        case ImportError():
            return f": {error}"
        case OSError(errno=int(number)):
            return f": {os.strerror(number)}"
        case _:
            name = getattr(error, "sqlite_errorname", "")
            return f": {name}" if name else ""
