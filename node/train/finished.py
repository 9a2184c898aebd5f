"""A finished round's answer, kept beside its update: asked again after a crash, the trainer answers at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.blobs import digest_of
from shared.disk import write

Words = dict[str, Any]


def recall(out: Path, round_: int, model: str) -> Words | None:
    """The fact `trained` of that round from that model, if the update in `out` is still the one it speaks of."""
    try:
        words = json.loads(_beside(out).read_text())
    except (OSError, ValueError):
        return None
    fact: Words = words["fact"]
    same = (words["model"], fact["round"]) == (model, round_)
    if not same or not out.exists() or digest_of(out) != fact["digest"]:
        return None
    return fact | {"update": str(out)}


def remember(out: Path, model: str, fact: Words) -> None:
    write(_beside(out), json.dumps({"model": model, "fact": fact}).encode())


def _beside(out: Path) -> Path:
    return out.with_name(out.name + ".json")
