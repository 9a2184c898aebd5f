"""A job: everything fixed for a whole run, as the coordinator tells it to every node. Configuration only, never code.

Travels as a JSON blob; `parse` refuses any key, type or range that is not in this file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from shared.errors import PeerMisbehaved
from shared.ids import Digest, RunId, is_digest, is_run

UpdateKind = Literal["difference", "weights"]
Codec = Literal["fp32", "bf16"]
# With "documents" a token sees its own document only; "block_sparse" is refused in words.
Attention = Literal["causal", "documents", "block_sparse", "block_sparse_anyway"]
Curriculum = Literal["none", "length", "diversity"]
NOT_SPARSE = (
    "other programs give this model full attention, so after training with block-sparse attention it answers worse "
    "there than measured here; write `attention: block_sparse_anyway` if you want it all the same"
)
_DIMENSIONS = 8  # of a tensor
_NAME = 300  # characters of a name for people, or of a tensor
_KINDS: dict[type, tuple[str, ...]] = {  # of entries that JSON could bring as something else
    str: ("run", "name", "base", "schedule", "update", "codec", "app", "attention", "curriculum"),
    int: ("rounds", "lora", "lora_alpha", "sequence", "batch", "steps", "evaluate_tokens"),
    float: ("seconds", "lr", "warmup", "weight_decay", "clip", "dropout", "label_smoothing"),
    bool: ("evaluate",),
}
_MAY_LACK = ("lora", "steps", "seconds", "app")
_LAYER = re.compile(r"[A-Za-z0-9_]{1,64}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One trainable tensor. `name` is the name in the Hugging Face (or peft) file the run produces."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Mod:
    """One of Flower's client mods, by name, with its numbers."""

    name: str
    parameters: dict[str, float] = field(default_factory=dict)


MODS: Mapping[str, tuple[str, ...]] = {  # what each takes; a node runs no other
    "fixedclipping_mod": (),
    "adaptiveclipping_mod": (),
    "LocalDpMod": ("clipping_norm", "sensitivity", "epsilon", "delta"),
}


@dataclass(frozen=True, slots=True)
class Job:
    run: RunId
    name: str
    rounds: int
    base: str  # "smollm2-135m", or what the host called its model: for people
    files: dict[str, Digest]  # the base model's Hugging Face folder: file name -> blob
    lora: int | None  # rank; None trains every weight
    lora_alpha: int
    tensors: tuple[TensorSpec, ...]  # sorted by name; what updates carry, all of it fp32 or bf16
    sequence: int  # tokens
    batch: int  # tokens an optimizer step
    steps: int | None  # local steps a round, or
    seconds: float | None  # seconds a round; exactly one of the two
    lr: float
    schedule: Literal["cosine", "constant"]
    warmup: float  # share of the run's progress
    betas: tuple[float, float]
    weight_decay: float
    clip: float
    update: UpdateKind
    codec: Codec
    mods: tuple[Mod, ...] = ()  # around the node's training
    evaluate: bool = True  # held-out bits per byte after each round
    evaluate_tokens: int = 2048
    app: Digest | None = None  # a Flower app, allowed by each owner (shared/apps.py), trains instead of us
    lora_targets: tuple[str, ...] = ()  # last parts of layer names; none: every linear layer but the head
    dropout: float = 0.0  # of embeddings and of what each layer adds
    label_smoothing: float = 0.0
    attention: Attention = "causal"
    curriculum: Curriculum = "none"  # which samples come first


def dump(job: Job) -> bytes:
    """Canonical JSON: the same job has the same digest everywhere."""
    return json.dumps(asdict(job), sort_keys=True, separators=(",", ":")).encode()


def parse(data: bytes) -> Job:
    """The job in `data`. Raises PeerMisbehaved naming what is wrong."""
    if len(data) > 16 << 20:
        raise PeerMisbehaved("The run's description is larger than 16 MB.")
    try:
        raw = json.loads(data)
        job = _job(raw)
        complaints = _complaints(job)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise PeerMisbehaved(
            f"The run's description cannot be read ({error}); the coordinator may be a newer version."
        ) from error
    if complaints:
        raise PeerMisbehaved(f"The run's description is not acceptable: {'; '.join(complaints)}.")
    return job


def payload_bytes(job: Job, codec: Codec) -> int:
    """Bytes of all trainable tensors in that codec, without the file's header."""
    return sum(_count(tensor.shape) for tensor in job.tensors) * (2 if codec == "bf16" else 4)


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _job(raw: dict[str, Any]) -> Job:
    known = {field.name for field in fields(Job)}
    if unknown := sorted(set(raw) - known):
        raise KeyError(f"unknown entries {unknown}")
    for kind, names in _KINDS.items():
        for name in names:
            value = raw.get(name)
            none = value is None and (name in _MAY_LACK or name not in raw)
            if not none and type(value) is not kind and (kind, type(value)) != (float, int):
                raise TypeError(f"{name} is not of the kind {kind.__name__}")
    raw = dict(raw)
    raw["tensors"] = tuple(TensorSpec(str(t["name"]), tuple(int(n) for n in t["shape"])) for t in raw["tensors"])
    raw["files"] = {str(name): Digest(str(digest)) for name, digest in raw["files"].items()}
    raw["lora_targets"] = tuple(str(name) for name in raw.get("lora_targets", ()))
    raw["betas"] = (float(raw["betas"][0]), float(raw["betas"][1]))
    raw["mods"] = tuple(
        Mod(str(mod["name"]), {str(key): float(value) for key, value in mod["parameters"].items()})
        for mod in raw.get("mods", ())
    )
    return Job(**raw)


def _complaints(job: Job) -> list[str]:
    shaped = all(0 < len(t.shape) <= _DIMENSIONS and all(0 < n < 1 << 31 for n in t.shape) for t in job.tensors)
    rules = [
        (is_run(job.run), "the name of the run"),
        (all(_shown(name) for name in (job.name, job.base)), "the name of the run or of its base model, for people"),
        (all(_shown(tensor.name) for tensor in job.tensors), "a tensor's name"),
        (1 <= job.rounds <= 100_000, "rounds must be 1 to 100,000"),
        (job.lora is None or 1 <= job.lora <= 1024, "the LoRA rank must be 1 to 1024"),
        (bool(job.tensors), "no trainable tensors"),
        (list(job.tensors) == sorted(job.tensors, key=lambda t: t.name), "tensors are not in order"),
        (len({t.name for t in job.tensors}) == len(job.tensors), "a tensor is named twice"),
        (shaped, "a tensor has an impossible shape"),
        (not shaped or sum(_count(t.shape) for t in job.tensors) < 1 << 36, "more than 68 billion trainable values"),
        (8 <= job.sequence <= 1 << 20, "the sequence must be 8 to 1,048,576 tokens"),
        (job.sequence <= job.batch <= 1 << 26, "the batch must be at least one sequence"),
        ((job.steps is None) != (job.seconds is None), "a round has either steps or seconds"),
        (job.steps is None or 1 <= job.steps <= 1_000_000, "steps must be 1 to 1,000,000"),
        (job.seconds is None or 0 < job.seconds <= 7 * 86400, "a round lasts at most a week"),
        (0 < job.lr <= 10 and job.schedule in ("cosine", "constant") and 0 <= job.warmup < 1, "the schedule"),
        (
            all(0 <= beta < 1 for beta in job.betas) and 0 <= job.weight_decay <= 10 and 0 < job.clip <= 1e6,
            "the optimizer",
        ),
        (job.update in ("difference", "weights") and job.codec in ("fp32", "bf16"), "the kind of update"),
        (
            all(_FILE_NAME.fullmatch(name) and is_digest(digest) for name, digest in job.files.items()),
            "a file name or digest",
        ),
        (not any(mod_trouble(mod) for mod in job.mods), "a mod that this version does not know"),
        (1 <= job.evaluate_tokens <= 1 << 24, "evaluate_tokens"),
        (all(_LAYER.fullmatch(name) for name in job.lora_targets) and len(job.lora_targets) <= 64, "the LoRA targets"),
        (
            0 <= job.dropout < 1 and 0 <= job.label_smoothing < 1,
            "dropout and label smoothing must be from 0 to below 1",
        ),
        (job.attention in get_args(Attention) and job.curriculum in get_args(Curriculum), "attention or curriculum"),
        (job.attention != "block_sparse", NOT_SPARSE),
        (job.app is None or (is_digest(job.app) and job.update == "weights" and not job.files), "the Flower app"),
    ]
    return [complaint for fine, complaint in rules if not fine]


def mod_trouble(mod: Mod) -> str:
    """What is wrong with a mod, in words; nothing when all is well."""
    if mod.name not in MODS:
        return f"there is no mod {mod.name!r}; choose {', '.join(MODS)}"
    if set(mod.parameters) != set(MODS[mod.name]):
        return f"{mod.name} takes {', '.join(MODS[mod.name]) or 'no parameters'}"
    wrong = [name for name, value in mod.parameters.items() if not 0 < value < 1e12]
    return f"{wrong[0]} of {mod.name} must be a number above 0" if wrong else ""


def _shown(name: str) -> bool:
    """Fit for a person's screen: nothing that moves a terminal's cursor."""
    return len(name) <= _NAME and name.isprintable()
