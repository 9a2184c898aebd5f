"""A collection's training tokens as WebDataset shards of packed samples, for other trainers than ours.

A sample is `length` tokens of the joined documents: `KEY.bin` holds their ids, little-endian, `KEY.json`

    {"kind": "<u2", "boundaries": [0, 311, 512], "learnt": [[12, 90]]}

where a document begins in it, the sample's length last (cumulative lengths, as variable-length attention takes them);
and in collections with conversations the stretches that are replies. The last sample may be shorter.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from node.data import cache, manifest
from node.data.collection import read_meta
from node.data.order import spans_of
from node.data.shards import SHARD, Shards
from node.data.tokens import tokenise
from shared.disk import private_folder
from shared.errors import OwnerMustAct

Progress = Callable[[int, int], None]  # tokens done, in all


def pack(
    collection: Path, tokenizer_json: Path, out: Path, length: int, shard_bytes: int = SHARD,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:  # fmt: skip
    """Write the shards and a manifest into the folder `out`; returns the counts. Raises OwnerMustAct in words."""
    if not 16 <= length <= 1 << 20:
        raise OwnerMustAct(f"A sample has 16 to 1,048,576 tokens, not {length}.")
    if out.is_dir() and any(out.iterdir()):
        raise OwnerMustAct(f"{out} is not empty. Name a new folder.")
    folder = tokenise(collection, tokenizer_json)
    meta = json.loads((folder / "meta.json").read_bytes())
    ids = np.asarray(cache.mapped(folder / "train.ids", meta["kind"]))
    replies = np.asarray(cache.mapped(folder / "train.replies", "u1")) if meta["replies"] else None
    ends = cache.mapped(folder / "train.documents", "<f8").reshape(-1, 2)[:, 0].astype(np.int64)
    with Shards(private_folder(out), "train", shard_bytes) as shards:
        for start in range(0, len(ids), length):
            these = ids[start : start + length]
            first, last = np.searchsorted(ends, [start, start + len(these)], "right")
            inside = (ends[first:last] - start).tolist()
            facts: dict[str, Any] = {"kind": meta["kind"], "boundaries": sorted({0, *inside, len(these)})}
            if replies is not None:
                facts["learnt"] = spans_of(np.flatnonzero(replies[start : start + length]))
            shards.write(facts=facts, binary=these.tobytes())
            progress(start + len(these), len(ids))
    counts = {"samples": shards.samples, "length": length, "tokens": len(ids), "tokenizer": meta["tokenizer"]}
    told = manifest.read_manifest(collection) or {"filters": {}, "licence": ""}
    manifest.write_manifest(
        out, counts=counts, filters=told["filters"], licence=told["licence"], shard_bytes=shard_bytes
    )  # fmt: skip
    return {"name": read_meta(collection).get("name", collection.name), **counts}
