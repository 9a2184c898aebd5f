"""From the run file's `strategy` to a carrier: ours, or one of Flower's on the allow-list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coordinator.federation import diloco, state, stock
from coordinator.federation.carrier import Carrier, Store
from coordinator.federation.parameters import arguments, outer_step
from shared.errors import OwnerMustAct
from shared.job import Codec, UpdateKind

Spec = Mapping[str, Any]  # a checked run file: see coordinator/runfile.py


def travel(spec: Spec) -> tuple[UpdateKind, Codec]:
    """What nodes send, and how encoded. Raises OwnerMustAct when the strategy or a parameter is not one we know."""
    name, parameters = spec["strategy"]["name"], spec["strategy"].get("parameters", {})
    if name == diloco.NAME:
        outer_step(parameters, spec["rounds"])
        return "difference", spec["codec"]
    if name not in stock.STOCK:
        raise OwnerMustAct(f"There is no strategy {name}. Choose {', '.join([diloco.NAME, *sorted(stock.STOCK)])}.")
    state.require_known(name)
    arguments(stock.STOCK[name], parameters, spec["quorum"])
    return "weights", "fp32"  # Flower averages no bf16


def carrier(spec: Spec, store: Store) -> Carrier:
    """The run's strategy, ready to be asked."""
    travel(spec)
    name, parameters = spec["strategy"]["name"], spec["strategy"].get("parameters", {})
    if name == diloco.NAME:
        return diloco.ByReference(outer_step(parameters, spec["rounds"]), store)
    return stock.Inflated(name, parameters, spec["quorum"], store)
