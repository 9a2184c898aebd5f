"""`python -m node.train.first_loss`: what a smaller model starts from, in nats a token of a text. For people.

Three numbers: drawn anew, started from the larger model, and the larger model itself. All read the same tokens.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TORCHDYNAMO_DISABLE="1")

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

from shared.errors import OwnerMustAct, PotluckError
from shared.models import folder as model_folder

MOST = 8192  # tokens that are read
WINDOW = 512


def first_losses(small: Path, large: Path, text: str) -> tuple[float, float, float, int]:
    """Nats a token of `small` drawn anew, of `small` as it is, of `large`; and how many tokens were scored.

    The text is cut into the small model's tokens, whose ids are the larger one's too. Raises OwnerMustAct in words.
    """
    for folder in (small, large):
        model_folder.check(folder)
    ids = model_folder.tokenizer(small / "tokenizer.json").encode(text, add_special_tokens=False).ids[:MOST]
    if len(ids) < 2:
        raise OwnerMustAct("The text is too short to measure anything on it.")
    torch.manual_seed(0)
    anew = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(small), trust_remote_code=False).float()
    losses = [_loss(anew, ids)]
    del anew
    for folder in (small, large):
        losses.append(
            _loss(AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32), ids)
        )
    return losses[0], losses[1], losses[2], len(ids) - 1


def _loss(model: Any, ids: list[int]) -> float:
    nats, model = 0.0, model.eval()
    window = min(WINDOW, int(getattr(model.config, "max_position_embeddings", WINDOW)))
    with torch.inference_mode():
        for at in range(0, len(ids) - 1, window):
            piece = torch.tensor([ids[at : at + window + 1]])
            logits = model(input_ids=piece[:, :-1]).logits[0].float()
            nats += float(torch.nn.functional.cross_entropy(logits, piece[0, 1:], reduction="sum"))
    return nats / (len(ids) - 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m node.train.first_loss", description=__doc__)
    parser.add_argument("--small", type=Path, required=True, help="the folder of the smaller model")
    parser.add_argument("--large", type=Path, required=True, help="the folder of the model that it started from")
    parser.add_argument("--text", type=Path, required=True)
    options = parser.parse_args()
    logging.disable_progress_bar()
    try:
        try:
            text = options.text.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise OwnerMustAct(f"{options.text} cannot be read as text ({error}).") from error
        anew, warm, large, tokens = first_losses(options.small, options.large, text)
    except PotluckError as error:
        print(error.sentence, file=sys.stderr)
        return 1
    print(f"Loss at step 0, in nats a token, on {tokens:,} tokens of {options.text.name}:")
    for what, loss in (("drawn anew", anew), ("warm-started", warm), ("the larger model", large)):
        print(f"  {what:<17} {loss:7.3f}   perplexity {math.exp(min(loss, 50.0)):,.1f}")
    if warm >= anew:
        print("The warm start is no better than a fresh one: take more of the larger model's width.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
