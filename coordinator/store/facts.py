"""Facts as the journal keeps them: a kind, a version and JSON. Unknown kinds are refused in words."""

from __future__ import annotations

import json
from typing import Any, get_args

from coordinator.logic.cluster import Cluster, Fact
from coordinator.store.values import from_plain, to_plain
from shared.errors import OwnerMustAct

VERSION = 1  # of the facts' fields; raised when a field changes its meaning
KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Fact)}


def dump(fact: Fact) -> tuple[str, str, int]:
    """(kind, JSON, version); `at` and `run` are inside the JSON too."""
    return type(fact).__name__, _json(fact), VERSION


def load(kind: str, text: str, version: int) -> Fact:
    """The fact again. Raises OwnerMustAct when this version of potluck does not know it."""
    if kind not in KINDS or version > VERSION:
        raise OwnerMustAct(
            f"The journal holds a fact of kind {kind} (version {version}) that this version of potluck does not know. "
            "It was written by a newer potluck: update this PC's, and start again. Nothing was changed."
        )
    try:
        fact: Fact = from_plain(KINDS[kind], json.loads(text))
    except ValueError as error:
        raise OwnerMustAct(
            f"A fact of kind {kind} in the journal cannot be read ({error}). It was probably written by another "
            "version of potluck; use that one, or bring back an older copy of state.db."
        ) from error
    return fact


def dump_state(cluster: Cluster) -> str:
    """The state as JSON, for a snapshot."""
    return _json(cluster)


def load_state(text: str) -> Cluster:
    """Raises ValueError when it does not fit; the journal is then folded from its start."""
    state: Cluster = from_plain(Cluster, json.loads(text))
    return state


def _json(value: Any) -> str:
    return json.dumps(to_plain(value), ensure_ascii=False, separators=(",", ":"))
