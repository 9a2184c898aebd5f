"""The workbench: what `open` lays ready for a job on every rank, and everything later needs."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from node.data.samples import Samples
from node.data.tokens import collect
from node.logic.fit import Fit
from node.train import attention, machine
from node.train.checkpoint import Checkpoints
from node.train.dropout import add_dropout
from node.train.engine import Engine, MicroBatch
from node.train.engine.deepspeed_engine import DeepSpeedEngine
from node.train.engine.torch_engine import TorchEngine
from node.train.feed import Feed, Start
from node.train.heat import Guard
from node.train.interrupt import MicroBatches, ask_in_layers
from node.train.job import Deal, deal, parse_fit
from node.train.measure import HeldOut, held_out
from node.train.model import build, size, trainables
from node.train.monitor import Monitor
from node.train.ranks import Ranks
from node.train.sensors import Sensors
from shared import job as jobs
from shared.errors import OwnerMustAct
from shared.job import Job


@dataclass(frozen=True, slots=True)
class Voice:
    """How a rank speaks and listens. Ranks other than 0 are silent and never halted: rank 0 tells them."""

    tell: Callable[[dict[str, Any]], None] = lambda words: None
    halted: Callable[[], bool] = lambda: False
    rest: Callable[[float], bool] = lambda seconds: False  # wait so long, or until halted
    ended: Callable[[], bool] = lambda: False

    def note(self, sentence: str) -> None:
        """Tell the owner something that stops nothing."""
        self.tell({"fact": "note", "sentence": sentence})


@dataclass(frozen=True, slots=True)
class Care:
    """How the owner wants this PC treated."""

    checkpoint_steps: int = 1000  # a checkpoint after so many steps, and at least every ten minutes
    heat_limit: float = 83.0  # °C; above it training slows down, then pauses


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that is ready. The same on every rank, but for the rank."""

    job: Job
    work: Path
    deal: Deal
    ranks: Ranks
    engine: Engine
    samples: list[Samples]
    held: HeldOut | None
    checkpoints: Checkpoints
    monitor: Monitor
    voice: Voice
    guard: Guard
    care: Care
    opened: dict[str, Any]  # the fact

    def feed(self, start: Start = Start()) -> Feed:  # noqa: B008  frozen
        """The windows from `start` on."""
        return Feed(self.samples, self.deal, self.ranks, start)

    def interruptible(self, batches: Sequence[MicroBatch]) -> MicroBatches:
        return MicroBatches(batches, self.ranks, self.voice.halted)

    @property
    def ledger(self) -> Path:
        return self.work / "reading.json"


def open_bench(words: dict[str, Any], ranks: Ranks, voice: Voice) -> Bench:
    """Collective. Read the job, its base and this PC's text; build the engine; time one step without learning from it.

    Raises PotluckError with a sentence when something is missing or does not fit together.
    """
    job_path, base, work = Path(words["job"]), Path(words["base"]), Path(words["work"])
    if not job_path.exists():
        raise OwnerMustAct(f"The run's description {job_path} is missing.")
    data = job_path.read_bytes()
    job = jobs.parse(data)
    fit = parse_fit(words.get("fit") or {}, job.lora is not None)
    if job.mods and job.update != "weights":
        raise OwnerMustAct(
            f"The run wants the mod {job.mods[0].name}, which works on whole weights; its strategy wants differences."
        )
    care = Care(**(words.get("care") or {}))
    tokens = collect([Path(folder) for folder in words["data"]], base / "tokenizer.json")
    apart = job.attention == "documents"
    samples = [Samples(text, job.sequence, job.curriculum, apart=apart) for text in tokens.texts]
    samples = [each for each in samples if len(each)]
    if not samples:
        raise OwnerMustAct("There is nothing to learn in your text: no word follows another. Add some more.")
    device = machine.device_for(ranks.rank)
    precision = machine.precision(fit.dtype, device)
    share = deal(job, fit, ranks.world, device.type == "cuda")
    fit = _engine_chosen(fit, ranks.world)
    # Plain torch keeps fp32 trainables and casts as it goes; DeepSpeed makes its own fp32 masters.
    half = machine.torch_type(precision) if fit.engine == "deepspeed" or job.lora is not None else torch.float32
    home = torch.device("cpu") if fit.engine == "deepspeed" and fit.zero == 3 else device
    attend = _attend(job, device)
    model = build(base, job, half, home, attend, nf4=fit.base == "nf4")
    add_dropout(model, job.dropout)
    if fit.recompute:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if job.lora is not None:
            model.enable_input_require_grads()
    if fit.engine == "torch" and ranks.world == 1:
        ask_in_layers(model, voice.halted)
    parameters = sum(size(parameter) for parameter in model.parameters())
    trainable = sum(size(parameter) for parameter in trainables(model).values())
    engine = _engine(model, job, fit, share, ranks, device, precision, parameters, trainable)
    machine.trim()
    opened: dict[str, Any] = {
        "fact": "opened", "parameters": parameters, "trainable": trainable, "engine": engine.name, "dtype": precision
    }  # fmt: skip
    bench = Bench(
        job=job, work=work, deal=share, ranks=ranks, engine=engine, samples=samples,
        held=held_out(tokens, job, base / "tokenizer.json"),
        checkpoints=Checkpoints(work / "checkpoint", data, ranks, voice.note),
        monitor=Monitor(Path(words["tensorboard"]) if ranks.leads and words.get("tensorboard") else None),
        voice=voice, guard=Guard(Sensors(device), care.heat_limit), care=care, opened=opened,
    )  # fmt: skip
    opened["step_seconds"] = _step_seconds(bench)
    return bench


def _attend(job: Job, device: torch.device) -> str:
    """What transformers calls the attention."""
    match job.attention:
        case "causal":
            return machine.attention(device)
        case "documents":
            return "sdpa"  # flash-attn keeps documents apart in batches of one row only
        case _:
            return attention.register()


def _engine_chosen(fit: Fit, world: int) -> Fit:
    """DeepSpeed where there is something to shard (or the owner asked for it), else plain torch."""
    if fit.zero == 0:
        return dataclasses.replace(fit, engine="torch")
    if fit.engine != "auto":
        return fit
    installed = importlib.util.find_spec("deepspeed") is not None
    wanted = world > 1 or fit.zero is not None or fit.offload
    if (fit.zero or fit.offload) and not installed:
        raise OwnerMustAct("DeepSpeed is not installed on this PC, so there is no ZeRO. Use the torch engine.")
    return dataclasses.replace(fit, engine="deepspeed" if wanted and installed else "torch")


def _engine(
    model: nn.Module, job: Job, fit: Fit, share: Deal, ranks: Ranks, device: torch.device, precision: str,
    parameters: int, trainable: int,
) -> Engine:  # fmt: skip
    if fit.engine == "torch":
        return TorchEngine(model, job, fit, ranks, device, precision)
    if fit.zero is None:
        width = 4 if precision == "fp32" else 2
        free = ranks.same([machine.free_memory(device, ranks.world)])[0]
        fit = dataclasses.replace(fit, zero=machine.lowest_stage(parameters, trainable, width, ranks.world, int(free)))
    return DeepSpeedEngine(model, job, fit, share, ranks, device, precision)


def _step_seconds(bench: Bench) -> float:
    """One real step with a learning rate of zero: nothing is learnt, Adam forgets it; too little memory shows here."""
    with bench.feed() as feed:
        first = feed.step(0)
    started = time.monotonic()
    bench.engine.step(first.micro_batches, first.tokens, 0.0)
    bench.engine.forget()
    return bench.ranks.same([time.monotonic() - started])[0]
