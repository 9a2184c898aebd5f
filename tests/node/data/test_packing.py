"""Packed samples for other trainers: every token once, in order, with the documents' boundaries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from node.data import manifest, shards
from node.data.collection import write_meta
from node.data.packing import pack
from node.data.tokens import collect
from shared.errors import OwnerMustAct


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    made = tmp_path / "letters"
    made.mkdir()
    talk = [{"role": "user", "content": "Tea?"}, {"role": "assistant", "content": "Yes, please. " * 9}]
    with shards.Shards(made, "train") as train, shards.Shards(made, "held"):
        for number in range(20):
            train.write(facts={}, text=f"Letter {number}. " * (number + 1))
            train.write(facts={"messages": talk}, text="user: Tea?")
    write_meta(made, {"added": "today", "bytes": 400, "conversations": 20})
    manifest.write_manifest(made, counts={}, filters={"cleaning": 1}, licence="Mine.")
    return made


def test_every_token_is_in_one_sample_with_where_documents_begin(
    tmp_path: Path, collection: Path, tokenizer_json: Path
) -> None:
    told = pack(collection, tokenizer_json, tmp_path / "out", 64, shard_bytes=20_000)
    (text,) = collect([collection], tokenizer_json).texts
    assert text.replies is not None
    found = list(shards.read(tmp_path / "out", "train"))
    assert told["samples"] == len(found) > 10
    assert len(shards.paths(tmp_path / "out", "train")) > 1
    ids = [np.frombuffer(sample["bin"], sample["json"]["kind"]) for sample in found]
    assert np.array_equal(np.concatenate(ids), text.ids)
    assert {len(each) for each in ids[:-1]} == {64}
    begins = {0, *text.documents[:-1, 0].astype(int).tolist()}
    for number, (sample, these) in enumerate(zip(found, ids, strict=True)):
        first, *inside, last = sample["json"]["boundaries"]
        assert (first, last) == (0, len(these))
        assert {number * 64 + place for place in inside} == begins & set(range(number * 64 + 1, number * 64 + last))
        learnt = np.zeros(len(these), np.uint8)
        for start, stop in sample["json"]["learnt"]:
            learnt[start:stop] = 1
        assert np.array_equal(learnt, text.replies[number * 64 : number * 64 + len(these)])
    words = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert (words["filters"], words["licence"]) == ({"cleaning": 1}, "Mine.")
    assert manifest.damages(tmp_path / "out", full=True) == []
    with pytest.raises(OwnerMustAct, match="is not empty"):
        pack(collection, tokenizer_json, tmp_path / "out", 64)
