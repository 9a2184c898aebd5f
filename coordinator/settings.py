"""What the coordinator needs to know before it starts: `settings.json` in its home, written by `init`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.disk import write
from shared.errors import OwnerMustAct

PORT = 7443  # mutual TLS; joining is on the next port


@dataclass(frozen=True, slots=True)
class Settings:
    cluster: str
    port: int = PORT
    bind: str = ""  # empty: every interface of this PC, IPv4 and IPv6
    addresses: tuple[str, ...] = ()  # where friends reach this PC from outside: "home.example.org:7443"

    @property
    def enrol_port(self) -> int:
        return self.port + 1


def home() -> Path:
    """The coordinator's folder: `$POTLUCK_HOME/coordinator`, by default under `~/.potluck`."""
    return Path(os.environ.get("POTLUCK_HOME") or Path.home() / ".potluck") / "coordinator"


def cache() -> Path:
    """Where models made from packages are kept, shared by every home on this PC."""
    return Path(os.environ.get("POTLUCK_CACHE") or Path.home() / ".cache" / "potluck")


def save(settings: Settings, folder: Path) -> None:
    write(folder / "settings.json", json.dumps(asdict(settings), indent=1).encode())


def load(folder: Path) -> Settings:
    """Raises OwnerMustAct when there is no coordinator in this folder yet, or its settings make no sense."""
    path = folder / "settings.json"
    if not path.exists():
        raise OwnerMustAct(f"There is no coordinator in {folder} yet. Make one: potluck coordinator init NAME")
    try:
        raw = json.loads(path.read_text())
        settings = Settings(
            cluster=str(raw["cluster"]),
            port=int(raw["port"]),
            bind=str(raw.get("bind", "")),
            addresses=tuple(str(address) for address in raw.get("addresses", ())),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise OwnerMustAct(f"{path} cannot be read ({error}). Mend it, or make a new coordinator elsewhere.") from error
    if not 1 <= settings.port <= 65534:
        raise OwnerMustAct(f"{path}: port {settings.port} is not between 1 and 65534.")
    return settings
