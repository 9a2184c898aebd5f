"""Where things lie in a node's home folder, and its settings."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any

from node.logic.fit import EngineName, Precision
from node.wire import DataCount
from shared.errors import OwnerMustAct
from shared.ids import group_id
from shared.units import count


def default_home() -> Path:
    """`$POTLUCK_HOME/node`, by default `~/.potluck/node`."""
    return Path(os.environ.get("POTLUCK_HOME") or Path.home() / ".potluck") / "node"


def cache() -> Path:
    """`$POTLUCK_CACHE`, by default `~/.cache/potluck`: models made from packages, shared by all homes."""
    return Path(os.environ.get("POTLUCK_CACHE") or Path.home() / ".cache" / "potluck")


@dataclass(frozen=True, slots=True)
class Settings:
    """`settings.json`, all of it optional."""

    engine: EngineName = "auto"  # auto, deepspeed, torch
    zero: int | None = None  # 0 to 3; None: the lowest that fits
    dtype: Precision = "auto"  # auto, fp32, bf16, fp16 (cards only)
    micro_batch: int | None = None
    ranks: int | None = None  # None: one a card, one without a card
    threads: int | None = None  # compute threads of one rank; None: cores / ranks
    memory: int | str | None = None  # main memory to train in where there is no card: bytes, or "6g"
    offload_folder: str | None = None  # on a fast local disk: the optimizer may lie there when nothing else fits
    heat_limit: float = 83.0  # °C; above it training slows down, then pauses
    checkpoint_steps: int = 1000  # a checkpoint after so many steps, and at least every ten minutes
    trainer: str = "node.train"  # the module that trains

    @property
    def budget(self) -> int | None:
        """`memory` in bytes."""
        return None if self.memory is None else count(self.memory)


def settings(home: Path) -> Settings:
    """Read and check them, every mistake reported together. Raises OwnerMustAct."""
    path = home / "settings.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except ValueError as error:
        raise OwnerMustAct(f"{path} is not JSON: {error}.") from error
    complaints = [*_complaints(raw)] if isinstance(raw, dict) else ["it must be a JSON object"]
    if complaints:
        raise OwnerMustAct(f"{path} cannot be used: {'; '.join(complaints)}.")
    return Settings(**raw)


def _complaints(raw: dict[str, Any]) -> list[str]:
    known = {field.name for field in fields_of(Settings)}
    rules = {
        "engine": lambda v: v in ("auto", "deepspeed", "torch"),
        "zero": lambda v: v is None or v in (0, 1, 2, 3),
        "dtype": lambda v: v in ("auto", "fp32", "bf16", "fp16"),
        "micro_batch": lambda v: v is None or (isinstance(v, int) and v >= 1),
        "ranks": lambda v: v is None or (isinstance(v, int) and 1 <= v <= 64),
        "threads": lambda v: v is None or (isinstance(v, int) and v >= 1),
        "memory": lambda v: v is None or (isinstance(v, int | str) and _is_count(v)),
        "offload_folder": lambda v: v is None or (isinstance(v, str) and Path(v).expanduser().is_dir()),
        "heat_limit": lambda v: isinstance(v, int | float) and 30 <= v <= 120,
        "checkpoint_steps": lambda v: isinstance(v, int) and v >= 1,
        "trainer": lambda v: isinstance(v, str) and v.replace(".", "_").isidentifier(),
    }
    unknown = [f"it knows no {name!r} (it knows {', '.join(sorted(known))})" for name in sorted(set(raw) - known)]
    wrong = [f"{name} cannot be {raw[name]!r}" for name in sorted(set(raw) & known) if not rules[name](raw[name])]
    return unknown + wrong


def _is_count(value: int | str) -> bool:
    try:
        return count(value) > 0
    except ValueError:
        return False


def collections(home: Path) -> dict[str, dict[str, Any]]:
    """The owner's text collections that can be trained on: name -> meta.json."""
    return sorted_out(home)[0]


def held_out_for_others(home: Path) -> list[str]:
    """Collections that were added as a member of another group, whose tests are not this one's."""
    return sorted_out(home)[1]


def sorted_out(home: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Both, read once."""
    found = all_collections(home)
    try:
        ours = group_id((home / "pki" / "group.key").read_bytes())
    except FileNotFoundError:
        return found, []
    foreign = [name for name, meta in found.items() if meta.get("held_out_for", ours) != ours]
    return {name: meta for name, meta in found.items() if name not in foreign}, foreign


def all_collections(home: Path) -> dict[str, dict[str, Any]]:
    """Also those that were held out for another group."""
    found = {}
    for meta in sorted((home / "data").glob("*/meta.json")):
        if meta.parent.name.startswith("."):
            continue
        try:
            found[meta.parent.name] = json.loads(meta.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # being replaced at this moment; it is looked at again
    return found


def data_counts(home: Path, shared: tuple[str, ...]) -> tuple[DataCount, ...]:
    """The counts the owner agreed to share."""
    return tuple(
        DataCount(name, int(meta.get("documents", 0)), int(meta.get("bytes", 0)), int(meta.get("tokens") or 0))
        for name, meta in collections(home).items()
        if name in shared
    )
