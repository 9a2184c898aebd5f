"""Tokenizers made here: one token a byte, or somebody's byte-level BPE cut to its first words.

A cut keeps ids as they are, so that the rows of an embedding table keep their meaning.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from shared.errors import OwnerMustAct
from shared.models.smollm2 import save_json

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"  # SmolLM2's ids 0, 1, 2, and ours
BYTE_WORDS = 3 + 256


def save_byte_tokenizer(folder: Path) -> None:
    """Byte-level BPE without a single merge: 256 bytes after three special tokens."""
    words = [END, START, STOP, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(word, special=True, normalized=False) for word in (END, START, STOP)])
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False), "utf-8")
    save_json(folder / "tokenizer_config.json", {
        "add_bos_token": False, "bos_token": START, "clean_up_tokenization_spaces": False, "eos_token": STOP,
        "pad_token": STOP, "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": END,
    })  # fmt: skip


def cut(file: Path, words: int) -> None:
    """Leave the first `words` words of a byte-level BPE tokenizer.json. Raises OwnerMustAct when it is none, or when
    what is left could not spell some byte that it can spell now."""
    tokenizer = json.loads(file.read_bytes())
    model = tokenizer["model"]
    if model.get("type") != "BPE":
        raise OwnerMustAct(f"{file} is a {model.get('type')} tokenizer; only byte-level BPE can be cut to fewer words.")
    vocabulary = {word: i for word, i in model["vocab"].items() if i < words}
    lost = set(pre_tokenizers.ByteLevel.alphabet()) & (model["vocab"].keys() - vocabulary.keys())
    if lost:
        raise OwnerMustAct(f"{file} cut to {words:,} words could not spell {len(lost)} of the bytes it can spell now.")
    model["vocab"] = vocabulary
    model["merges"] = [merge for merge in model["merges"] if _stays(merge, vocabulary)]
    tokenizer["added_tokens"] = [token for token in tokenizer.get("added_tokens", ()) if token["id"] < words]
    file.write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")), "utf-8")
    Tokenizer.from_file(str(file))


def _stays(merge: Any, vocabulary: dict[str, int]) -> bool:
    first, second = merge if isinstance(merge, list) else merge.split(" ")
    return first in vocabulary and second in vocabulary and first + second in vocabulary
