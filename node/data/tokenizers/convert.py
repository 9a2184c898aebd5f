"""SentencePiece and tiktoken files as `tokenizers` sees them, so that a run ships one kind of file: tokenizer.json.

Done by transformers' own converters, then held against the original on SAMPLE: what would give other ids is refused.
A .tiktoken file does not say how it splits words; its number of words does, for the known ones.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from node.data.tokenizers.fast import GPT2, SAMPLE
from shared.disk import write
from shared.errors import OwnerMustAct

SENTENCEPIECE, TIKTOKEN = ".model", ".tiktoken"
KINDS = (SENTENCEPIECE, TIKTOKEN)
END = "<|endoftext|>"
_CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|"
    r"\s+(?!\S)|\s"
)
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
_O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITS = {50_256: GPT2, 100_256: _CL100K, 128_000: _LLAMA3, 199_998: _O200K}  # by the number of words


def convert(file: Path, target: Path) -> None:
    """Write the tokenizer.json of a .model or .tiktoken file. Raises OwnerMustAct when it cannot be the same."""
    if file.suffix not in KINDS:
        raise OwnerMustAct(f"{file} is neither a SentencePiece .model nor a .tiktoken file. Name it as what it is.")
    if not file.is_file():
        raise OwnerMustAct(f"There is no file {file}. Check the spelling.")
    write(target, converted(file).to_str().encode())


def converted(file: Path) -> Tokenizer:
    """That tokenizer. Raises OwnerMustAct when it would give other ids."""
    return from_model(file.read_bytes(), str(file)) if file.suffix == SENTENCEPIECE else _tiktoken(file)


def from_model(data: bytes, name: str) -> Tokenizer:
    """The tokenizer of a SentencePiece model's bytes. Raises OwnerMustAct when it is none or would give other ids."""
    import sentencepiece

    try:
        original = sentencepiece.SentencePieceProcessor(model_proto=data)
    except RuntimeError as error:
        raise OwnerMustAct(f"{name} is not a SentencePiece model ({error}).") from error
    # The module inside sentencepiece wants a newer protobuf than grpc allows.
    messages = import_module("transformers.utils.sentencepiece_model_pb2_new")
    converters = import_module("transformers.convert_slow_tokenizer")
    proto: Any = messages.ModelProto()
    proto.ParseFromString(data)
    scored = [(piece.piece, piece.score) for piece in proto.pieces]
    bpe = proto.trainer_spec.model_type == proto.trainer_spec.BPE
    vocabulary = {word: number for number, (word, _) in enumerate(scored)} if bpe else scored
    made: Tokenizer = converters.SpmConverter.build_tokenizer_from_spm_proto(proto, vocabulary)
    control = [piece.piece for piece in proto.pieces if piece.type == piece.CONTROL]
    made.add_special_tokens([AddedToken(word, special=True, normalized=False) for word in control])
    return _same(made, original.encode, name)


def _tiktoken(file: Path) -> Tokenizer:
    import tiktoken

    ranks = _ranks(file)
    split = SPLITS.get(len(ranks))
    if split is None:
        raise OwnerMustAct(
            f"{file} has {len(ranks):,} words, which is none of the known tiktoken files, and does not say how it "
            "splits text. Ask whoever made it for its tokenizer.json."
        )
    converters = import_module("transformers.convert_slow_tokenizer")
    made: Tokenizer = converters.TikTokenConverter(os.fspath(file), split, extra_special_tokens=None).converted()
    made.add_special_tokens([AddedToken(END, special=True, normalized=False)])
    encoding = tiktoken.Encoding("file", pat_str=split, mergeable_ranks=ranks, special_tokens={})
    return _same(made, encoding.encode_ordinary, str(file))


def _same(made: Tokenizer, original: Callable[[str], Sequence[int]], name: str) -> Tokenizer:
    """`made`, once it has said the same as the original. Raises OwnerMustAct."""
    made.encode_special_tokens = True
    for text in (SAMPLE, *SAMPLE.splitlines(), "", " ", "\n", "x"):
        if made.encode(text, add_special_tokens=False).ids != list(original(text)):
            raise OwnerMustAct(
                f"{name} cannot be turned into a tokenizer.json that gives the same tokens. Ask whoever made it for "
                "its tokenizer.json, or train a tokenizer: potluck node data tokenizer"
            )
    made.encode_special_tokens = False
    return made


def _ranks(file: Path) -> dict[bytes, int]:
    """A line a word: base64, a blank, its rank."""
    try:
        pairs = [line.split() for line in file.read_bytes().splitlines() if line]
        return {base64.b64decode(word, validate=True): int(rank) for word, rank in pairs}
    except (ValueError, binascii.Error) as error:
        raise OwnerMustAct(f"{file} is not a tiktoken file ({error}).") from error
