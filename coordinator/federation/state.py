"""What a strategy remembers from round to round: named arrays and a few plain facts, in one safetensors file.

By allow-list, never by looking into a strategy: one that is not listed may keep something in memory that a crash would
lose, so it is refused. Nothing is pickled. DiLoCo's file is written and read block by block (`layout`, `check`);
Flower's strategies hold everything in memory anyway, so theirs is written whole (see `memory`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.codec import safe
from shared.errors import OwnerMustAct, Refused
from shared.job import TensorSpec

Facts = Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True)
class Remembers:
    """The attributes of a strategy that must outlive a crash."""

    arrays: tuple[str, ...] = ()  # each shaped like the model
    facts: tuple[str, ...] = ()  # numbers


NOTHING = Remembers()
REMEMBERED: Mapping[str, Remembers] = {
    "DiLoCo": Remembers(arrays=("momentum",)),  # only with Nesterov
    "FedAvg": NOTHING,
    "FedAvgM": Remembers(arrays=("momentum_vector",)),
    "FedAdam": Remembers(arrays=("m_t", "v_t")),
    "FedAdagrad": Remembers(arrays=("m_t", "v_t")),
    "FedYogi": Remembers(arrays=("m_t", "v_t")),
    "FedProx": NOTHING,
    "FedMedian": NOTHING,
    "FedTrimmedAvg": NOTHING,
    "Krum": NOTHING,
    "MultiKrum": NOTHING,
    "Bulyan": NOTHING,
    "QFedAvg": NOTHING,
    "DifferentialPrivacyServerSideFixedClipping": NOTHING,
    "DifferentialPrivacyClientSideFixedClipping": NOTHING,
    "DifferentialPrivacyServerSideAdaptiveClipping": Remembers(facts=("clipping_norm",)),
    "DifferentialPrivacyClientSideAdaptiveClipping": Remembers(facts=("clipping_norm",)),
}
KEY = "potluck-state"


def require_known(strategy: str) -> Remembers:
    """Raise OwnerMustAct unless we know what this strategy keeps in memory."""
    if strategy not in REMEMBERED:
        known = ", ".join(sorted(REMEMBERED))
        raise OwnerMustAct(f"The strategy {strategy} is not one Potluck can bring through a crash yet. Choose {known}.")
    return REMEMBERED[strategy]


def layout(strategy: str, tensors: Sequence[TensorSpec], facts: Facts) -> safe.Layout:
    """The file that holds every remembered array (`momentum/NAME`, in the order of the list) and the facts."""
    arrays = REMEMBERED[strategy].arrays
    named = [TensorSpec(f"{array}/{spec.name}", spec.shape) for array in arrays for spec in tensors]
    return safe.layout(named, "fp32", {KEY: label(strategy, facts)})


def label(strategy: str, facts: Facts) -> str:
    """What stands in the file's metadata."""
    return json.dumps({"strategy": strategy, "facts": dict(facts)}, sort_keys=True, separators=(",", ":"))


def check(path: Path, strategy: str, tensors: Sequence[TensorSpec]) -> tuple[safe.Layout, Facts]:
    """Where the arrays lie, and the facts. Raises OwnerMustAct when it is not a state of this strategy and model."""
    try:
        told = json.loads(safe.header(path)["__metadata__"][KEY])
        expected = layout(strategy, tensors, told["facts"])
        with open(path, "rb") as file:
            fits = file.read(len(expected.header)) == expected.header and path.stat().st_size == expected.size
    except (Refused, KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise damaged(path)
    return expected, told["facts"]


def damaged(path: Path) -> OwnerMustAct:
    return OwnerMustAct(f"The saved state of this run's strategy ({path}) is damaged or belongs to another run.")
