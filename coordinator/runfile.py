"""A run file (YAML) checked at once: every mistake with its line and what is allowed, then one plain dictionary.

The dictionary (`Spec`) is what is journalled and what the federation child gets; its keys are the fields of `Checked`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from coordinator.mistakes import NOT_YAML, Mistake, line_of, told
from shared.errors import OwnerMustAct
from shared.job import NOT_SPARSE, Attention, Curriculum, Mod, mod_trouble
from shared.units import count, duration, plural, share

Spec = dict[str, Any]


STRATEGIES = (  # those that coordinator/federation knows
    "DiLoCo", "FedAvg", "FedAvgM", "FedAdam", "FedAdagrad", "FedYogi", "FedProx", "FedMedian", "FedTrimmedAvg", "Krum",
    "MultiKrum", "Bulyan", "QFedAvg",
    "DifferentialPrivacyServerSideFixedClipping", "DifferentialPrivacyServerSideAdaptiveClipping",
    "DifferentialPrivacyClientSideFixedClipping", "DifferentialPrivacyClientSideAdaptiveClipping",
)  # fmt: skip


Further = Callable[[Spec], list[tuple[list[str], str]]]  # what else is wrong with a run: where in the file, and why


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Tokens = Annotated[int, BeforeValidator(lambda raw: count(raw))]
Share = Annotated[float, BeforeValidator(lambda raw: share(raw))]
Seconds = Annotated[float, BeforeValidator(lambda raw: duration(raw))]


class _TokenSizes(_Part):
    sequence: Tokens = Field(512, ge=8, le=1 << 20)
    batch: Tokens = Field(16384, ge=8, le=1 << 26)

    @model_validator(mode="after")
    def _whole(self) -> _TokenSizes:
        if self.batch < self.sequence:
            raise ValueError(f"a batch of {self.batch} tokens does not hold one sequence of {self.sequence}")
        if self.batch % self.sequence:
            raise ValueError(f"a batch of {self.batch} tokens is not a whole number of sequences of {self.sequence}")
        return self


class _Optimizer(_Part):
    lr: float = Field(2e-4, gt=0, le=10)
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Share = Field(0.1, ge=0, lt=1)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.95)
    weight_decay: float = Field(0.1, ge=0, le=10)
    clip: float = Field(1.0, gt=0, le=1e6)


class _Lora(_Part):
    lora: int = Field(ge=1, le=1024)
    alpha: int | None = Field(None, ge=1, le=4096)
    targets: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$")], ...] = ()  # layers; none: all linear ones


class _Strategy(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    name: Literal[*STRATEGIES] = "DiLoCo"  # type: ignore[valid-type]


def _round_length(raw: object) -> tuple[int | None, float | None]:
    """ "16 steps" -> (16, None); "10 min" -> (None, 600.0)."""
    text = str(raw).strip()
    if match := re.fullmatch(r"(\d+)\s*steps?", text):
        steps = int(match[1])
        if not 1 <= steps <= 1_000_000:
            raise ValueError("a round has 1 to 1,000,000 steps")
        return steps, None
    seconds = duration(text)
    if not 1 <= seconds <= 7 * 86400:
        raise ValueError("a round lasts from a second to a week")
    return None, seconds


def _mod(raw: object) -> Mod:
    """`fixedclipping_mod`, or `{LocalDpMod: {clipping_norm: 1, ...}}`."""
    match raw:
        case str():
            mod = Mod(raw)
        case dict() if len(raw) == 1 and all(isinstance(value, dict) for value in raw.values()):
            ((name, numbers),) = raw.items()
            if not all(isinstance(number, int | float) for number in numbers.values()):
                raise ValueError(f"the parameters of {name} must be numbers")
            mod = Mod(str(name), {str(key): float(number) for key, number in numbers.items()})
        case _:
            raise ValueError("write a mod's name, or `{NAME: {PARAMETER: NUMBER}}`")
    if trouble := mod_trouble(mod):
        raise ValueError(trouble)
    return mod


def _attention(chosen: Attention) -> Attention:
    if chosen == "block_sparse":
        raise ValueError(NOT_SPARSE)
    return chosen


class _RunFile(_Part):
    run: str = Field(min_length=1, max_length=64)
    model: str = Field(min_length=1)
    warm_start: str | None = Field(None, min_length=1)  # a larger model; `model` then only says how large
    recipe: Literal["full"] | _Lora
    rounds: int = Field(ge=1, le=100_000)
    round_length: Annotated[tuple[int | None, float | None], BeforeValidator(_round_length)]
    tokens: _TokenSizes = _TokenSizes(sequence=512, batch=16384)
    optimizer: _Optimizer = _Optimizer.model_validate({})
    strategy: _Strategy = _Strategy()
    codec: Literal["auto", "bf16", "fp32"] = "auto"
    max_norm: float | None = Field(None, gt=0, le=1e9)  # of what an update changes; none: it depends on everything else
    quorum: int = Field(2, ge=1, le=1000)
    deadline: Seconds | None = Field(None, gt=0, le=30 * 86400)
    evaluate: bool | Literal["last"] = True  # every round, none, or only the last
    evaluate_tokens: Tokens = Field(2048, ge=64, le=1 << 24)
    privacy: Literal["open"] = "open"
    mods: tuple[Annotated[Mod, BeforeValidator(_mod)], ...] = ()
    dropout: float = Field(0.0, ge=0, lt=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    attention: Annotated[Attention, AfterValidator(_attention)] = "causal"
    curriculum: Curriculum = "none"


def check(text: str, further: Further = lambda _: []) -> tuple[Spec | None, list[Mistake]]:
    """The run as a plain dictionary, or every mistake in the file."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        return None, [Mistake(line, "", NOT_YAML)]
    if not isinstance(raw, dict):
        return None, [Mistake(1, "", "the file must be a list of `name: value` lines (see deploy/examples/)")]
    if isinstance(raw.get("optimizer"), dict) and isinstance(raw["optimizer"].get("lr"), str):
        raw["optimizer"]["lr"] = _number(raw["optimizer"]["lr"])  # YAML 1.1 reads 5e-5 as text
    try:
        checked = _RunFile.model_validate(raw)
    except ValidationError as error:
        found = [told(root, detail, _known) for detail in error.errors()]
        checked = _with_stand_ins(raw, {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]})
    else:
        found = []
    found += [Mistake(line_of(root, path), ".".join(path), sentence) for path, sentence in further(_spec(checked))]
    return None if found else _spec(checked), sorted(set(found), key=lambda mistake: (mistake.line, mistake.where))


def require(text: str, file_name: str, further: Further = lambda _: []) -> Spec:
    """The checked run. Raises OwnerMustAct listing every mistake."""
    spec, mistakes = check(text, further)
    if spec is None:
        many = plural(len(mistakes), "mistake")
        raise OwnerMustAct("\n".join([f"{file_name} has {many}:", *(f"  {m}" for m in mistakes)]))
    return spec


def _with_stand_ins(raw: dict[str, Any], wrong: set[str]) -> _RunFile:
    """The run without its mistakes, so that the rest of it can be looked at too."""
    if "quorum" in wrong:
        wrong = wrong | {"strategy"}  # some strategies are right or wrong by it
    stand_ins = {"run": "run", "model": "potluck-tiny", "recipe": "full", "rounds": 1, "round_length": "1 step"}
    return _RunFile.model_validate({**stand_ins, **{name: raw[name] for name in raw if name not in wrong}})


def _spec(run: _RunFile) -> Spec:
    steps, seconds = run.round_length
    lora = run.recipe if isinstance(run.recipe, _Lora) else None
    return {
        "run": run.run,
        "model": run.model,
        "warm_start": run.warm_start,
        "recipe": {
            "kind": "lora",
            "rank": lora.lora,
            "alpha": lora.alpha or 2 * lora.lora,
            "targets": list(lora.targets),
        }
        if lora
        else {"kind": "full"},
        "rounds": run.rounds,
        "steps": steps,
        "seconds": seconds,
        "sequence": run.tokens.sequence,
        "batch": run.tokens.batch,
        **{key: getattr(run.optimizer, key) for key in ("lr", "schedule", "warmup", "weight_decay", "clip")},
        "betas": list(run.optimizer.betas),
        "strategy": {"name": run.strategy.name, "parameters": dict(run.strategy.model_extra or {})},
        "codec": "bf16" if run.codec == "auto" else run.codec,
        "max_norm": run.max_norm,
        "quorum": run.quorum,
        "deadline_seconds": run.deadline,
        "evaluate": run.evaluate,
        "evaluate_tokens": run.evaluate_tokens,
        **{key: getattr(run, key) for key in ("dropout", "label_smoothing", "attention", "curriculum")},
        "mods": [{"name": mod.name, "parameters": mod.parameters} for mod in run.mods],
    }


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _known(path: list[Any]) -> list[str]:
    parts: dict[str, type[BaseModel]] = {"tokens": _TokenSizes, "optimizer": _Optimizer, "strategy": _Strategy}
    part = parts.get(str(path[0]), _RunFile) if path else _RunFile
    return list(part.model_fields)
