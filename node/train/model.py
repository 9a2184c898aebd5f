"""The model: transformers' own class for a Hugging Face folder, with peft adapters when the run wants LoRA.

So what comes out loads in every tool. Weights are read from safetensors only, mapped read-only into memory where they
already have the right format, so that several trainers on one PC share one copy of a frozen base.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from safetensors import safe_open
from torch import nn

from shared.errors import OwnerMustAct
from shared.job import Job
from shared.models.families import BUFFERS, KINDS, family_of, layout_of

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

HEAD_IN_FILES = {"gpt_neox": "embed_out.weight"}  # where it is not called lm_head.weight; transformers 5 renames it
DROPOUTS = ("attention_dropout", "hidden_dropout", "attn_pdrop", "resid_pdrop", "embd_pdrop")


def build(
    base: Path, job: Job, dtype: torch.dtype, device: torch.device, attention: str, nf4: bool = False
) -> nn.Module:
    """The job's model on `device`. Raises OwnerMustAct when the folder holds no model we can read."""
    config = _config(base, job)
    config._attn_implementation = attention
    model = _quantised(base, config, dtype, device, attention) if nf4 else _plain(base, config, dtype)
    for module in model.modules():
        _keep_tables(module)
    model = model if nf4 else model.to(device, dtype)
    if job.lora is not None:
        model.requires_grad_(False)
        model = _with_adapters(model, job)
    _check(job, trainables(model))
    return model


def trainables(model: nn.Module) -> dict[str, nn.Parameter]:
    """Every trainable parameter by its canonical file name, in name order."""
    head = HEAD_IN_FILES.get(getattr(getattr(model, "config", None), "model_type", ""), "lm_head.weight")
    live = {canonical(name, head): value for name, value in model.named_parameters() if value.requires_grad}
    return dict(sorted(live.items()))


def canonical(name: str, head: str = "lm_head.weight") -> str:
    """A live parameter's name as files have it: peft files leave the adapter's name out."""
    if name == "lm_head.weight":
        return head
    return name.replace(".lora_A.default.", ".lora_A.").replace(".lora_B.default.", ".lora_B.")


def size(parameter: nn.Parameter) -> int:
    """Number of values, also where ZeRO-3 has taken the values away."""
    return int(getattr(parameter, "ds_numel", parameter.numel()))


def _config(base: Path, job: Job) -> PreTrainedConfig:
    from transformers import CONFIG_MAPPING

    path = base / "config.json"
    if not path.exists():
        raise OwnerMustAct(f"There is no config.json in {base}: that is not a Hugging Face model folder.")
    try:
        words: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise OwnerMustAct(f"{path} cannot be read ({error}).") from error
    if family_of(words) is None:
        raise OwnerMustAct(f"{path} describes a {words.get('model_type')!r} model; only {KINDS} can be trained here.")
    if job.sequence > (context := layout_of(words).context):
        raise OwnerMustAct(
            f"The run's samples have {job.sequence:,} tokens, but {base} reads {context:,} at most. "
            "Ask the host for a run with a shorter `sequence`."
        )
    config = CONFIG_MAPPING[words["model_type"]].from_dict(words)
    config.use_cache = False
    config.dtype = torch.float32  # of the tables a model makes for itself
    for name in DROPOUTS:  # what is dropped out is the run's word, not the folder's
        if hasattr(config, name):
            setattr(config, name, 0.0)
    return config


def _plain(base: Path, config: PreTrainedConfig, dtype: torch.dtype) -> nn.Module:
    from accelerate import init_empty_weights
    from transformers import AutoModelForCausalLM

    files = _weight_files(base)
    if not files:  # from a configuration alone: the run's first model brings the weights
        torch.manual_seed(0)
        fresh: nn.Module = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        return fresh
    with init_empty_weights():  # of parameters only: the tables that are in no file are made
        model: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    head = HEAD_IN_FILES.get(config.model_type, "lm_head.weight")
    weights: dict[str, torch.Tensor] = {}
    for file in files:
        with safe_open(file, "pt") as handle:
            for name in handle.keys():  # noqa: SIM118  a file, not a dict
                live = "lm_head.weight" if name == head else name
                weights[live] = handle.get_tensor(name).to(dtype)
    _, unknown = model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    wrong = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    wrong += [name for name in unknown if not name.endswith(BUFFERS)]
    if wrong:
        raise OwnerMustAct(
            f"The weights in {base} do not belong to its config.json: "
            f"{wrong[0]} is the first tensor that does not match."
        )
    return cast(nn.Module, model)


def _keep_tables(module: nn.Module) -> None:
    """Tables of positions stay fp32 whoever casts the model.

    DeepSpeed casts all of it: with frequencies in bf16, position 1,000 is turned by up to a radian too much, and the
    trained model is another one in every other tool.
    """
    tables = [name for name in module._non_persistent_buffers_set if module._buffers[name] is not None]
    if not tables or any(True for _ in module.parameters(recurse=False)):
        return

    def move(change: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> nn.Module:
        before = {name: module._buffers[name] for name in tables}
        type(module)._apply(module, change, recurse)
        for name, table in before.items():
            moved = module._buffers[name]
            assert table is not None
            assert moved is not None
            module._buffers[name] = table.to(moved.device)
        return module

    setattr(module, "_apply", move)  # noqa: B010  an instance's own method


def _weight_files(base: Path) -> list[Path]:
    index = base / "model.safetensors.index.json"
    if index.exists():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        files = [base / Path(name).name for name in names]
    else:
        files = [base / "model.safetensors"] if (base / "model.safetensors").exists() else []
    if gone := [file for file in files if not file.exists()]:
        raise OwnerMustAct(f"{gone[0]} is missing.")
    if not files and [*base.glob("*.bin"), *base.glob("*.pt")]:
        raise OwnerMustAct(
            f"The weights in {base} are not safetensors. Convert them first "
            "(AutoModelForCausalLM.from_pretrained, then save_pretrained): pickled weights are never loaded."
        )
    return files


def _quantised(
    base: Path, config: PreTrainedConfig, dtype: torch.dtype, device: torch.device, attention: str
) -> nn.Module:
    """An NF4 base (bitsandbytes), for LoRA on small cards: norms are fp32, embeddings in `dtype`."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantisation = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    model: nn.Module = AutoModelForCausalLM.from_pretrained(
        base, config=config, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=dtype,
        attn_implementation=attention, quantization_config=quantisation, device_map={"": device},
    )  # fmt: skip
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):  # else measuring re-packs the weights, which are trained on
            module.support_avx512bf16_for_cpu = False
    for parameter in model.parameters():  # not peft's own preparation, which makes the embeddings fp32, too
        if parameter.dim() == 1 and parameter.is_floating_point():
            parameter.data = parameter.data.float()
    return model


def _with_adapters(model: nn.Module, job: Job) -> nn.Module:
    targets = sorted({tensor.name.split(".")[-3] for tensor in job.tensors})  # "...q_proj.lora_A.weight"
    with _without_bitsandbytes():
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=job.lora, lora_alpha=job.lora_alpha, lora_dropout=0.0, target_modules=targets, bias="none",
            task_type="CAUSAL_LM",
        )  # fmt: skip
        adapted: nn.Module = get_peft_model(model, config)
    return adapted


@contextmanager
def _without_bitsandbytes() -> Iterator[None]:
    """peft imports it wherever it is installed: two seconds and 50 MB more for a model that is not quantised."""
    if "bitsandbytes" in sys.modules:
        yield
        return
    modules: dict[str, Any] = sys.modules
    modules["bitsandbytes"] = None  # in the import system's words: it cannot be imported
    try:
        yield
    finally:
        del modules["bitsandbytes"]


def _check(job: Job, live: dict[str, nn.Parameter]) -> None:
    wanted = {tensor.name: tensor.shape for tensor in job.tensors}
    have = {name: tuple(parameter.shape) for name, parameter in live.items()}
    if wanted != have:
        name = next(name for name in sorted(wanted.keys() | have.keys()) if wanted.get(name) != have.get(name))
        raise OwnerMustAct(
            f"The run and its base model disagree about {name}: "
            f"{wanted.get(name, 'absent')} in the run, {have.get(name, 'absent')} in the model."
        )
