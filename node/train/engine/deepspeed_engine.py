"""DeepSpeed: ZeRO stages 1 to 3 over the ranks of one PC, on cards or, without any compiler, on the CPU.

Putting weights into a live engine is the dangerous part. A parameter has up to three lives: the fp32 master (split over
the ranks), the working copy (16 bits, in ZeRO-3 split and padded), and, for small parameters of ZeRO-3, a replica on
every rank. All three must be set. Setting the working copy alone is undone by the next step; setting the master alone
trains on stale weights; DeepSpeed's own setter ignores the padding and fails with three ranks.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from node.train.engine import MicroBatch, Stepped, Weights, moments
from node.train.engine.loss import token_losses
from node.train.engine.moments import Piece
from node.train.engine.optimizer import adamw, forget_state
from node.train.job import Deal, Fit
from node.train.model import trainables
from node.train.ranks import Ranks
from shared.errors import OwnerMustAct
from shared.ids import Digest
from shared.job import Job

REPLICATED = 100_000  # values; in ZeRO-3 a parameter smaller than this stays whole on every rank


class DeepSpeedEngine:
    """Keeps the promises of `Engine`, sharded."""

    def __init__(
        self, model: nn.Module, job: Job, fit: Fit, share: Deal, ranks: Ranks, device: torch.device, precision: str
    ) -> None:
        deepspeed = _without_a_compiler(device)
        ranks.connect()
        deepspeed.init_distributed(verbose=False)
        assert fit.zero, "the caller chooses a stage"
        self.name = f"deepspeed zero-{fit.zero}"
        self._stage, self._ranks, self._device, self._share = fit.zero, ranks, device, share
        self._trainables, self._precision, self._smoothing = trainables(model), precision, job.label_smoothing
        self._hooks: list[Any] = []
        self._engine: Any = deepspeed.initialize(
            model=model,
            optimizer=adamw(self._trainables.values(), job, fit.optimizer),
            config=_config(job, fit, share, device, precision),
            dist_init_required=False,
        )[0]
        self._zero: Any = self._engine.optimizer
        self.forget()

    def step(self, micro_batches: Sequence[MicroBatch], tokens: int, lr: float) -> Stepped:
        assert len(micro_batches) == self._share.micro_batches
        self._engine.train()
        for group in self._zero.optimizer.param_groups:
            group["lr"] = lr
        loss = 0.0
        # DeepSpeed divides by the number of micro-batches and averages over ranks; we want the mean over tokens.
        undo = len(micro_batches) * self._ranks.world
        for number, batch in enumerate(micro_batches, start=1):
            losses = token_losses(self._engine, batch, self._device, self._smoothing)
            piece = losses.trained.sum() / tokens
            loss += float(losses.nats.detach().sum() / tokens)
            if number == len(micro_batches):
                loss = self._ranks.total([loss])[0]
                if not math.isfinite(loss):  # DeepSpeed looks at gradients only: make it see
                    piece = piece * math.nan
            self._engine.backward(piece * undo)
            self._engine.step()
        return Stepped(loss, float(self._engine.get_global_grad_norm() or 0.0), bool(self._zero.overflow))

    def loss_sum(self, batch: MicroBatch) -> torch.Tensor:
        self._engine.eval()
        with torch.no_grad():
            return token_losses(self._engine, batch, self._device).nats.cpu()

    def read_weights(self) -> Iterator[tuple[str, Weights]]:
        from deepspeed.utils import safe_get_full_fp32_param

        for name, parameter in self._trainables.items():
            whole = safe_get_full_fp32_param(parameter) if self._stage == 3 else self._assembled(parameter)
            yield name, whole.detach().float().cpu().numpy() if self._ranks.leads else np.empty(0, np.float32)

    def load_weights(self, weights: Iterable[tuple[str, Weights]]) -> None:
        from deepspeed.utils import safe_set_full_fp32_param, safe_set_local_fp32_param

        with torch.no_grad():
            for name, values in weights:
                parameter, whole = self._trainables[name], torch.from_numpy(values)
                if self._stage == 3:
                    shard: torch.Tensor = parameter.ds_tensor
                    part = _part(whole, shard.numel(), self._ranks.rank)
                    safe_set_local_fp32_param(parameter, part)
                    shard.data.copy_(part)
                else:
                    parameter.data.copy_(whole)
                    safe_set_full_fp32_param(parameter, whole)
            if self._stage == 3 and (replicas := self._zero.persistent_parameters):
                replicas[0].partition(replicas, has_been_updated=False)
                replicas[0].all_gather(replicas)

    def pull(self, strength: float, towards: Iterable[tuple[str, Weights]]) -> None:
        """A hook on each parameter adds to its gradient before DeepSpeed sees it: in ZeRO-3 the parameter is whole just
        then. DeepSpeed sums over micro-batches and averages over ranks."""
        for hook in self._hooks:
            hook.remove()
        if strength and self._precision == "fp16":
            raise OwnerMustAct(
                "FedProx needs bf16 or fp32 with DeepSpeed: with fp16 losses are scaled, the pull is not."
            )
        part = strength / self._share.micro_batches
        self._hooks = [
            self._trainables[name].register_hook(_pull(self._trainables[name], torch.from_numpy(whole), part))
            for name, whole in (towards if strength else ())
        ]

    def forget(self) -> None:
        forget_state(self._zero.optimizer)

    def save_optimizer(self, path: Path) -> Digest:
        return moments.save(self._zero.optimizer, self._pieces(), path)

    def load_optimizer(self, paths: Sequence[Path]) -> None:
        moments.load(self._zero.optimizer, self._pieces(), paths)

    def abandon(self) -> None:
        """What DeepSpeed does when it finds an overflow, in the middle of accumulating."""
        zero = self._zero
        self._engine.micro_steps -= self._engine.micro_steps % self._share.micro_batches
        zero.zero_grad(set_to_none=True)
        if self._stage == 3:
            zero._pre_step()
            zero.averaged_gradients = {}
        else:
            zero.micro_step_id = -1  # its own initial value
            zero._release_preflattened_grad_buffers()
            zero.averaged_gradients = dict.fromkeys(zero.averaged_gradients)
            zero.all_grad_tensors = dict.fromkeys(zero.all_grad_tensors)
        if getattr(zero, "cpu_offload", False):
            zero.reset_cpu_buffers()

    def _pieces(self) -> list[Piece]:
        """Where this rank keeps its part of each trainable; the padding of ZeRO-3's last shards belongs to none."""
        masters, found = self._masters(), []
        for name, parameter in self._trainables.items():
            if self._stage == 3:
                group, offset, length = self._zero.grad_position[parameter.ds_id]
                start = self._ranks.rank * length
                count = max(0, min(length, parameter.ds_numel - start))
                found.append(Piece(name, start, count, masters[group], offset))
            elif (mapping := parameter._hp_mapping) is not None:
                here, there = mapping.hp_fragment_address, mapping.lp_fragment_address
                found.append(Piece(name, there.start, there.numel, masters[mapping.param_group_index], here.start))
        return found

    def _masters(self) -> list[torch.Tensor]:
        """The flat fp32 tensors that the optimizer steps on, on this rank."""
        for name in ("fp32_partitioned_groups_flat", "single_partition_of_fp32_groups", "fp32_groups_flat_partition"):
            if hasattr(self._zero, name):
                return list(getattr(self._zero, name))
        raise AssertionError(f"an unknown DeepSpeed optimizer, {type(self._zero).__name__}")

    def _assembled(self, parameter: nn.Parameter) -> torch.Tensor:
        """ZeRO-1 and -2: the pieces of a master, added as integers so that every bit survives (-0.0, too)."""
        whole = torch.zeros(parameter.numel(), dtype=torch.float32, device=self._device)
        mapping: Any = parameter._hp_mapping
        if mapping is not None:
            place = mapping.lp_fragment_address
            whole[place.start : place.start + place.numel] = mapping.get_hp_fragment().to(self._device)
        if self._ranks.world > 1:
            dist.all_reduce(whole.view(torch.int32))
        return whole.view(parameter.shape)


def _without_a_compiler(device: torch.device) -> Any:
    """Import DeepSpeed; on a CPU keep it from compiling its shared-memory collective, which nothing here uses."""
    if device.type == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed
    import deepspeed.ops

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    if device.type == "cpu":
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed


def _config(job: Job, fit: Fit, share: Deal, device: torch.device, precision: str) -> dict[str, Any]:
    zero: dict[str, Any] = {
        "stage": fit.zero,
        "overlap_comm": device.type == "cuda",
        "contiguous_gradients": True,
        "reduce_bucket_size": 50_000_000,  # DeepSpeed's default of 5e8 values is 1 GB a bucket
        "allgather_bucket_size": 50_000_000,
        "stage3_prefetch_bucket_size": 20_000_000,
        "stage3_max_live_parameters": 300_000_000,
        "stage3_param_persistence_threshold": REPLICATED,
    }
    if job.lora is not None:
        # At the default, a 128-token LoRA step of a 135 M model took 11 to 17 s instead of 1.4 (measured on a CPU).
        zero["stage3_max_reuse_distance"] = 0
    if fit.offload:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": False}  # pinning fails under WSL2
    return {
        "train_micro_batch_size_per_gpu": share.micro,
        "gradient_accumulation_steps": share.micro_batches,
        "gradient_clipping": job.clip,
        "bf16": {"enabled": precision == "bf16"},
        "fp16": {"enabled": precision == "fp16"},
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 1_000_000_000,
    }


def _pull(parameter: nn.Parameter, anchor: torch.Tensor, strength: float) -> Callable[[torch.Tensor], torch.Tensor]:
    there = anchor.to(parameter.device)
    return lambda gradient: gradient + (strength * (parameter.detach().float() - there)).to(gradient.dtype)


def _part(whole: torch.Tensor, size: int, rank: int) -> torch.Tensor:
    """Rank `rank`'s shard of `size` values; the last ones are padded with zeros."""
    flat, start = whole.flatten(), rank * size
    part = torch.zeros(size, dtype=torch.float32)
    count = max(0, min(size, flat.numel() - start))
    part[:count] = flat[start : start + count]
    return part
