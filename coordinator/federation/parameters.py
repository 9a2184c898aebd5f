"""What a run file may say under `strategy`, checked in words: DiLoCo's outer step, Flower's strategies' numbers."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Collection, Mapping
from typing import Any

from flwr.serverapp.strategy import Strategy

from shared.errors import OwnerMustAct
from shared.maths.outer import Nesterov, Outer, Plain, automatic

Parameters = Mapping[str, Any]
_OUTER = ("outer", "lr", "momentum")
_SMALLEST = 1e-9  # for what must be above zero
_RANGES: Mapping[str, tuple[float, float]] = {  # what Flower's constructors leave to divide by zero or to diverge
    "eta": (_SMALLEST, 1e3),
    "eta_l": (_SMALLEST, 1e3),
    "tau": (_SMALLEST, 1e3),
    "beta_1": (0, 0.999999),
    "beta_2": (0, 0.999999),
    "server_learning_rate": (_SMALLEST, 1e3),
    "server_momentum": (0, 0.999999),
    "proximal_mu": (0, 1e3),
    "q": (0, 1e3),
    "client_learning_rate": (_SMALLEST, 1e6),
    "num_malicious_nodes": (0, 1000),
    "num_sampled_clients": (1, 1000),
    "noise_multiplier": (0, 1e3),
}


def outer_step(parameters: Parameters, rounds: int) -> Outer:
    """DiLoCo's: `outer: auto`, a number (plain, with that rate), or `plain` or `nesterov` with lr and momentum.

    Raises OwnerMustAct naming the parameter.
    """
    _require_known("DiLoCo", parameters, _OUTER)
    outer, lr, momentum = (parameters.get(name) for name in _OUTER)
    if isinstance(outer, int | float):
        if lr is not None or momentum is not None:
            raise OwnerMustAct("With a number as `outer`, that is the rate already. To set momentum write `nesterov`.")
        return Plain(_real("outer", outer, 10.0))
    match outer:
        case None | "auto" if lr is None and momentum is None:
            return automatic(rounds)
        case None | "auto":
            raise OwnerMustAct("With `outer: auto`, lr and momentum are chosen for you. To set them write `nesterov`.")
        case "plain" if momentum is None:
            return Plain(_real("lr", 1.0 if lr is None else lr, 10.0))
        case "plain":
            raise OwnerMustAct("`outer: plain` has no momentum. Write `outer: nesterov`, or leave momentum out.")
        case "nesterov":
            kept = _real("momentum", 0.9 if momentum is None else momentum, 0.9999)
            return Nesterov(_real("lr", 0.7 if lr is None else lr, 10.0), kept)
    raise OwnerMustAct(f"`outer` is {outer!r}. Write auto, plain, nesterov or a number such as 1.0.")


def arguments(strategy: type[Strategy], parameters: Parameters, quorum: int) -> dict[str, int | float | bool]:
    """The constructor's arguments for one of Flower's strategies: numbers by name; the least numbers of nodes are the
    run's quorum unless it says otherwise. Raises OwnerMustAct naming the parameter."""
    kinds = {
        name: parameter.annotation
        for name, parameter in inspect.signature(strategy).parameters.items()
        if parameter.annotation in (int, float, bool, float | None)  # functions and record keys are ours to choose
    }
    kinds = {name: float if kind == float | None else kind for name, kind in kinds.items()}
    _require_known(strategy.__name__, parameters, kinds)
    least = [name for name in kinds if name.startswith("min_") and name.endswith("_nodes")]
    chosen: dict[str, int | float | bool] = dict.fromkeys(least, quorum)
    if "num_sampled_clients" in kinds:
        chosen["num_sampled_clients"] = quorum
    for name, value in parameters.items():
        chosen[name] = _fitting(name, value, kinds[name])
    for name, value in chosen.items():
        if name.startswith("min_") and not 1 <= value <= quorum:
            raise OwnerMustAct(f"`{name}` is {value}; a round starts with a quorum of {quorum}: choose 1 to {quorum}.")
        if name.startswith("fraction_") and not (0 if name == "fraction_evaluate" else 1e-9) <= value <= 1:
            raise OwnerMustAct(f"`{name}` is {value}; a fraction of the nodes is more than 0 and at most 1.")
        if name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]:
            raise OwnerMustAct(f"`{name}` is {value}; choose {_RANGES[name][0]:g} to {_RANGES[name][1]:g}.")
    for name, parameter in inspect.signature(strategy).parameters.items():
        if name in kinds and name not in chosen and parameter.default is inspect.Parameter.empty:
            raise OwnerMustAct(f"{strategy.__name__} needs `{name}`: a number under `strategy` in the run file.")
    _require_majority(strategy.__name__, chosen, quorum)
    return chosen


def _require_majority(strategy: str, chosen: Mapping[str, int | float | bool], quorum: int) -> None:
    """What the papers ask of the number of nodes: arXiv:1703.02757 for Krum, arXiv:1802.07927 for Bulyan."""
    malicious = int(chosen.get("num_malicious_nodes", 0))
    least = {"Krum": 2 * malicious + 3, "MultiKrum": 2 * malicious + 3, "Bulyan": 4 * malicious + 3}.get(strategy, 0)
    if quorum < least:
        raise OwnerMustAct(
            f"{strategy} with {malicious} malicious nodes needs {least} PCs in every round; the quorum is {quorum}."
        )
    if not 1 <= chosen.get("num_nodes_to_select", 1) <= quorum:
        raise OwnerMustAct(f"`num_nodes_to_select` is {chosen['num_nodes_to_select']}; choose 1 to {quorum}.")


def _require_known(strategy: str, parameters: Parameters, known: Collection[str]) -> None:
    for name in parameters:
        if name not in known:
            near = difflib.get_close_matches(str(name), list(known), n=1)
            hint = f"; did you mean `{near[0]}`?" if near else "."
            raise OwnerMustAct(f"{strategy} has no parameter `{name}`{hint} It takes {', '.join(known)}.")


def _fitting(name: str, value: object, kind: type) -> Any:
    match value:
        case bool() if kind is bool:
            return value
        case bool():
            pass
        case int() if kind is int:
            return value
        case int() | float() if kind is float and math.isfinite(value):
            return float(value)
    words = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
    raise OwnerMustAct(f"`{name}` is {value!r}; it must be {words}.")


def _real(name: str, value: object, most: float) -> float:
    """A number above zero (zero momentum is plain averaging: written so) and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise OwnerMustAct(f"`{name}` is {value!r}; it must be a number above 0 and at most {most:g}.")
    return float(value)
