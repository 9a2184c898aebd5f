"""Thousands of damaged and forged files of tensors before the one door that lets them in, each drawn from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from shared.codec import safe
from shared.errors import Refusal, Refused
from shared.job import Codec, TensorSpec

Draw = random.Random
Mutation = Callable[[Draw, bytes], bytes]

TENSORS = tuple(
    TensorSpec(name, shape)
    for name, shape in (
        ("model.embed.weight", (11, 6)), ("model.layers.0.q.weight", (6, 6)), ("model.layers.0.up.weight", (9, 6)),
        ("model.norm.weight", (6,)), ("scale", ()),
    )
)  # fmt: skip
CODECS: tuple[Codec, ...] = ("fp32", "bf16")
GROWTH = 16 << 20  # bytes of memory that thousands of files may add: the allocator's, not the files'
SETTLED = 15_000  # files after which memory is looked at first: the allocator has seen everything by then
SUBJECTS = ("file", "header", "bytes", *(spec.name for spec in TENSORS))  # what a refusal may speak of


def mutated_files(folder: Path, seed: int, count: int = 30_000) -> None:
    """Each is refused with words that name something, or is still exactly what the run asks for; memory stays."""
    path, before = folder / "update.safetensors", 0
    originals = {codec: original(folder / codec, codec) for codec in CODECS}
    for number in range(count):
        draw = Draw(f"{seed}/{number}")
        codec = draw.choice(CODECS)
        forged = originals[codec]
        applied = draw.choices(MUTATIONS, k=draw.choice((1, 1, 2, 3)))
        for mutation in applied:
            forged = mutation(draw, forged)
        path.write_bytes(forged)
        try:
            judge(path, forged, codec)
        except Exception as error:
            names = ", ".join(mutation.__name__ for mutation in applied)
            raise AssertionError(f"seed {seed}, file {number} ({codec}; {names}): {error!r}") from error
        if number == SETTLED:
            before = psutil.Process().memory_info().rss
    grown = psutil.Process().memory_info().rss - before
    assert count <= SETTLED or grown < GROWTH, f"seed {seed}: {count:,} files grew the process by {grown:,} bytes"


def judge(path: Path, content: bytes, codec: Codec) -> None:
    """Ask the door; believe nothing that it lets in."""
    said = refusal(path, codec)
    if said is None:
        assert sound(content, codec), "a file was let in that is not an update of this run"
    else:
        assert said.refusal is Refusal.UPDATE, said.refusal
        assert any(subject in said.sentence for subject in SUBJECTS), said.sentence
        assert len(said.sentence) < 500, said.sentence


def refusal(path: Path, codec: Codec) -> Refused | None:
    try:
        safe.finite(path, safe.check(path, TENSORS, codec))
    except Refused as refused:
        return refused
    return None


def sound(content: bytes, codec: Codec) -> bool:
    """Said without the code under test: the one right header, the one right size, and not one absurd value."""
    where = safe.layout(TENSORS, codec)
    if len(content) != where.size or not content.startswith(where.header):
        return False
    body = content[len(where.header) :]
    bits = np.frombuffer(body, "<u4" if codec == "fp32" else "<u2").astype(np.uint32) << (0 if codec == "fp32" else 16)
    return bool((np.abs(bits.view(np.float32)) <= safe.TOO_LARGE).all())


def original(path: Path, codec: Codec) -> bytes:
    """A good update."""
    draw = np.random.default_rng(7)
    where = safe.layout(TENSORS, codec)
    tensors = ((spec.name, draw.standard_normal(spec.shape).astype(np.float32)) for spec in where.tensors)
    safe.write(path, tensors, where)
    return path.read_bytes()


# ---- what may happen to a file ----


def flipped_bit(draw: Draw, data: bytes) -> bytes:
    if not data:
        return b"\1"
    changed = bytearray(data)
    changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def flipped_header_bit(draw: Draw, data: bytes) -> bytes:
    head, body = parted(data)
    return flipped_bit(draw, head) + body


def random_bytes(draw: Draw, data: bytes) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.randbytes(draw.randrange(1, 40)) + data[at + draw.randrange(40) :]


def absurd_value(draw: Draw, data: bytes) -> bytes:
    head, body = parted(data)
    value = draw.choice((np.nan, np.inf, -np.inf, 1e30, -1e9))
    four = np.float32(value).tobytes()
    at = draw.randrange(0, max(1, len(body)), 4)
    return head + body[:at] + four + body[at + 4 :]


def cut(draw: Draw, data: bytes) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def longer(draw: Draw, data: bytes) -> bytes:
    return data + bytes(draw.choice((1, 2, 7, 8, 4096)))


def far_longer(draw: Draw, data: bytes) -> bytes:
    return data + bytes(safe.MAX_HEADER + 100) if draw.random() < 0.02 else longer(draw, data)


def another_length(draw: Draw, data: bytes) -> bytes:
    """The first eight bytes claim a header of another size, now and then an enormous one."""
    claimed = draw.choice((0, 1, 2, 8, len(data), len(data) - 8, safe.MAX_HEADER, 1 << 31, 1 << 40, (1 << 64) - 1))
    return max(0, claimed + draw.choice((-1, 0, 0, 1))).to_bytes(9, "little")[:8] + data[8:]


def inserted_key(draw: Draw, data: bytes) -> bytes:
    def change(entries: dict[str, object]) -> None:
        entries[draw.choice(("__metadata__", "evil", "", "model", "\u202eevil", "scale "))] = draw.choice(
            ({}, {"format": "pt"}, {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, [], None, 3)
        )

    return with_header(data, change)


def lost_key(draw: Draw, data: bytes) -> bytes:
    return with_header(data, lambda entries: entries.pop(draw.choice(sorted(entries)), None))


def renamed_key(draw: Draw, data: bytes) -> bytes:
    def change(entries: dict[str, object]) -> None:
        old = draw.choice(sorted(entries))
        entries[old + draw.choice(("x", " ", ".weight", "\0"))] = entries.pop(old)

    return with_header(data, change)


def another_entry(draw: Draw, data: bytes) -> bytes:
    """One field of one tensor says something else: a shape, a type, a place; enormous, negative, nested."""

    def change(entries: dict[str, object]) -> None:
        entry = entries[draw.choice(sorted(entries))]
        if isinstance(entry, dict):
            entry[draw.choice(("dtype", "shape", "data_offsets", "more"))] = draw.choice(
                ("F16", "F64", "I8", "BF16", "", None, [], [6, 6], [1 << 62, 1 << 62], [-1, 4], [0, 1 << 63], [0.5, 1],
                 [[[]]], {}, True, "x" * 5000, 10**300)
            )  # fmt: skip

    return with_header(data, change)


def nested_json(draw: Draw, data: bytes) -> bytes:
    depth = draw.choice((2, 50, 900, 1100, 20_000))
    opening, closing = draw.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return framed(b'{"scale":' + opening * depth + b"0" + closing * depth + b"}", data)


def doubled_name(draw: Draw, data: bytes) -> bytes:
    entries = header_text(data).rstrip()
    name = draw.choice([spec.name for spec in TENSORS]).encode()
    return framed(entries[:-1] + b',"' + name + b'":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', data)


def rewritten(draw: Draw, data: bytes) -> bytes:
    """The same header, written in another way."""
    try:
        entries = json.loads(header_text(data))
    except (ValueError, RecursionError):
        return data
    return framed(json.dumps(entries, indent=draw.choice((None, 0, 1)), sort_keys=draw.random() < 0.5).encode(), data)


def another_file(draw: Draw, data: bytes) -> bytes:
    starts = (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", b"PK\x03\x04", b"\x7fELF", b"{}", b"null", b"\xff\xfe")
    start = draw.choice(starts)
    return start + data[len(start) :] if draw.random() < 0.5 else framed(start, data)


def swapped_parts(draw: Draw, data: bytes) -> bytes:
    head, body = parted(data)
    return draw.choice((head + body[::-1], body + head, head + head + body, head))


MUTATIONS: tuple[Mutation, ...] = (
    flipped_bit, flipped_bit, flipped_header_bit, random_bytes, absurd_value, cut, longer, far_longer, another_length,
    inserted_key, lost_key, renamed_key, another_entry, another_entry, nested_json, doubled_name, rewritten,
    another_file, swapped_parts,
)  # fmt: skip


# ---- taking a file apart ----


def parted(data: bytes) -> tuple[bytes, bytes]:
    """Header (with its length) and body, as far as the file still tells."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[:end], data[end:]


def header_text(data: bytes) -> bytes:
    return parted(data)[0][8:]


def framed(text: bytes, data: bytes) -> bytes:
    """This header before that file's body."""
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + parted(data)[1]


def with_header(data: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    """The file with a changed header; one that cannot be read any more stays as it is."""
    try:
        entries = json.loads(header_text(data))
    except (ValueError, RecursionError):
        return data
    if not isinstance(entries, dict) or not entries:
        return data
    change(entries)
    return framed(json.dumps(entries, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass"), data)
