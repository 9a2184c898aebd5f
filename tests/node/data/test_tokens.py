"""What the trainer reads: every token of every training document, mapped, scattered, and over again."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from tokenizers import Tokenizer

from node.data import encoding
from node.data.building.removing import remove
from node.data.collection import Wish, add, at_rest, read_meta, write_meta
from node.data.tokenizers import tokenizer as tokenizers
from node.data.tokenizers.tokenizer import load, open_tokenizer
from node.data.tokens import collect, tokenise
from shared.errors import OwnerMustAct

KEY = b"k" * 32


def collection(tmp_path: Path, name: str, texts: dict[str, str], *hold_out: str) -> Path:
    folder = tmp_path / f"{name}-texts"
    folder.mkdir()
    for file, text in texts.items():
        (folder / file).write_text(text, "utf-8")
    add(Wish(tmp_path / "home", folder, name, hold_out), KEY)
    return tmp_path / "home" / "data" / name


def several(prefix: str) -> dict[str, str]:
    return {f"{n}.txt": "\n\n".join(f"{prefix} {n} {k} é" for k in range(30)) for n in range(4)}


def test_one_collection_is_mapped_and_joined_by_end_of_text(tmp_path: Path, tokenizer_json: Path) -> None:
    made = collection(tmp_path, "a", several("x"), "0.txt")
    found = collect([made], tokenizer_json)
    (train,) = found.texts
    assert isinstance(train.ids, np.memmap)
    assert train.ids.dtype == np.uint16
    assert np.count_nonzero(train.ids == found.end) == 3  # documents
    assert train.documents[:, 0].tolist() == (np.flatnonzero(train.ids == found.end) + 1).tolist()
    text = Tokenizer.from_file(str(tokenizer_json)).decode([i for i in train.ids.tolist() if i != found.end])
    assert text.startswith("x 1 0 é\n\nx 1 1 é")


def test_held_out_text_is_cut_and_shuffled(
    tmp_path: Path, tokenizer_json: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "HELD_PIECE", 50)
    found = collect([collection(tmp_path, "a", several("x"), "0.txt")], tokenizer_json)
    assert len(found.held) > 3
    tokenizer = load(tokenizer_json)
    texts = [tokenizer.decode(piece.ids.tolist()) for piece in found.held]
    said = [paragraph for text in texts for paragraph in text.split("\n\n")]
    assert sorted(said) == sorted(f"x 0 {k} é" for k in range(30))
    assert said != [f"x 0 {k} é" for k in range(30)]


def test_several_collections_are_several_texts(tmp_path: Path, tokenizer_json: Path) -> None:
    first, second = collection(tmp_path, "a", several("x")), collection(tmp_path, "b", several("y"))
    both = collect([first, second], tokenizer_json)
    alone = [collect([one], tokenizer_json) for one in (first, second)]
    assert [text.name for text in both.texts] == [one.texts[0].name for one in alone]
    assert len({text.name for text in both.texts}) == 2
    for together, one in zip(both.texts, alone, strict=True):
        assert np.array_equal(together.ids, one.texts[0].ids)
    assert len(both.held) == sum(len(one.held) for one in alone)


def test_what_looks_like_a_special_token_in_a_text_is_only_text(tmp_path: Path, tokenizer_json: Path) -> None:
    say = "{} says <|endoftext|> and <|im_end|>"
    made = collection(tmp_path, "a", {f"{n}.txt": say.format(n) for n in range(20)})
    found = collect([made], tokenizer_json)
    train = found.texts[0].ids
    assert np.count_nonzero(train == found.end) == 20 - len(found.held)
    assert not np.any(np.isin(train, (1, 2)))


def test_tokens_are_made_once_for_each_tokenizer(tmp_path: Path, tokenizer_json: Path) -> None:
    made = collection(tmp_path, "a", several("x"))
    folder = tokenise(made, tokenizer_json)
    stamp = (folder / "train.ids").stat().st_mtime_ns
    assert tokenise(made, tokenizer_json) == folder
    assert (folder / "train.ids").stat().st_mtime_ns == stamp
    other = tmp_path / "tokenizer" / "other.json"
    other.write_text(tokenizer_json.read_text() + "\n")
    assert tokenise(made, other) != folder


def test_a_long_text_is_cut_without_losing_a_byte(tokenizer_json: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizers, "PIECE", 7)
    texts = ["one two three\n\nfour é\nfive" * 20 + "\n", "", "no line's end, nowhere" * 9]
    tokenizer = open_tokenizer(tokenizer_json)
    assert [tokenizer.plain.decode(ids.tolist()) for ids in tokenizer.encode(texts)] == texts


def test_small_batches_and_large_ones_make_the_same_columns(
    tmp_path: Path, tokenizer_json: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b").mkdir()
    whole = tokenise(collection(tmp_path, "a", several("x")), tokenizer_json)
    monkeypatch.setattr(encoding, "BATCH", 40)
    pieces = tokenise(collection(tmp_path / "b", "a", several("x")), tokenizer_json)
    names = [path.name for path in whole.iterdir() if path.suffix != ".json"]
    assert len(names) == 6
    for name in names:
        if name == "train.documents":
            assert np.array_equal(np.fromfile(whole / name)[::2], np.fromfile(pieces / name)[::2])
        else:
            assert (whole / name).read_bytes() == (pieces / name).read_bytes(), name


def test_a_killed_tokeniser_goes_on_where_it_had_committed(
    tmp_path: Path, tokenizer_json: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at every tenth of the text, and once more after everything was written."""
    (tmp_path / "b").mkdir()
    monkeypatch.setattr(encoding, "BATCH", 40)
    monkeypatch.setattr(encoding, "COMMIT", 500)
    whole = tokenise(collection(tmp_path, "a", several("x")), tokenizer_json)
    broken = collection(tmp_path / "b", "a", several("x"))
    begun: list[int] = []

    class KilledError(Exception):
        pass

    for tenth in range(1, 11):
        seen: list[int] = []

        def progress(done: int, total: int, tenth: int = tenth, seen: list[int] = seen) -> None:
            seen.append(done)
            if done * 10 >= total * tenth:
                raise KilledError

        with pytest.raises(KilledError):
            tokenise(broken, tokenizer_json, progress)
        begun.append(seen[0])
    assert begun == sorted(begun)
    assert begun[-1] > begun[0]
    again = tokenise(broken, tokenizer_json)
    names = sorted(path.name for path in whole.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert all((whole / name).read_bytes() == (again / name).read_bytes() for name in names if name != "meta.json")


def test_tokens_that_are_damaged_or_of_other_text_are_made_anew(tmp_path: Path, tokenizer_json: Path) -> None:
    made = collection(tmp_path, "a", several("x"))
    folder = tokenise(made, tokenizer_json)
    good = (folder / "train.ids").read_bytes()
    (folder / "train.ids").write_bytes(good[:-2])
    (made / "tokens-of-an-earlier-version").mkdir()
    assert tokenise(made, tokenizer_json) == folder
    assert (folder / "train.ids").read_bytes() == good
    assert [path.name for path in made.glob("*tokens-*")] == [folder.name]
    meta = read_meta(made)
    write_meta(made, meta | {"added": "tomorrow"})
    edition = json.loads((folder / "meta.json").read_bytes())["edition"]
    tokenise(made, tokenizer_json)
    assert json.loads((folder / "meta.json").read_bytes())["edition"] != edition


def test_what_is_missing_is_said_in_words(tmp_path: Path, tokenizer_json: Path) -> None:
    made = collection(tmp_path, "a", several("x"))
    all_held = collection(tmp_path, "b", {"a.txt": "x"}, "a.txt")
    with pytest.raises(OwnerMustAct, match="no text to train on yet"):
        collect([], tokenizer_json)
    with pytest.raises(OwnerMustAct, match="held out for testing"):
        collect([all_held], tokenizer_json)
    with pytest.raises(OwnerMustAct, match="is missing"):
        collect([made], tmp_path / "none.json")
    with pytest.raises(OwnerMustAct, match="not a text collection"):
        collect([tmp_path], tokenizer_json)
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(OwnerMustAct, match="is not a tokenizer"):
        collect([made], tmp_path / "bad.json")


def test_a_collection_that_is_removed_while_its_tokens_are_counted_is_gone(
    tmp_path: Path, tokenizer_json: Path
) -> None:
    made = collection(tmp_path, "a", several("x"), "0.txt")
    meta, removing = read_meta(made), Thread(target=remove, args=(tmp_path / "home", "a"))

    def counting(done: int, total: int) -> None:
        if removing.ident is None:
            removing.start()

    tokenise(made, tokenizer_json, counting)
    removing.join()
    with pytest.raises(OwnerMustAct, match="a was removed or replaced"), at_rest(made, meta):
        pass
    assert not made.exists()
