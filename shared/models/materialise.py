"""From the word after `model:` in a run file to a Hugging Face folder on this PC.

Made once per PC, in the cache: under a lock, in a folder beside, then renamed. Several processes may ask at once.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from shared.disk import private_folder, turn
from shared.errors import OwnerMustAct
from shared.models import folder as model_folder
from shared.models import fresh, hub, smollm2
from shared.models.families import layout_of

EDITION = 2  # raised when the bytes we make change, so that an old cache is not taken for the new
PACKAGED = "smollm2-135m"


def materialise(model: str, folder: str, cache: Path) -> Path:
    """The folder of `model`: a package (smollm2-135m), a size (potluck-1b), a config file (x.json), a model of the hub
    (hf:ORG/NAME@COMMIT), or a model folder; relative paths start at `folder`.

    Raises OwnerMustAct when there is no such thing or it cannot be used.
    """
    if model == PACKAGED:
        return made(cache, model, smollm2.make)
    if model in fresh.SIZES:
        words = "bytes" if model == "potluck-tiny" or smollm2.installed() is None else "smollm2"
        return made(cache, f"{model}-{words}", lambda target: fresh.make_size(model, target))
    if hub.is_hub(model):
        name = re.sub(r"[^\w.-]", "--", model.removeprefix(hub.PREFIX))
        return made(cache, f"hub-{name}", lambda target: hub.lay_out(model, target))
    path = Path(folder, Path(model).expanduser()).resolve()
    if path.is_dir():
        model_folder.check(path)
        return path
    if path.is_file() and path.suffix == ".json":
        return made(cache, f"config-{_config_digest(path)}", lambda target: fresh.make_from_config(path, target))
    raise _no_such(model, path)


def require(model: str, folder: str) -> None:
    """Raise OwnerMustAct when `materialise` would; nothing is made and no weights are read."""
    path = Path(folder, Path(model).expanduser()).resolve()
    if model == PACKAGED:
        smollm2.require_installed()
    elif model in fresh.SIZES:
        return
    elif hub.is_hub(model):
        model_folder.check_config(hub.look(model), model)
    elif path.is_dir():
        model_folder.check(path)
    elif path.is_file() and path.suffix == ".json":
        fresh.read_config(path)
    else:
        raise _no_such(model, path)


def context(model: str, folder: str) -> int:
    """The longest sequence that `model` takes, in tokens; nothing is made. `require` comes first."""
    if model == PACKAGED:
        return smollm2.CONTEXT
    if model in fresh.SIZES:
        return layout_of(fresh.size_config(model)).context
    if hub.is_hub(model):
        return layout_of(hub.look(model)).context
    path = Path(folder, Path(model).expanduser()).resolve()
    return layout_of(model_folder.check(path) if path.is_dir() else fresh.read_config(path)).context


def default_cache() -> Path:
    """Where made models lie, for all homes on this PC."""
    return Path(os.environ.get("POTLUCK_CACHE") or Path.home() / ".cache" / "potluck")


def usual_tokenizer(cache: Path) -> Path | None:
    """SmolLM2's tokenizer.json, for counting tokens before a run brings its own; None where not installed."""
    if smollm2.installed() is None:
        return None
    return made(cache, "smollm2-tokenizer", smollm2.make_tokenizer, whole=False) / "tokenizer.json"


def _no_such(model: str, path: Path) -> OwnerMustAct:
    names = ", ".join([PACKAGED, *sorted(fresh.SIZES)])
    return OwnerMustAct(
        f"There is no model {model}: neither a folder {path} nor one of {names}. "
        "One of the hub is written hf:ORG/NAME@COMMIT."
    )


def made(cache: Path, name: str, make: Callable[[Path], None], *, whole: bool = True) -> Path:
    """The folder `name` in the cache, filled by `make` where it is not there yet; `whole`: with a model to check."""
    target = cache / "models" / f"{name}.{EDITION}"
    if target.is_dir():
        return target
    private_folder(target.parent)
    with turn(target.with_name(f"{target.name}.lock")):
        if not target.is_dir():  # another process may have made it while we waited
            beside = target.with_name(f".{target.name}.new")
            shutil.rmtree(beside, ignore_errors=True)
            private_folder(beside)
            make(beside)
            if whole:
                model_folder.check(beside)
            os.replace(beside, target)
    return target


def _config_digest(path: Path) -> str:
    tokenizer = path.with_name("tokenizer.json")
    parts = path.read_bytes() + (tokenizer.read_bytes() if tokenizer.is_file() else str(smollm2.installed()).encode())
    return hashlib.sha256(parts).hexdigest()[:12]
