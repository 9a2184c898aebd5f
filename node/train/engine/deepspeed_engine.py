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
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn

from node.logic.fit import Fit
from node.train import machine
from node.train.engine import MicroBatch, Stepped, Weights, extensions, moments
from node.train.engine.deepspeed_config import configuration
from node.train.engine.gathering import gathered
from node.train.engine.loss import token_losses
from node.train.engine.moments import Piece
from node.train.engine.optimizer import adamw, forget_state
from node.train.job import Deal
from node.train.model import trainables
from node.train.ranks import Ranks
from shared.disk import private_folder
from shared.errors import OwnerMustAct
from shared.ids import Digest
from shared.job import Job

SCALE = ("cur_scale", "cur_iter", "last_overflow_iter", "cur_hysteresis")  # of DeepSpeed's loss scaler


class DeepSpeedEngine:
    """Keeps the promises of `Engine`, sharded."""

    def __init__(
        self, model: nn.Module, job: Job, fit: Fit, share: Deal, ranks: Ranks, device: torch.device, precision: str
    ) -> None:
        deepspeed = _without_a_compiler(device)
        ranks.connect()
        deepspeed.init_distributed(verbose=False)
        assert fit.zero, "the caller chooses a stage"
        self.name = f"deepspeed zero-{fit.zero}" + (f", {fit.offload} offloaded" if fit.offload else "")
        self._stage, self._ranks, self._device, self._share = fit.zero, ranks, device, share
        self._trainables, self._precision, self._smoothing = trainables(model), precision, job.label_smoothing
        self._shapes = {name: _shape(parameter) for name, parameter in self._trainables.items()}
        self._on_disk = fit.offload == "disk"
        self._hooks: list[Any] = []
        on_card = device.type == "cuda"
        if fit.offload == "disk":
            fit = replace(fit, folder=str(_ready(Path(fit.folder or ""), ranks)))
        fast = extensions.fast_adam() if fit.offload and on_card else None
        self._engine: Any = deepspeed.initialize(
            model=model,
            optimizer=adamw(self._trainables.values(), job, fit.optimizer, fast),
            config=configuration(job, fit, share, precision, on_card, on_card and not machine.is_wsl()),
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
        if self._on_disk:
            yield from self._read_from_disk()
        else:
            yield from gathered(self._shapes, self._pieces(), self._ranks, self._device)

    def load_weights(self, weights: Iterable[tuple[str, Weights]]) -> None:
        """Masters and working copies are cut from the same values: each rank touches its own part of the file only."""
        pieces = {} if self._on_disk else {piece.name: piece for piece in self._pieces()}
        with torch.no_grad():
            for name, values in weights:
                parameter, whole = self._trainables[name], torch.from_numpy(values)
                if piece := pieces.get(name):
                    part = whole.view(-1)[piece.start : piece.start + piece.count]
                    piece.master.view(-1).narrow(0, piece.offset, piece.count).copy_(part)
                if self._stage < 3:
                    parameter.data.copy_(whole)
                    continue
                shard: torch.Tensor = parameter.ds_tensor
                part = _part(whole, shard.numel(), self._ranks.rank)
                shard.data[: part.numel()].copy_(part)
                if self._on_disk:
                    self._zero.set_local_hp_param(functional.pad(part, (0, shard.numel() - part.numel())), parameter)
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
        if not self._on_disk:
            forget_state(self._zero.optimizer)
            return
        for group, master in enumerate(self._masters()):  # one at a time is what there is room for
            swapped = self._zero._swappable_optimizer_subgroup(group)
            if swapped:
                self._zero._optimizer_states_and_gradient_swap_in(group)
            for name, value in self._zero.optimizer.state[master].items():
                self._zero.optimizer.state[master][name] = value.zero_() if torch.is_tensor(value) else 0
            if swapped:
                self._zero._optimizer_states_and_gradient_swap_out(group)

    def save_optimizer(self, path: Path) -> Digest:
        """What lies on a disk is not kept: after a restart Adam starts afresh there."""
        scale = {name: getattr(self._zero.loss_scaler, name) for name in SCALE} if self._precision == "fp16" else {}
        return moments.save(self._zero.optimizer, [] if self._on_disk else self._pieces(), path, scale)

    def load_optimizer(self, paths: Sequence[Path]) -> None:
        if self._on_disk:
            self.forget()
        else:
            for name, value in moments.load(self._zero.optimizer, self._pieces(), paths).items():
                if name in SCALE:  # else it is another engine's
                    setattr(self._zero.loss_scaler, name, value)

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
        if getattr(zero, "cpu_offload", False) or getattr(zero, "offload_optimizer", False):
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

    def _read_from_disk(self) -> Iterator[tuple[str, Weights]]:
        """DeepSpeed brings a master back, and puts it away again, for each parameter."""
        for name, parameter in self._trainables.items():
            whole = self._zero.get_full_hp_param(parameter)
            yield name, whole.cpu().numpy() if self._ranks.leads else np.empty(0, np.float32)


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


def _ready(folder: Path, ranks: Ranks) -> Path:
    """The part of the owner's folder that is ours, emptied. Raises OwnerMustAct when it cannot be used."""
    extensions.require_disk(folder)
    ours = folder / "potluck-optimizer"
    if ranks.leads:
        shutil.rmtree(ours, ignore_errors=True)
        private_folder(ours)
    ranks.wait()
    return ours


def _pull(parameter: nn.Parameter, anchor: torch.Tensor, strength: float) -> Callable[[torch.Tensor], torch.Tensor]:
    there = anchor.to(parameter.device)
    return lambda gradient: gradient + (strength * (parameter.detach().float() - there)).to(gradient.dtype)


def _shape(parameter: nn.Parameter) -> tuple[int, ...]:
    return tuple(getattr(parameter, "ds_shape", parameter.shape))


def _part(whole: torch.Tensor, size: int, rank: int) -> torch.Tensor:
    """Rank `rank`'s values of those that are cut into shards of `size`; the last shards may be padded."""
    return whole.view(-1)[rank * size : (rank + 1) * size]
