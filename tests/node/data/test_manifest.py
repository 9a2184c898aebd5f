"""What the shards hold and whether they are whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.data import manifest
from node.data.building import checking
from node.data.collection import write_meta
from node.data.shards import Shards
from node.data.tokens import tokenise
from shared.errors import OwnerMustAct

FILTERS = {"privacy": 3, "cleaning": {"version": 1, "py3langid": "0.3.0"}}


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    made = tmp_path / "letters"
    made.mkdir()
    for stem in ("train", "held"):
        with Shards(made, stem) as out:
            out.write(facts={}, text="A letter. " * 20)
    write_meta(made, {"added": "today", "bytes": 400, "conversations": 0})
    manifest.write_manifest(made, counts={"documents": 2}, filters=FILTERS, licence="My own words.", shard_bytes=1000)
    return made


def test_it_tells_what_made_the_shards_and_what_was_made_of_them(collection: Path, tokenizer_json: Path) -> None:
    tokens = tokenise(collection, tokenizer_json)
    words = json.loads((collection / "manifest.json").read_bytes())
    assert words["filters"] == FILTERS
    assert words["licence"] == "My own words."
    assert words["shard_bytes"] == 1000
    assert sorted(words["files"]) == ["held-000000.tar", "train-000000.tar"]
    assert len(words["files"]["train-000000.tar"]["sha256"]) == 64
    assert words["tokens"][tokens.name]["train_tokens"] == 201
    assert manifest.damages(collection, full=True) == []
    manifest.check(collection)


def test_a_damaged_shard_is_named_with_what_to_do(collection: Path) -> None:
    shard = collection / "train-000000.tar"
    data = bytearray(shard.read_bytes())
    data[1600] ^= 1
    shard.write_bytes(data)
    assert manifest.damages(collection, full=False) == []
    (sentence,) = manifest.damages(collection, full=True)
    assert "train-000000.tar is damaged" in sentence
    assert "Add the folder again" in sentence
    shard.write_bytes(data[:-1])
    assert "bytes, not" in manifest.damages(collection, full=False)[0]
    shard.unlink()
    with pytest.raises(OwnerMustAct, match=r"train-000000\.tar is missing\. Add the folder again"):
        manifest.check(collection)


def test_damaged_tokens_are_made_anew(collection: Path, tokenizer_json: Path) -> None:
    tokens = tokenise(collection, tokenizer_json)
    (tokens / "train.ids").write_bytes(bytes(402))
    (sentence,) = manifest.damages(collection, full=True)
    assert f"Delete the folder {tokens}" in sentence


def test_a_collection_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    assert manifest.read_manifest(tmp_path) is None
    assert manifest.damages(tmp_path, full=True) == []
    manifest.check(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(OwnerMustAct, match=r"manifest\.json is damaged"):
        manifest.read_manifest(tmp_path)


def test_the_owner_may_have_all_collections_looked_at(collection: Path) -> None:
    told: list[tuple[int, int]] = []
    data, whole = collection.parent, manifest.size(collection)
    fine = checking.check(data, [], full=True, tell=lambda done, total: told.append((done, total)))
    assert fine == {"checked": 1, "bytes": whole, "full": True, "damages": {}}
    assert told[-1] == (whole, whole)
    (collection / "held-000000.tar").write_bytes(bytes((collection / "held-000000.tar").stat().st_size))
    assert checking.check(data, ["letters"], full=False)["damages"] == {}
    (sentence,) = checking.check(data, ["letters"], full=True)["damages"]["letters"]
    assert "held-000000.tar is damaged (its digest is another)" in sentence
    assert "potluck node data add FOLDER --name letters --replace" in sentence
    (collection / "meta.json").write_text("{")
    assert "is not a text collection" in checking.check(data, [], full=False)["damages"]["letters"][0]
    with pytest.raises(OwnerMustAct, match="no collection called notes"):
        checking.check(data, ["notes"], full=False)
