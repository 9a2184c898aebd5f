"""`python -m coordinator.federation --blobs DIR --work DIR --cache DIR`: the child process of one run.

Reads one request a line on standard input, answers each with one fact on standard output, and ends when its input ends.
It keeps no truth: a child killed at any moment is started again, opened, and asked the same question.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from shared.models import default_cache

QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m coordinator.federation", description=__doc__)
    parser.add_argument("--blobs", type=Path, required=True, help="the coordinator's blobs")
    parser.add_argument("--work", type=Path, required=True, help="this run's folder")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="materialised base models")
    options = parser.parse_args()
    facts = _keep_stdout_for_facts()
    os.environ.update(QUIET)  # read when Flower is imported

    from coordinator.federation.service import Service

    service = Service(options.blobs, options.work, options.cache)
    try:
        for request in _requests():
            print(json.dumps(service.answer(request), allow_nan=False), file=facts, flush=True)
    except BrokenPipeError:  # whoever asked is gone; so are we
        facts = open(os.devnull, "w")  # noqa: SIM115  nothing is left to flush into the closed pipe
    finally:
        service.close()
    return 0


def _keep_stdout_for_facts() -> IO[str]:
    """Whatever a library prints goes to standard error from now on."""
    facts = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return facts


def _requests() -> Iterator[dict[str, Any]]:
    for line in sys.stdin.buffer:
        request = json.loads(line)
        assert isinstance(request, dict), request
        yield request


if __name__ == "__main__":
    sys.exit(main())
