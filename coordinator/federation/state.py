"""What a strategy remembers from round to round: named float32 arrays and a few plain facts, in one safetensors file.

By allow-list, never by looking into a strategy: one that is not listed may keep something in memory that a crash would
lose, so it is refused. Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.codec import safe
from shared.errors import OwnerMustAct, Refused
from shared.job import TensorSpec

Facts = Mapping[str, int | float | str]

# strategy -> the arrays it keeps, each shaped like the model
REMEMBERED: Mapping[str, tuple[str, ...]] = {
    "DiLoCo": ("momentum",),  # only with Nesterov
    "FedAvg": (),
}
_KEY = "potluck-state"


def require_known(strategy: str) -> None:
    """Raise OwnerMustAct unless we know what this strategy keeps in memory."""
    if strategy not in REMEMBERED:
        known = ", ".join(sorted(REMEMBERED))
        raise OwnerMustAct(f"The strategy {strategy} is not one Potluck can bring through a crash yet. Choose {known}.")


def layout(strategy: str, tensors: Sequence[TensorSpec], facts: Facts) -> safe.Layout:
    """The file that holds every remembered array (`momentum/NAME`, in the order of the list) and the facts."""
    named = [TensorSpec(f"{array}/{spec.name}", spec.shape) for array in REMEMBERED[strategy] for spec in tensors]
    text = json.dumps({"strategy": strategy, "facts": dict(facts)}, sort_keys=True, separators=(",", ":"))
    return safe.layout(named, "fp32", {_KEY: text})


def check(path: Path, strategy: str, tensors: Sequence[TensorSpec]) -> tuple[safe.Layout, Facts]:
    """Where the arrays lie, and the facts. Raises OwnerMustAct when it is not a state of this strategy and model."""
    try:
        told = json.loads(safe.header(path)["__metadata__"][_KEY])
        expected = layout(strategy, tensors, told["facts"])
        with open(path, "rb") as file:
            fits = file.read(len(expected.header)) == expected.header and path.stat().st_size == expected.size
    except (Refused, KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise OwnerMustAct(f"The saved state of this run's strategy ({path}) is damaged or belongs to another run.")
    return expected, told["facts"]
