"""What Flower's own strategies remember, out of the live objects into a safetensors file, and back.

FedAdam and its kin compute in float64 once numpy scalars meet arrays, and what they return is float64, too; nodes get
float32. The unrounded arrays (`server/NAME`) are remembered, so that the next round starts from exactly what a Flower
server would have kept in memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from coordinator.federation import state

Arrays = dict[str, NDArray[Any]]
SERVER = "server"  # the strategy's own arrays, where they are not float32


def save(path: Path, strategy: Strategy, merged: ArrayRecord) -> bool:
    """Write what `strategy` must remember after a merge that returned `merged`. False: nothing, and no file."""
    arrays: Arrays = {}
    facts: dict[str, float] = {}
    for link in _chain(strategy):
        remembers = state.require_known(type(link).__name__)
        for attribute in remembers.arrays:
            arrays |= {f"{attribute}/{name}": value for name, value in _named(getattr(link, attribute), merged)}
        facts |= {attribute: float(getattr(link, attribute)) for attribute in remembers.facts}
    own = {name: array.numpy() for name, array in merged.items()}
    if any(values.dtype != np.float32 for values in own.values()):
        arrays |= {f"{SERVER}/{name}": values for name, values in own.items()}
    if not arrays and not facts:
        return False
    save_file({n: np.ascontiguousarray(v) for n, v in arrays.items()}, path, {state.KEY: _label(strategy, facts)})
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    return True


def load(path: Path, strategy: Strategy, model: ArrayRecord) -> ArrayRecord:
    """Put back what `save` wrote; returns the arrays that the strategy goes on from. Raises OwnerMustAct."""
    shapes = {name: tuple(array.shape) for name, array in model.items()}
    try:
        with safe_open(path, "np") as file:
            facts = json.loads((file.metadata() or {})[state.KEY])["facts"]
            if (file.metadata() or {})[state.KEY] != _label(strategy, facts):
                raise state.damaged(path)
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  a file, not a dict
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise state.damaged(path) from error
    if any(arrays[key].shape != shapes.get(key.partition("/")[2]) for key in arrays):
        raise state.damaged(path)
    for link in _chain(strategy):
        remembers = state.require_known(type(link).__name__)
        for attribute in remembers.arrays:
            if found := _of(arrays, attribute):
                setattr(link, attribute, list(found.values()) if attribute == "momentum_vector" else found)
        for attribute in remembers.facts:
            setattr(link, attribute, facts[attribute])
    server = _of(arrays, SERVER)
    return ArrayRecord({name: Array(values) for name, values in server.items()}) if server else model


def _chain(strategy: Strategy) -> Iterator[Strategy]:
    """The strategy, and the one it wraps."""
    yield strategy
    if isinstance(inner := getattr(strategy, "strategy", None), Strategy):
        yield from _chain(inner)


def _label(strategy: Strategy, facts: Mapping[str, float]) -> str:
    return state.label("/".join(type(link).__name__ for link in _chain(strategy)), facts)


def _named(value: Any, model: ArrayRecord) -> list[tuple[str, NDArray[Any]]]:
    """Flower keeps such arrays by name, or as a list in the model's order, or not at all yet."""
    if value is None:
        return []
    return list(value.items()) if isinstance(value, dict) else list(zip(model, value, strict=True))


def _of(arrays: Arrays, attribute: str) -> Arrays:
    """In the order of the names, which is the model's."""
    start = f"{attribute}/"
    return {name.removeprefix(start): arrays[name] for name in sorted(arrays) if name.startswith(start)}
