"""A fit in DeepSpeed's words. A plain function, so what a card would get can be looked at on any PC."""

from __future__ import annotations

from typing import Any

from node.logic.fit import Fit
from node.logic.memory import BUCKET, LIVE, STEPPED
from node.train.job import Deal
from shared.job import Job

REPLICATED = 100_000  # values; in ZeRO-3 a parameter smaller than this stays whole on every rank


def configuration(job: Job, fit: Fit, share: Deal, precision: str, on_card: bool, pinned: bool) -> dict[str, Any]:
    """What `deepspeed.initialize` is given. `pinned`: main memory may be locked for the card's copies.

    fp16 scales its loss by 2^16 at first; each overflow halves the scale, a thousand good steps double it.
    """
    zero: dict[str, Any] = {
        "stage": fit.zero,
        "overlap_comm": on_card,
        "contiguous_gradients": True,
        "reduce_bucket_size": BUCKET,
        "allgather_bucket_size": BUCKET,
        "sub_group_size": STEPPED,
        "stage3_prefetch_bucket_size": 20_000_000,
        "stage3_max_live_parameters": LIVE,
        "stage3_param_persistence_threshold": REPLICATED,
    }
    if job.lora is not None:
        # At the default, a 128-token LoRA step of a 135 M model took 11 to 17 s instead of 1.4 (measured on a CPU).
        zero["stage3_max_reuse_distance"] = 0
    words: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": share.micro,
        "gradient_accumulation_steps": share.micro_batches,
        "gradient_clipping": job.clip,
        "bf16": {"enabled": precision == "bf16"},
        "fp16": {"enabled": precision == "fp16", "loss_scale": 0, "initial_scale_power": 16, "hysteresis": 1},
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 1_000_000_000,
    }
    if fit.offload:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": pinned}
    if fit.offload in ("parameters", "disk"):
        zero["offload_param"] = {"device": "cpu", "pin_memory": pinned}
    if fit.offload == "disk":
        zero["offload_optimizer"] |= {"device": "nvme", "nvme_path": fit.folder, "buffer_count": 4}
        words["aio"] = {
            "block_size": 1 << 18, "queue_depth": 8, "single_submit": False, "overlap_events": True,
            "intra_op_parallelism": 1,
        }  # fmt: skip
    return words
