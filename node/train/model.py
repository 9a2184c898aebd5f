"""The model: a transformers Llama from a Hugging Face folder, with peft adapters when the run wants LoRA.

So what comes out loads in every tool. Weights are read from safetensors only, mapped read-only into memory where they
already have the right format, so that several trainers on one PC share one copy of a frozen base.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from torch import nn

from shared.errors import OwnerMustAct
from shared.job import Job

if TYPE_CHECKING:
    from transformers import LlamaConfig

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")  # all but lm_head


def build(
    base: Path, job: Job, dtype: torch.dtype, device: torch.device, attention: str, nf4: bool = False
) -> nn.Module:
    """The job's model on `device`. Raises OwnerMustAct when the folder holds no Llama we can read."""
    config = _config(base)
    config._attn_implementation = attention
    config.use_cache = False
    model = _quantised(base, dtype, device, attention) if nf4 else _plain(base, config, dtype).to(device)
    if job.lora is not None:
        model.requires_grad_(False)
        model = _with_adapters(model, job)
    _check(job, trainables(model))
    return model


def trainables(model: nn.Module) -> dict[str, nn.Parameter]:
    """Every trainable parameter by its canonical file name, in name order."""
    live = {canonical(name): parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    return dict(sorted(live.items()))


def canonical(name: str) -> str:
    """A live parameter's name as files have it: peft files leave the adapter's name out."""
    return name.replace(".lora_A.default.", ".lora_A.").replace(".lora_B.default.", ".lora_B.")


def size(parameter: nn.Parameter) -> int:
    """Number of values, also where ZeRO-3 has taken the values away."""
    return int(getattr(parameter, "ds_numel", parameter.numel()))


def _config(base: Path) -> LlamaConfig:
    from transformers import LlamaConfig

    path = base / "config.json"
    if not path.exists():
        raise OwnerMustAct(f"There is no config.json in {base}: that is not a Hugging Face model folder.")
    try:
        words: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise OwnerMustAct(f"{path} cannot be read ({error}).") from error
    if words.get("model_type") != "llama":
        raise OwnerMustAct(
            f"{path} describes a {words.get('model_type')!r} model; only Llama models can be trained here."
        )
    return LlamaConfig.from_dict(words)


def _plain(base: Path, config: LlamaConfig, dtype: torch.dtype) -> nn.Module:
    from transformers import LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    files = _weight_files(base)
    if not files:  # from a configuration alone: the run's first model brings the weights
        torch.manual_seed(0)
        return LlamaForCausalLM(config).to(dtype)
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    weights: dict[str, torch.Tensor] = {}
    for file in files:
        with safe_open(file, "pt") as handle:
            weights.update({name: handle.get_tensor(name).to(dtype) for name in handle.keys()})  # noqa: SIM118
    missing, unknown = model.load_state_dict(weights, strict=False, assign=True)
    missing = [name for name in missing if not (config.tie_word_embeddings and name == "lm_head.weight")]
    if missing or unknown:
        raise OwnerMustAct(
            f"The weights in {base} do not belong to its config.json: "
            f"{(missing + unknown)[0]} is the first tensor that does not match."
        )
    model.tie_weights()
    model.model.rotary_emb = LlamaRotaryEmbedding(config)  # its tables are not in the file
    return model


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
            f"The weights in {base} are not safetensors. Convert them first: pickled weights are never loaded."
        )
    return files


def _quantised(base: Path, dtype: torch.dtype, device: torch.device, attention: str) -> nn.Module:
    """An NF4 base (bitsandbytes), for LoRA on small cards."""
    from peft import prepare_model_for_kbit_training
    from transformers import BitsAndBytesConfig, LlamaForCausalLM

    quantisation = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    model = LlamaForCausalLM.from_pretrained(
        base, local_files_only=True, use_safetensors=True, dtype=dtype, attn_implementation=attention,
        quantization_config=quantisation, device_map={"": device},
    )  # fmt: skip
    prepared: nn.Module = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return prepared


def _with_adapters(model: nn.Module, job: Job) -> nn.Module:
    from peft import LoraConfig, get_peft_model

    targets = list(job.lora_targets or LINEAR)
    config = LoraConfig(
        r=job.lora, lora_alpha=job.lora_alpha, lora_dropout=0.0, target_modules=targets, bias="none",
        task_type="CAUSAL_LM",
    )  # fmt: skip
    adapted: nn.Module = get_peft_model(model, config)
    return adapted


def _check(job: Job, live: dict[str, nn.Parameter]) -> None:
    wanted = {tensor.name: tensor.shape for tensor in job.tensors}
    have = {name: tuple(parameter.shape) for name, parameter in live.items()}
    if wanted != have:
        name = next(name for name in sorted(wanted.keys() | have.keys()) if wanted.get(name) != have.get(name))
        raise OwnerMustAct(
            f"The run and its base model disagree about {name}: "
            f"{wanted.get(name, 'absent')} in the run, {have.get(name, 'absent')} in the model."
        )
