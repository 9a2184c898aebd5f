"""A run around somebody's Flower app: `model: app:FOLDER`. Its arrays come from FOLDER/initial.safetensors, its digest
goes into the job, its code stays where it is: every owner must have allowed the same folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from shared import apps
from shared.apps import App
from shared.codec.bf16 import Float32
from shared.errors import OwnerMustAct
from shared.job import TensorSpec

PREFIX = "app:"


@dataclass(frozen=True, slots=True)
class AppModel:
    """What the run starts from."""

    app: App
    tensors: tuple[TensorSpec, ...]
    path: Path

    def initial(self) -> Iterator[tuple[str, Float32]]:
        with safe_open(self.path, "np") as file:
            for spec in self.tensors:
                yield spec.name, file.get_tensor(spec.name)


def is_app(model: str) -> bool:
    return model.startswith(PREFIX)


def load(model: str, folder: str) -> AppModel:
    """Relative paths start at `folder`. Raises OwnerMustAct."""
    place = Path(folder, model.removeprefix(PREFIX)).expanduser()
    app, path = apps.read(place), place / apps.INITIAL
    if not path.is_file():
        raise OwnerMustAct(
            f"{place} has no {apps.INITIAL}: save the arrays that the run starts from there (safetensors, float32)."
        )
    try:
        with safe_open(path, "np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  a file, not a dict
            tensors = tuple(TensorSpec(name, tuple(part.get_shape())) for name, part in sorted(slices.items()))
            odd = [name for name, part in slices.items() if part.get_dtype() != "F32"]
    except (SafetensorError, OSError) as error:
        raise OwnerMustAct(f"{path} is not a safetensors file ({error}).") from error
    if odd or not tensors or any(not spec.shape for spec in tensors):
        what = f"{odd[0]} is of another kind" if odd else "some have no dimension, or there are none"
        raise OwnerMustAct(f"The arrays in {path} must be float32 with at least one dimension: {what}.")
    return AppModel(app, tensors, path)
