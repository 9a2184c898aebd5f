"""`python -m node.train.try_model`: the base and the tuned model answer the same words side by side. For people."""

from __future__ import annotations

import argparse
import logging as logging_
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TORCHDYNAMO_DISABLE="1")

import torch
from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.text import Text
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from shared.errors import OwnerMustAct, PotluckError
from shared.models import folder as model_folder


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    tokens: int
    seconds: float


def answers(
    base: Path,
    tuned: Path,
    prompt: str,
    tokens: int,
    *,
    chat: bool = False,
    doing: Callable[[str], None] = lambda words: None,
) -> tuple[Answer, Answer]:
    """What both say next, greedily. `tuned` is an adapter's folder or a whole model's. Raises OwnerMustAct in words."""
    model_folder.check(base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    asked = _asked(tokenizer, prompt, chat=chat)
    model = _load(base)
    doing("the base model answers ...")
    before = _answer(model, tokenizer, asked, tokens)
    if (tuned / "adapter_config.json").is_file():
        from peft import PeftModel

        if not (tuned / "adapter_model.safetensors").is_file():  # peft would take a pickle instead
            raise OwnerMustAct(f"{tuned} has no adapter_model.safetensors.")
        model = PeftModel.from_pretrained(model, tuned).eval()
    else:
        model_folder.check(tuned)
        doing("loading the tuned model ...")
        del model
        model = _load(tuned)
    doing("the tuned model answers ...")
    return before, _answer(model, tokenizer, asked, tokens)


def _load(folder: Path) -> Any:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True).to(device).eval()


def _asked(tokenizer: Any, prompt: str, *, chat: bool) -> Any:
    if not chat:
        return tokenizer(prompt, return_tensors="pt")
    if not tokenizer.chat_template:
        raise OwnerMustAct("This model has no chat template: leave --chat away and give it a text to go on with.")
    said = [{"role": "user", "content": prompt}]
    return tokenizer.apply_chat_template(said, add_generation_prompt=True, return_tensors="pt", return_dict=True)


def _answer(model: Any, tokenizer: Any, asked: Any, tokens: int) -> Answer:
    began = time.monotonic()
    with torch.inference_mode():
        asked = asked.to(model.device)
        ids = model.generate(**asked, max_new_tokens=tokens, do_sample=False, pad_token_id=tokenizer.pad_token_id)
    new = ids[0][asked["input_ids"].shape[1] :]
    return Answer(tokenizer.decode(new, skip_special_tokens=True), len(new), time.monotonic() - began)


def show(console: Console, prompt: str, before: Answer, after: Answer) -> None:
    """Two panels, beside each other where the window is wide enough."""
    console.print(Text(prompt, style="bold"))
    width = max(40, console.width // 2 - 1) if console.width >= 82 else console.width
    panels = []
    for name, answer in (("base", before), ("tuned", after)):
        pace = f"{answer.tokens} tokens, {answer.seconds:.1f} s"
        panels.append(Panel(Text(answer.text.strip("\n")), title=name, subtitle=pace, width=width))
    console.print(Columns(panels))
    if before.text == after.text:
        console.print("Both say the same.")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m node.train.try_model", description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="the base model's folder")
    tuned = parser.add_mutually_exclusive_group(required=True)
    tuned.add_argument("--adapter", type=Path, help="a LoRA adapter's folder")
    tuned.add_argument("--model", type=Path, help="a tuned model's folder")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--chat", action="store_true", help="ask it as a chat, with the model's own template")
    options = parser.parse_args()
    logging.disable_progress_bar()
    logging_.getLogger("bitsandbytes").setLevel(logging_.ERROR)  # it asks for a package that is not needed
    warnings.simplefilter("ignore", FutureWarning)  # peft's and transformers' word to their developers
    try:
        before, after = answers(
            options.base, options.adapter or options.model, options.prompt, options.tokens, chat=options.chat,
            doing=lambda words: print(words, file=sys.stderr, flush=True),
        )  # fmt: skip
    except PotluckError as error:
        print(error.sentence, file=sys.stderr)
        return 1
    show(Console(), options.prompt, before, after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
