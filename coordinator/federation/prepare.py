"""The first thing a run needs: its job, its base model as blobs, and the trainable values everybody starts from."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coordinator.federation import app
from coordinator.federation.app import AppModel
from coordinator.federation.carrier import Store
from coordinator.federation.choose import Spec, mods, travel
from coordinator.federation.stock import require_memory
from shared.blobs import Blobs, digest_of
from shared.codec import safe
from shared.codec.bf16 import Float32
from shared.disk import require_space, sync_folder
from shared.errors import PeerMisbehaved
from shared.ids import Digest, RunId
from shared.job import Job, TensorSpec, dump, parse
from shared.models import initial, materialise, trainables, warm_start
from shared.models.folder import check, travelling
from shared.models.trainables import Recipe


@dataclass(frozen=True, slots=True)
class Prepared:
    job: Digest
    model: Digest


def prepare(run: RunId, spec: Spec, folder: str, cache: Path, blobs: Blobs) -> Prepared:
    """Publish everything a node must fetch. The same run and files give the same digests.

    `folder` is where relative model paths start. Raises OwnerMustAct in words.
    """
    update, codec = travel(spec)
    if app.is_app(spec["model"]):
        return _prepare_app(run, spec, app.load(spec["model"], folder), blobs)
    source = spec.get("warm_start")
    base = warm_start(spec["model"], source, folder, cache) if source else materialise(spec["model"], folder, cache)
    recipe: Recipe = spec["recipe"]
    tensors = trainables(check(base), recipe)
    store = Store(blobs, run, tensors, codec)
    if update == "weights":
        strategy = spec["strategy"]
        require_memory(strategy["name"], strategy.get("parameters", {}), tensors, spec["quorum"])
    files = {name: _publish(path, store, cache) for name, path in travelling(base).items()}
    job = _job(run, spec, files, tensors)
    return Prepared(blobs.put(dump(job)), _start(store, initial(base, recipe, tensors, _seed(run))))


def _prepare_app(run: RunId, spec: Spec, model: AppModel, blobs: Blobs) -> Prepared:
    """Nothing travels but the arrays and the app's digest."""
    spec = {**spec, "model": f"Flower app {model.app.name}", "recipe": {"kind": "full"}}
    job = _job(run, spec, {}, model.tensors, model.app.digest)
    return Prepared(blobs.put(dump(job)), _start(Store(blobs, run, model.tensors, "fp32"), model.initial()))


def _job(
    run: RunId, spec: Spec, files: dict[str, Digest], tensors: tuple[TensorSpec, ...], foreign: Digest | None = None
) -> Job:
    update, codec = travel(spec)
    rank = spec["recipe"].get("rank") if spec["recipe"]["kind"] == "lora" else None
    job = Job(
        run=run,
        name=spec["run"],
        rounds=spec["rounds"],
        base=f"{spec['model']} started from {spec['warm_start']}" if spec.get("warm_start") else spec["model"],
        files=files,
        lora=rank,
        lora_alpha=(spec["recipe"].get("alpha") or 2 * rank) if rank else 0,
        lora_targets=tuple(spec["recipe"].get("targets") or ()),
        tensors=tensors,
        update=update,
        codec=codec,
        betas=(float(spec["betas"][0]), float(spec["betas"][1])),
        mods=mods(spec),
        app=foreign,
        evaluate=bool(spec["evaluate"]),
        **{key: spec[key] for key in ("sequence", "batch", "steps", "seconds", "evaluate_tokens")},
        **{key: spec[key] for key in ("dropout", "label_smoothing", "attention", "curriculum") if key in spec},
        **{key: spec[key] for key in ("lr", "schedule", "warmup", "weight_decay", "clip")},
    )
    if parse(dump(job)) != job:  # what a node will make of it
        raise PeerMisbehaved("The run's description does not survive being written and read.")
    return job


def _publish(file: Path, store: Store, cache: Path) -> Digest:
    """Put a file of the base model among the blobs: linked when it is ours (the cache), else copied."""
    with store.spooled(file.name) as spooled:
        spooled.unlink(missing_ok=True)
        if not (file.is_relative_to(cache) and _linked(file, spooled)):
            require_space(store.blobs.root, file.stat().st_size, f"a copy of {file.name}")
            shutil.copyfile(file, spooled)
            with open(spooled, "rb") as copy:
                os.fsync(copy.fileno())
            sync_folder(spooled.parent)
        digest = digest_of(spooled)
        return digest if store.blobs.has(digest) else store.blobs.adopt(spooled, digest)


def _linked(file: Path, target: Path) -> bool:
    try:
        os.link(file, target)
    except OSError:  # another disk, or one without links
        return False
    return True


def _seed(run: RunId) -> int:
    """Chance depends on the run alone."""
    return int.from_bytes(hashlib.sha256(run.encode()).digest()[:4], "big")


def _start(store: Store, values: Iterator[tuple[str, Float32]]) -> Digest:
    """The first values of everything that is trained."""
    where = safe.layout(store.tensors, "fp32")
    require_space(store.blobs.root, where.size, "the first model")
    with store.spooled("model") as path:
        digest = safe.write(path, values, where)
        safe.finite(path, where)
        return store.blobs.adopt(path, digest)
