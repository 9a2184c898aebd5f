"""Flower apps that the owner allowed on this PC: a copy of each, pinned by digest, and the owner's settings for it."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared import apps
from shared.apps import App, Scalar
from shared.disk import private_folder, write
from shared.errors import OwnerMustAct
from shared.ids import Digest

_CONSENT = "consent.json"
_CODE = "code"


@dataclass(frozen=True, slots=True)
class Allowed:
    """One consent."""

    app: App
    code: Path
    config: dict[str, Scalar]  # Flower's node_config: what is particular to this PC


def allow(home: Path, folder: Path, app: App, config: dict[str, Scalar], now: datetime) -> Allowed:
    """Copy the files of `app`, which the owner was shown, and note the consent.

    Raises OwnerMustAct when the folder is no longer what was shown.
    """
    place = private_folder(home / "apps") / app.digest
    beside = place.with_name(f".{app.digest}.new")
    shutil.rmtree(beside, ignore_errors=True)
    for name, path in apps.files(folder).items():
        target = beside / _CODE / name
        private_folder(target.parent)
        shutil.copyfile(path, target)
    consent = {"name": app.name, "digest": app.digest, "config": config, "at": now.isoformat(timespec="seconds")}
    write(beside / _CONSENT, json.dumps(consent, indent=2).encode() + b"\n")
    if apps.read(beside / _CODE).digest != app.digest:
        shutil.rmtree(beside)
        raise OwnerMustAct(f"{folder} was changed while you were asked; nothing was allowed. Look at it again.")
    forget(home, app.digest)
    beside.rename(place)
    return _checked(place, app.digest)


def find(home: Path, digest: Digest) -> Allowed:
    """The app with that digest, its files looked at anew. Raises OwnerMustAct when there is no consent."""
    place = home / "apps" / digest
    if not (place / _CONSENT).is_file():
        raise OwnerMustAct(
            f"This run uses a Flower app that was not allowed on this PC (digest {digest[:12]}...). "
            "If you have its folder and trust it: potluck node allow-app FOLDER"
        )
    return _checked(place, digest)


def listed(home: Path) -> list[dict[str, object]]:
    """Every consent on this PC."""
    return [json.loads(path.read_bytes()) for path in sorted((home / "apps").glob(f"[0-9a-f]*/{_CONSENT}"))]


def forget(home: Path, digest: str) -> bool:
    """Take a consent back: by the digest or its beginning. False: there is none.

    Raises OwnerMustAct when several begin like that.
    """
    found = [path for path in (home / "apps").glob("[0-9a-f]*") if digest and path.name.startswith(digest)]
    if len(found) > 1:
        several = ", ".join(f"{path.name[: len(digest) + 8]}..." for path in sorted(found))
        raise OwnerMustAct(f"{len(found)} allowed apps begin with {digest!r}: {several}. Write more of it.")
    for path in found:
        shutil.rmtree(path)
    return bool(found)


def settings(pairs: list[str]) -> dict[str, Scalar]:
    """`["partition-id=0", "city=Bonn"]` as Flower reads node settings: TOML values, anything else is text."""
    found: dict[str, Scalar] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not key or not equals:
            raise OwnerMustAct(f"{pair!r} is not a setting; write NAME=VALUE.")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        found[key] = value if isinstance(value, Scalar) else text
    return found


def _checked(place: Path, digest: Digest) -> Allowed:
    app = apps.read(place / _CODE)
    if app.digest != digest:
        raise OwnerMustAct(
            f"The files of {app.name} under {place} are not those that were allowed: potluck node allow-app FOLDER"
        )
    return Allowed(app, place / _CODE, json.loads((place / _CONSENT).read_bytes())["config"])
