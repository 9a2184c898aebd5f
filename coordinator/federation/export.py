"""The result after each round, with a model card: what `from_pretrained` loads, and what a person should know of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shared.blobs import Blobs
from shared.disk import size_words, write
from shared.ids import Digest
from shared.job import Job
from shared.result import lay_out


def export(job: Job, blobs: Blobs, model: Digest, work: Path, told: Mapping[str, float]) -> Path:
    """Write `work`/model from the model blob; `told` is for the card. Returns the folder."""
    folder = work / "model"
    lay_out(job, blobs, model, work / "base", folder)
    write(folder / "README.md", _card(job, model, told).encode(), 0o644)
    return folder


def _card(job: Job, model: Digest, told: Mapping[str, float]) -> str:
    """A model card in plain words."""
    if job.app is not None:
        return f"""# {job.name}

Friends ran the {job.base} (digest {job.app}) together, each on their own PC. These are its arrays after round
{told["round"]:.0f} of {job.rounds}: {told["nodes"]:.0f} PCs, {told["tokens"]:,.0f} examples, SHA-256 {model}.
"""
    what = "every weight" if job.lora is None else f"a LoRA adapter of rank {job.lora} and alpha {job.lora_alpha}"
    sent = "the differences they made" if job.update == "difference" else "their weights"
    warnings = ""
    if job.lora is not None:
        warnings += (
            "- The two halves of the adapter (A and B) are averaged apart. The mean of their products would be exact;\n"
            "  this is an approximation, as in most federated LoRA.\n"
        )
    if job.attention == "block_sparse_anyway":
        warnings += (
            "- It was trained with block-sparse attention (blocks of 64: the last 3, the first, about 2 others).\n"
            "  The usual programs give it full attention, which it never met in training: it may be worse there.\n"
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

{warnings}- That no text travelled does not mean that the model cannot recite some.
- The licence and the limits of the base model hold for this one too.
"""
