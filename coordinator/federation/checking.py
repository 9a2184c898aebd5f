"""`python -m coordinator.federation.checking FOLDER`: reads a run as JSON, prints [[part of the file, sentence], ...].

For `potluck coordinator check` and `start`; nothing is made, no weights are read.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

from coordinator.federation.__main__ import QUIET
from shared.errors import PotluckError
from shared.models.materialise import context, require
from shared.models.warm import sizes_of


def main() -> int:
    os.environ.update(QUIET)  # read when Flower is imported

    from coordinator.federation import app
    from coordinator.federation.choose import travel

    spec, folder = json.load(sys.stdin), sys.argv[1]

    def larger() -> None:
        """What `warm_start` names, and whether `model` says how large the new one is."""
        if spec["warm_start"]:
            sizes_of(spec["model"], folder)
            require(spec["warm_start"], folder)

    looks: dict[str, Callable[[], object]] = {
        "model": lambda: (app.load if app.is_app(spec["model"]) else require)(spec["model"], folder),
        "warm_start": larger,
        "strategy": lambda: travel(spec),
    }
    found = [[part, words] for part, look in looks.items() if (words := _trouble(look))]
    if not app.is_app(spec["model"]) and "model" not in [part for part, _ in found]:
        words = too_long(spec["sequence"], context(spec["model"], folder))
        found += [["tokens.sequence", words]] if words else []
    print(json.dumps(found))
    return 0


def too_long(sequence: int, most: int) -> str:
    """Why the model cannot be trained on sequences of that many tokens, or an empty string."""
    if sequence <= most:
        return ""
    return f"a sequence of {sequence:,} tokens is longer than the model takes ({most:,})."


def _trouble(look: Callable[[], object]) -> str:
    try:
        look()
    except PotluckError as error:
        return error.sentence
    return ""


if __name__ == "__main__":
    sys.exit(main())
