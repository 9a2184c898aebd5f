"""The bare script that the trainer is held against: transformers, DeepSpeed, AdamW, a loop; nothing of ours in it.

`python -m tests.benchmarks.bare_deepspeed BASE DATA SETTINGS.json`: for each line on standard input it does a burst of
steps, and prints {"step", "tokens"} after each. The tokens are read as the trainer's are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import deepspeed
import deepspeed.ops
import numpy as np
import torch
import torch.nn.functional as functional
from transformers import LlamaForCausalLM

from node.data.tokens import collect


def main(base: Path, data: Path, settings: dict[str, Any]) -> None:
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # it wants a compiler
    model = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="sdpa", use_cache=False)
    optimizer = torch.optim.AdamW(groups(model), lr=settings["lr"], betas=(0.9, 0.95), eps=1e-8, fused=True)
    engine = deepspeed.initialize(model=model, optimizer=optimizer, config=configuration(settings))[0]
    engine.train()
    tokens = collect([data], base / "tokenizer.json").texts[0].ids
    rows, length, at = settings["micro"], settings["sequence"], 0
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        for step in range(1, settings["steps"] + 1):
            for _ in range(settings["micro_batches"]):
                starts = [(at + row * length) % (len(tokens) - length - 1) for row in range(rows)]
                ids = torch.from_numpy(np.stack([tokens[s : s + length + 1] for s in starts]).astype(np.int64))
                logits = engine(input_ids=ids[:, :-1]).logits
                engine.backward(functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()))
                engine.step()
                at += rows * length
            done = {"step": step, "tokens": step * settings["micro_batches"] * rows * length}
            print(json.dumps(done), flush=True)


def groups(model: torch.nn.Module) -> list[dict[str, Any]]:
    return [
        {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]


def configuration(settings: dict[str, Any]) -> dict[str, Any]:
    """The trainer's settings on a CPU, in DeepSpeed's words."""
    return {
        "train_micro_batch_size_per_gpu": settings["micro"],
        "gradient_accumulation_steps": settings["micro_batches"],
        "gradient_clipping": 1.0,
        "zero_optimization": {
            "stage": settings["zero"], "overlap_comm": False, "contiguous_gradients": True,
            "reduce_bucket_size": 50_000_000, "allgather_bucket_size": 50_000_000,
            "stage3_prefetch_bucket_size": 20_000_000, "stage3_max_live_parameters": 300_000_000,
            "stage3_param_persistence_threshold": 100_000,
        },
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 1_000_000_000,
    }  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text()))
