"""`python -m tests.benchmarks [NAME ...]`: measure, one JSON line each, the last line being the last figure.

A missed bar is a finding, not a failure: the exit code is 0. A benchmark that could not measure is a failure.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.benchmarks import NAMES
from tests.benchmarks.report import Figure

MODULES = {"yield": "yielding"}  # where a benchmark's name is no name for a module


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which (default: all): {', '.join(NAMES)}")
    parser.add_argument("--megabytes", type=int, help="size for blob, crash and merge_memory (default: the honest one)")
    chosen = parser.parse_args()
    if unknown := sorted(set(chosen.names) - set(NAMES)):
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(NAMES)}")
    failed = False
    for name in chosen.names or NAMES:
        began = time.monotonic()
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            figure = measure(name, chosen.megabytes)
        except Exception:  # noqa: BLE001  the edge of the process: the others are measured all the same
            traceback.print_exc()
            failed = True
            continue
        word = "met" if figure.met else "MISSED"
        print(
            f"{name}: {figure.figure:.4g} {figure.unit} (bar {figure.bar:g}: {word}, {time.monotonic() - began:.0f} s)",
            file=sys.stderr,
        )
        print(figure.line(), flush=True)
    return int(failed)


def measure(name: str, megabytes: int | None = None) -> Figure:
    """One benchmark in a folder of its own, which is gone afterwards."""
    module = importlib.import_module(f"tests.benchmarks.{MODULES.get(name, name)}")
    with tempfile.TemporaryDirectory(prefix=f"potluck-{name}-") as folder:
        os.environ["POTLUCK_CACHE"] = f"{folder}/cache"  # nothing made before helps, nothing large stays
        sized = {"megabytes": megabytes} if megabytes and hasattr(module, "MEGABYTES") else {}
        figure: Figure = module.measure(Path(folder), **sized)
    assert figure.name == name
    return figure


if __name__ == "__main__":
    sys.exit(main())
