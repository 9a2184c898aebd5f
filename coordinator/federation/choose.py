"""From the run file's `strategy` to a carrier: ours, or one of Flower's on the allow-list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coordinator.federation import app, diloco, stock
from coordinator.federation.carrier import Carrier, Store
from coordinator.federation.parameters import outer_step
from shared.errors import OwnerMustAct
from shared.job import Codec, Mod, UpdateKind

Spec = Mapping[str, Any]  # a checked run file: see coordinator/runfile.py


def travel(spec: Spec) -> tuple[UpdateKind, Codec]:
    """What nodes send, and how encoded. Raises OwnerMustAct when the strategy or a parameter is not one we know."""
    name, parameters = spec["strategy"]["name"], spec["strategy"].get("parameters", {})
    if app.is_app(spec["model"]) and (name == diloco.NAME or spec.get("mods")):
        raise OwnerMustAct(
            "A Flower app returns whole weights and brings its own mods: choose one of Flower's strategies other than "
            f"{diloco.NAME}, and leave `mods` out."
        )
    if name == diloco.NAME:
        outer_step(parameters, spec["rounds"])
        if spec.get("mods"):
            raise OwnerMustAct(
                f"The mod {spec['mods'][0]['name']} works on whole weights, but DiLoCo sends differences: "
                "choose one of Flower's strategies, or leave `mods` out."
            )
        return "difference", spec["codec"]
    if name not in stock.STOCK:
        raise OwnerMustAct(f"There is no strategy {name}. Choose {', '.join([diloco.NAME, *stock.STOCK])}.")
    stock.build(name, parameters, spec["quorum"])
    return "weights", "fp32"  # Flower averages no bf16


def mods(spec: Spec) -> tuple[Mod, ...]:
    """The client mods of the run file, and the one that the strategy cannot do without."""
    chosen = tuple(Mod(mod["name"], dict(mod["parameters"])) for mod in spec.get("mods", ()))
    entry = stock.STOCK.get(spec["strategy"]["name"])
    needed = entry.mod if entry and not app.is_app(spec["model"]) else ""
    return chosen if not needed or needed in {mod.name for mod in chosen} else (*chosen, Mod(needed))


def carrier(spec: Spec, store: Store) -> Carrier:
    """The run's strategy, ready to be asked."""
    travel(spec)
    name, parameters = spec["strategy"]["name"], spec["strategy"].get("parameters", {})
    if name == diloco.NAME:
        return diloco.ByReference(outer_step(parameters, spec["rounds"]), store)
    return stock.Inflated(name, parameters, spec["quorum"], store)
