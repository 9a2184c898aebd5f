"""The result as a Hugging Face folder after each round, without torch: what `from_pretrained` loads.

LoRA: `adapter_model.safetensors` and `adapter_config.json`, with the base model in a folder beside (links to its
blobs). Full: `model.safetensors`, the configuration and the tokenizer. Each file is replaced all or nothing.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from shared.blobs import Blobs
from shared.codec import safe
from shared.disk import private_folder, replacing, size_words, write
from shared.ids import Digest
from shared.job import Job
from shared.models.folder import SMALL_FILES
from shared.models.trainables import adapter_config


def lay_out_base(job: Job, blobs: Blobs, folder: Path) -> Path:
    """The base model's folder, made of the run's blobs; done once."""
    private_folder(folder)
    for name, digest in job.files.items():
        if not (folder / name).exists():
            source, beside = blobs.require(digest), folder / f".{name}.new"
            beside.unlink(missing_ok=True)
            try:
                os.link(source, beside)
            except OSError:  # another disk, or one without links
                shutil.copyfile(source, beside)
            os.replace(beside, folder / name)
    return folder


def export(job: Job, blobs: Blobs, model: Digest, work: Path, told: Mapping[str, float]) -> Path:
    """Write `work`/model from the model blob; `told` is for the card. Returns the folder."""
    base, folder = lay_out_base(job, blobs, work / "base"), private_folder(work / "model")
    weights = blobs.require(model)
    if job.app is not None:  # arrays are all there is
        _save(weights, folder / "model.safetensors", job)
        return folder
    for name in SMALL_FILES:
        if name != "config.json" and (base / name).is_file():
            write(folder / name, (base / name).read_bytes(), 0o644)
    if job.lora is None:
        config = json.loads((base / "config.json").read_bytes())
        _write_json(folder / "config.json", {**config, "dtype": "float32", "torch_dtype": "float32"})
        _save(weights, folder / "model.safetensors", job)
    else:
        recipe = adapter_config({"kind": "lora", "rank": job.lora, "alpha": job.lora_alpha}, str(base.resolve()))
        _write_json(folder / "adapter_config.json", recipe)
        _save(weights, folder / "adapter_model.safetensors", job)
    write(folder / "README.md", _card(job, model, told).encode(), 0o644)
    return folder


def _save(blob: Path, target: Path, job: Job) -> None:
    """The same values under a header that says `pt`, which transformers asks for; copied, never held in memory."""
    where = safe.check(blob, job.tensors, "fp32")
    with open(blob, "rb") as source, replacing(target, 0o644) as file:
        file.write(safe.layout(job.tensors, "fp32", {"format": "pt"}).header)
        source.seek(len(where.header))
        shutil.copyfileobj(source, file, 1 << 20)


def _card(job: Job, model: Digest, told: Mapping[str, float]) -> str:
    """A model card in plain words."""
    what = "every weight" if job.lora is None else f"a LoRA adapter of rank {job.lora} and alpha {job.lora_alpha}"
    sent = "the differences they made" if job.update == "difference" else "their weights"
    inexact = (
        "- The two halves of the adapter (A and B) are averaged apart. The mean of their products would be exact;\n"
        "  this is an approximation, as in most federated LoRA.\n"
    )
    return f"""---
library_name: {"transformers" if job.lora is None else "peft"}
tags: [potluck, federated]
---

# {job.name}

Friends trained {what} of {job.base} together. Each trained on their own PC, on their own texts; only {sent}
travelled, and their mean, weighted by tokens, became this model.

- round {told["round"]:.0f} of {job.rounds}: {told["nodes"]:.0f} PCs, {told["tokens"]:,.0f} tokens,
  {size_words(told["bytes"])} received
- sequences of {job.sequence} tokens, {job.batch} tokens a step, learning rate {job.lr:g} ({job.schedule})
- values as they travelled: SHA-256 {model}

## What to know before using it

{"" if job.lora is None else inexact}- That no text travelled does not mean that the model cannot recite some.
- The licence and the limits of the base model hold for this one too.
"""


def _write_json(path: Path, value: object) -> None:
    write(path, json.dumps(value, indent=2, sort_keys=True).encode() + b"\n", 0o644)
