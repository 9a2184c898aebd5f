"""A Flower app that somebody wrote: a folder with a pyproject.toml that names its ClientApp. What it is, by digest.

Its code never travels. The host's run file and each owner's consent name the same digest, made from the same folder
that both got by other means (a git clone, a stick). Only the kinds of files that Flower's own bundles take count.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import OwnerMustAct
from shared.ids import Digest

Scalar = bool | int | float | str
SUFFIXES = frozenset({".py", ".toml", ".md", ".json", ".yaml", ".yml"})
MAX_BYTES = 10 << 20  # as Flower's own bundles
INITIAL = "initial.safetensors"  # the arrays a run starts from, in the host's copy of the folder
_SKIPPED = re.compile(r"(^|/)(\.[^/]*|__pycache__|[^/]*\.egg-info)(/|$)")
_OBJECT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class App:
    """One folder as it is now."""

    name: str
    digest: Digest
    client: str  # module:object
    config: Mapping[str, Scalar]  # [tool.flwr.app.config], nested names joined with dots
    files: tuple[str, ...]


def read(folder: Path) -> App:
    """Look at the folder. Raises OwnerMustAct naming what is missing or does not belong."""
    if not (folder / "pyproject.toml").is_file():
        raise OwnerMustAct(f"{folder} is not a Flower app: it has no pyproject.toml.")
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        told = project["tool"]["flwr"]["app"]
        client, name = str(told["components"]["clientapp"]), str(project["project"]["name"])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OwnerMustAct(f"{folder / 'pyproject.toml'} cannot be read: {error}.") from error
    except (KeyError, TypeError) as error:
        raise OwnerMustAct(
            f"{folder / 'pyproject.toml'} does not describe a Flower app: it lacks {error} "
            "(it needs project.name and tool.flwr.app.components.clientapp)."
        ) from error
    if not _OBJECT.fullmatch(client) or not name.isprintable() or len(name) > 100:
        raise OwnerMustAct(f"{folder / 'pyproject.toml'} names no ClientApp as MODULE:OBJECT.")
    found = files(folder)
    return App(name, _digest(found), client, dict(_flat(told.get("config", {}))), tuple(found))


def files(folder: Path) -> dict[str, Path]:
    """What counts, by name relative to the folder, sorted. Raises OwnerMustAct for links and for too much."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _SKIPPED.search(name) or path.suffix not in SUFFIXES:
            continue
        if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
            raise OwnerMustAct(f"{path} is a link; an app is pinned by what lies in its own folder.")
        if path.is_file():
            found[name] = path
    total = sum(path.stat().st_size for path in found.values())
    if total > MAX_BYTES:
        raise OwnerMustAct(f"{folder} holds {total:,} bytes of code and settings; an app has at most {MAX_BYTES:,}.")
    return found


def _digest(found: Mapping[str, Path]) -> Digest:
    whole = hashlib.sha256()
    for name, path in sorted(found.items()):
        whole.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return Digest(whole.hexdigest())


def _flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Scalar]]:
    flat: list[tuple[str, Scalar]] = []
    for key, value in config.items():
        if isinstance(value, dict):
            flat += _flat(value, f"{prefix}{key}.")
        elif isinstance(value, Scalar):
            flat.append((prefix + key, value))
    return flat
