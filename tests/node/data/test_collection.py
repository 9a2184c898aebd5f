"""From a folder to a collection on disk: counts, held-out files, replacing, and nothing that could be a pickle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from node.data import shards
from node.data.collection import NameTaken, Wish, add, read_group_key, read_meta, skipped_words
from node.data.heldout import is_held_out
from shared.errors import OwnerMustAct
from shared.models.vocabulary import save_byte_tokenizer

KEY = b"k" * 32


def write_folder(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def paragraphs(home: Path, name: str, stem: str) -> list[str]:
    texts = [sample["txt"] for sample in shards.read(home / "data" / name, stem)]
    return [paragraph for text in texts for paragraph in text.split("\n\n")]


def many(prefix: str, count: int = 60) -> str:
    return "\n\n".join(f"{prefix} {number} of some more words" for number in range(count))


def test_the_same_message_is_held_out_on_two_pcs_under_different_names(tmp_path: Path) -> None:
    ana = write_folder(tmp_path / "chats", {"2024/june.txt": many("Hello friend") + "\n\n" + many("Only ana")})
    bo = write_folder(tmp_path / "Mail", {"a.md": many("Only bo") + "\n\n" + many("HELLO  friend"), "b.txt": "x"})
    add(Wish(tmp_path / "ana", ana, "chats"), KEY)
    add(Wish(tmp_path / "bo", bo, "mail"), KEY)
    tested = {p.casefold() for p in paragraphs(tmp_path / "ana", "chats", "held") if p.startswith("Hello")}
    also = {
        " ".join(p.split()).casefold() for p in paragraphs(tmp_path / "bo", "mail", "held") if p.startswith("HELLO")
    }
    assert tested == also
    assert tested


def test_every_paragraph_is_counted_once(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "t", {"a.txt": many("x"), "b.txt": many("x") + "\n\n" + many("y"), "c.bin": "z"})
    meta = add(Wish(tmp_path / "home", folder, "t"), KEY)
    kept = paragraphs(tmp_path / "home", "t", "train") + paragraphs(tmp_path / "home", "t", "held")
    assert sorted(kept) == sorted(f"{letter} {number} of some more words" for letter in "xy" for number in range(60))
    assert all(is_held_out(KEY, text) for text in paragraphs(tmp_path / "home", "t", "held"))
    assert (meta["documents"], meta["files"], meta["repeated_paragraphs"]) == (2, 3, 60)
    assert meta["skipped"] == {".bin: not a kind of file that is read": 1}
    assert meta["skipped_words"] == ["1 .bin: not a kind of file that is read: c.bin"]
    texts = [s["txt"] for stem in ("train", "held") for s in shards.read(tmp_path / "home" / "data" / "t", stem)]
    assert meta["bytes"] == sum(len(text.encode()) for text in texts)
    assert meta == read_meta(tmp_path / "home" / "data" / "t")


def test_named_files_are_the_test_set_and_hash_chosen_paragraphs_elsewhere_are_set_aside(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path / "t",
        {"one/a.txt": many("a"), "one/b.txt": many("b") + "\n\na 3 of some more words", "c.txt": many("c")},
    )
    meta = add(Wish(tmp_path, folder, "t", ("a.txt", "no-such-file.txt")), KEY)
    assert paragraphs(tmp_path, "t", "held") == many("a").split("\n\n")
    trained = paragraphs(tmp_path, "t", "train")
    assert "a 3 of some more words" not in trained
    assert not any(is_held_out(KEY, text) for text in trained)
    assert meta["set_aside_paragraphs"] == 120 - len(trained) > 0


def test_skipped_files_are_named_the_first_few_of_each_reason() -> None:
    names = {"not UTF-8": ["z.txt"], "not text": [f"{n}.md" for n in range(4)]}
    words = skipped_words(names, {"not UTF-8": 1, "not text": 1200})
    assert words == [
        "1,200 not text: 0.md, 1.md, 2.md and 1,197 more",
        "1 not UTF-8: z.txt",
    ]


def test_a_glob_that_matches_nothing_is_a_mistake(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "t", {"a.txt": "x"})
    with pytest.raises(OwnerMustAct, match=r"No file in .* matches --hold-out"):
        add(Wish(tmp_path, folder, "t", ("b*.txt",)), KEY)
    assert {path.name for path in (tmp_path / "data").iterdir()} == {".lock", ".pseudonyms"}


def test_a_taken_name_is_replaced_only_when_the_owner_says_so(tmp_path: Path) -> None:
    old = write_folder(tmp_path / "old", {"a.txt": many("old")})
    new = write_folder(tmp_path / "new", {"a.txt": many("new")})
    add(Wish(tmp_path, old, "t"), KEY)
    with pytest.raises(NameTaken, match="called t already"):
        add(Wish(tmp_path, new, "t"), KEY)
    assert paragraphs(tmp_path, "t", "train")[0].startswith("old")
    add(Wish(tmp_path, new, "t", replace=True), KEY)
    assert paragraphs(tmp_path, "t", "train")[0].startswith("new")
    assert sorted(path.name for path in (tmp_path / "data").glob("[!.]*")) == ["t"]
    assert not [*(tmp_path / "data").glob(".t.*")]


def test_a_failed_replacement_leaves_the_old_collection(tmp_path: Path) -> None:
    add(Wish(tmp_path, write_folder(tmp_path / "old", {"a.txt": many("old")}), "t"), KEY)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "a.txt").write_bytes(b"\0\1\2")
    with pytest.raises(OwnerMustAct, match="could be used: 1 not text"):
        add(Wish(tmp_path, broken, "t", replace=True), KEY)
    assert paragraphs(tmp_path, "t", "train")[0].startswith("old")


def test_a_replacement_cut_in_half_by_a_crash_gives_the_old_collection_back(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "t", {"a.txt": many("old")})
    add(Wish(tmp_path, folder, "t"), KEY)
    os.replace(tmp_path / "data" / "t", tmp_path / "data" / ".t.old")
    with pytest.raises(NameTaken):
        add(Wish(tmp_path, folder, "t"), KEY)
    assert read_meta(tmp_path / "data" / "t")["documents"] == 1


def test_the_tars_hold_text_and_json_only(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "t", {"a.pkl.txt": many("x"), "evil.pyd": "x", "b.py": many("y")})
    add(Wish(tmp_path, folder, "t"), KEY)
    for tar in (tmp_path / "data" / "t").glob("*.tar"):
        with tarfile.open(tar) as members:
            for member in members:
                assert member.name.rpartition(".")[2] in ("txt", "json")
                content = members.extractfile(member)
                assert content is not None
                content.read().decode()


def test_a_pickle_smuggled_into_a_shard_is_refused_unread(tmp_path: Path) -> None:
    with shards.Shards(tmp_path, "train") as out:
        out.write(facts={}, text="x")
    evil = tmp_path / "evil.pyd"
    evil.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with tarfile.open(tmp_path / "train-000000.tar", "a") as tar:
        tar.add(evil, "000000001.pyd")
    with pytest.raises(OwnerMustAct, match="which we never write"):
        list(shards.read(tmp_path, "train"))


def test_many_samples_are_spread_over_shards_and_read_in_order(tmp_path: Path) -> None:
    with shards.Shards(tmp_path, "train", shard_bytes=2000) as out:
        for number in range(40):
            out.write(facts={"n": number}, text="x" * 200, binary=bytes([number]))
    assert len(shards.paths(tmp_path, "train")) > 2
    assert [(s["json"]["n"], s["bin"][0]) for s in shards.read(tmp_path, "train")] == [(n, n) for n in range(40)]


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a b", "a/b", "x" * 65, "pipe:rm"])
def test_a_name_that_no_folder_should_bear_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OwnerMustAct, match="cannot be called"):
        add(Wish(tmp_path, write_folder(tmp_path / "t", {"a.txt": "x"}), name), KEY)


def test_a_folder_with_odd_characters_in_its_path_is_fine(tmp_path: Path) -> None:
    odd = tmp_path / "100%d {a,b} ::é pipe:"
    meta = add(Wish(odd / "home", write_folder(odd / "t", {"a.txt": many("x")}), "t"), KEY)
    assert meta["documents"] == 1
    assert paragraphs(odd / "home", "t", "train")


def test_the_group_key_comes_with_joining(tmp_path: Path) -> None:
    with pytest.raises(OwnerMustAct, match="potluck node join"):
        read_group_key(tmp_path / "group.key")
    (tmp_path / "group.key").write_bytes(b"short")
    with pytest.raises(OwnerMustAct, match="damaged"):
        read_group_key(tmp_path / "group.key")


def command(*arguments: object) -> tuple[int, list[dict[str, Any]]]:
    words = [sys.executable, "-m", "node.data", *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_the_command_says_facts(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "t", {f"{n}.txt": many(f"file {n}") for n in range(5)})
    (tmp_path / "group.key").write_bytes(KEY)
    save_byte_tokenizer(tmp_path)
    adding = ["add", "--home", tmp_path, "--folder", folder, "--name", "t", "--group-key-file", tmp_path / "group.key",
              "--tokenizer", tmp_path / "tokenizer.json"]  # fmt: skip
    code, facts = command(*adding)
    assert code == 0
    assert [fact["fact"] for fact in facts[-2:]] == ["progress", "done"]
    assert facts[-1]["tokens"] > facts[-1]["bytes"] > 0  # a token a byte, and one to end each document
    assert read_meta(tmp_path / "data" / "t")["tokens"] == facts[-1]["tokens"]
    code, facts = command(*adding)
    assert (code, facts[-1]["fact"], facts[-1]["code"]) == (1, "failed", "name-taken")
    code, facts = command("tokenise", "--collection", tmp_path / "data" / "t", "--tokenizer", tmp_path / "none.json")
    assert code == 1
    assert "none.json is missing" in facts[-1]["sentence"]


def test_many_unknown_kinds_are_one_line_after_what_can_be_mended() -> None:
    unknown = {
        f".{kind}: not a kind of file that is read": 9 - at for at, kind in enumerate(("jpg", "mp4", "exe", "dll"))
    }
    numbers = {**unknown, "not a kind of file that is read": 2, "damaged": 1}
    assert skipped_words({reason: list("abcd") for reason in numbers}, numbers) == [
        "1 damaged: a, b, c",
        "32 of kinds that are not read: 9 .jpg, 8 .mp4, 7 .exe, 6 .dll, 2 others",
    ]
