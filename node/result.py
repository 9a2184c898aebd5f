"""The result on this PC: the newest model of a run as a Hugging Face folder that any tool loads. No numpy, no torch."""

from __future__ import annotations

import json
import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node import bases
from node.blobs_link import BlobsLink, in_thread
from node.connection import connect
from node.home import cache
from node.logic import bounds
from node.newest import Progress, fetch_all, find_run
from node.sent import Sent
from node.store.database import connect as open_database
from shared import job as job_
from shared.blobs import Blobs
from shared.children import Child
from shared.disk import private_folder, replacing, write
from shared.errors import OwnerMustAct, PeerMisbehaved
from shared.ids import Digest
from shared.job import Job

_HEADER = 64 << 20  # bytes; the longest header of a file we would believe


@dataclass(frozen=True, slots=True)
class Result:
    """What was fetched: `base` is always a whole model; `tuned` is an adapter's folder or a whole model's."""

    run: str
    round: int
    rounds: int
    base: Path
    tuned: Path
    adapter: bool


async def fetch(home: Path, run: str, to: Path | None, progress: Progress) -> Result:
    """The newest committed model of `run` (empty: the only one), laid out in `to` or under the node's home."""
    blobs = Blobs(home / "result" / "blobs")
    database = open_database(home / "state.db")
    line = await connect(home)
    try:
        sent = Sent(database)
        link = BlobsLink(blobs, sent)
        found = await find_run(line, run, sent)
        model, job = Digest(found.model), Digest(found.job)
        await in_thread(lambda: _adopt([job, model], home, blobs))
        await fetch_all(link, line, {job: bounds.JOB}, progress)
        read = job_.parse(blobs.read(job))
        await in_thread(lambda: _adopt(list(read.files.values()), home, blobs))
        await bases.provide(read, blobs, cache(), home / "log" / "models.log")
        await fetch_all(link, line, bounds.of_run(read, model), progress)
    finally:
        await line.close()
        database.close()
    folder = private_folder(to or home / "result" / found.run)
    tuned = await in_thread(lambda: lay_out(read, blobs, model, folder))
    blobs.keep_only({job, model, *read.files.values()})
    write(folder / "round.json", _json({"round": found.round, "rounds": found.rounds}), 0o644)
    progress(1.0, "")
    return Result(found.run, found.round, found.rounds, folder / "base", tuned, read.lora is not None)


def earlier(home: Path, run: str) -> Result | None:
    """What was fetched before and lies under the node's home: of `run`, or the newest of all."""
    folders = [home / "result" / run] if run else sorted((home / "result").glob("*/round.json"), key=_age)
    for folder in folders:
        folder = folder.parent if folder.name == "round.json" else folder
        adapter, whole = folder / "adapter", folder / "model"
        if (folder / "round.json").exists() and (adapter.is_dir() or whole.is_dir()):
            told = json.loads((folder / "round.json").read_bytes())
            tuned = adapter if adapter.is_dir() else whole
            return Result(folder.name, told["round"], told["rounds"], folder / "base", tuned, adapter.is_dir())
    return None


def _age(path: Path) -> float:
    return -path.stat().st_mtime


async def merge(home: Path, result: Result) -> Path:
    """Fold the adapter into its base, in a child. A whole model is merged already."""
    if not result.adapter:
        return result.tuned
    out = result.tuned.with_name("merged")
    arguments = ["merge", "--base", str(result.base), "--adapter", str(result.tuned), "--out", str(out)]
    log = home / "log" / "models.log"
    child = await Child.start("shared.models", arguments, log)
    try:
        async for words in child.facts():
            if words.get("fact") == "merged":
                return Path(str(words["folder"]))
            if words.get("fact") == "failed":
                raise OwnerMustAct(str(words["sentence"]))
    finally:
        await child.stop()
    raise OwnerMustAct(f"Merging failed (exit code {child.returncode}); {log} says more.")


def _adopt(wanted: list[Digest], home: Path, blobs: Blobs) -> None:
    """What the agent has need not be fetched again; it is linked here, for the agent collects its own garbage."""
    for digest in wanted:
        theirs = home / "blobs" / digest[:2] / digest
        if not blobs.has(digest) and theirs.exists():
            own = blobs.root / "partial" / f"{digest}.own"
            bases.link_or_copy(theirs, own)
            blobs.adopt(own, digest)


def lay_out(job: Job, blobs: Blobs, model: Digest, folder: Path) -> Path:
    """`folder`/base, and `folder`/adapter or `folder`/model beside it. Returns the latter.

    The folder may be moved: nothing in it names the place where it lies. An adapter's folder also shows its base's
    configuration and weights, so that transformers finds the whole model in it.
    """
    base = folder / "base"
    bases.furnish(base, job, blobs)
    tuned = private_folder(folder / ("model" if job.lora is None else "adapter"))
    for name in job.files:
        weights = name.endswith((".safetensors", ".safetensors.index.json"))
        if weights and job.lora is not None:
            _show(base / name, tuned / name)
        elif not weights and (job.lora is not None or name != "config.json"):
            bases.link_or_copy(base / name, tuned / name)
    if job.app is not None:  # arrays are all there is
        save_for_others(blobs.require(model), tuned / "model.safetensors")
    elif job.lora is None:
        config = json.loads((base / "config.json").read_bytes())
        write(tuned / "config.json", _json({**config, "dtype": "float32", "torch_dtype": "float32"}), 0o644)
        save_for_others(blobs.require(model), tuned / "model.safetensors")
    else:
        write(tuned / "adapter_config.json", _json(_adapter_config(job)), 0o644)
        save_for_others(blobs.require(model), tuned / "adapter_model.safetensors")
    return tuned


def save_for_others(blob: Path, target: Path) -> None:
    """The same values under a header that says `pt`, which transformers asks for; copied, never held in memory."""
    with open(blob, "rb") as source:
        try:
            (length,) = struct.unpack("<Q", source.read(8))
            if length > _HEADER:
                raise ValueError("its header is too long")
            header = {"__metadata__": {"format": "pt"}, **json.loads(source.read(length))}
        except (ValueError, struct.error, TypeError) as error:
            raise PeerMisbehaved(f"The model that was fetched is not a safetensors file ({error}).") from error
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with replacing(target, 0o644) as file:
            file.write(struct.pack("<Q", len(text)) + text)
            shutil.copyfileobj(source, file, 1 << 20)


def _show(file: Path, beside: Path) -> None:
    """A relative symbolic link, which moves along and takes no room when copied; else a hard link or a copy."""
    beside.unlink(missing_ok=True)
    try:
        beside.symlink_to(os.path.relpath(file, beside.parent))
    except OSError:  # Windows without the right, or a disk without links
        bases.link_or_copy(file, beside)


def _adapter_config(job: Job) -> dict[str, Any]:
    """For peft: which layers have an adapter is read off the tensors' names (`...q_proj.lora_A.weight`)."""
    return {
        "base_model_name_or_path": "../base",
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": job.lora_alpha,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": job.lora,
        "target_modules": sorted({tensor.name.split(".")[-3] for tensor in job.tensors}),
        "task_type": "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": False,
    }


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"
