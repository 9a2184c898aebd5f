"""What an owner names as a test in one collection is trained on in no other, whichever came first."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from node.data.building.removing import remove
from node.data.collection import Wish, add, read_meta
from node.data.tested import without
from node.data.tokenizers.tokenizer import load
from node.data.tokens import collect, tokenise

KEY = b"k" * 32
TEST = [f"A paragraph of the test, the one with the number {n}, in some words." for n in range(20)]
REST = [f"Something else that was written down, namely for the {n}th time." for n in range(20)]
MIXED = "\n\n".join([*REST[:10], "Short.", *(text.upper() for text in TEST[5:15]), *REST[10:]])


def made(home: Path, name: str, files: dict[str, str], *hold_out: str) -> Path:
    folder = home.parent / f"{name}-texts"
    folder.mkdir()
    for file, text in files.items():
        (folder / file).write_text(text)
    add(Wish(home, folder, name, hold_out), KEY)
    return home / "data" / name


def trained(collection: Path, tokenizer_json: Path) -> str:
    texts = collect([collection], tokenizer_json).texts
    return load(tokenizer_json).decode(np.concatenate([text.ids for text in texts]).tolist()).lower()


def named_tests(home: Path) -> Path:
    return made(
        home, "tests", {"test.txt": "\n\n".join([*TEST, "Short."]), "other.txt": "Nothing but a text."}, "test.*"
    )


@pytest.mark.parametrize("first", ["tests", "notes"])
def test_paragraphs_of_a_named_test_are_left_out_elsewhere(tmp_path: Path, tokenizer_json: Path, first: str) -> None:
    home = tmp_path / "home"
    if first == "tests":
        named_tests(home)
    notes = made(home, "notes", {"mixed.txt": MIXED})
    if first == "notes":
        assert TEST[7].lower() in trained(notes, tokenizer_json)
        named_tests(home)
    left = trained(notes, tokenizer_json)
    assert not [text for text in TEST if text.lower() in left]
    assert "short." in left
    assert sum(text.lower() in left for text in REST) > 10
    assert json.loads((tokenise(notes, tokenizer_json) / "meta.json").read_bytes())["tested_elsewhere"] > 5

    remove(home, "tests")
    assert TEST[7].lower() in trained(notes, tokenizer_json)


def test_a_test_is_one_even_where_another_collection_has_the_same_file(tmp_path: Path, tokenizer_json: Path) -> None:
    home = tmp_path / "home"
    notes = made(home, "notes", {"same.txt": "\n\n".join(TEST), "more.txt": "\n\n".join(REST)})
    named = named_tests(home)
    assert read_meta(named)["held_out_documents"] == 1
    left = trained(notes, tokenizer_json)
    assert not [text for text in TEST if text.lower() in left]


def test_tests_of_the_collection_itself_change_nothing(tmp_path: Path, tokenizer_json: Path) -> None:
    named = named_tests(tmp_path / "home")
    before = tokenise(named, tokenizer_json).stat()
    made(tmp_path / "home", "notes", {"mixed.txt": MIXED})
    assert tokenise(named, tokenizer_json).stat() == before


def test_messages_of_a_named_test_are_left_out_of_other_conversations(tmp_path: Path, tokenizer_json: Path) -> None:
    """Also as one of several messages that one turn is made of, and with a name before it."""
    home = tmp_path / "home"
    ask, say = "What did you say about it, and when did you say it?", "It was on a Sunday,\nas far as I remember it."
    test = [{"role": "user", "content": ask}, {"role": "assistant", "content": say}]
    talk = [
        {"role": "user", "content": "Hello there."}, {"role": "assistant", "content": "Hello to you."},
        {"role": "user", "content": f"Ada: Listen.\nBob: {ask}\nBob: Well?"}, {"role": "assistant", "content": "No."},
        {"role": "user", "content": "Why not?"}, {"role": "assistant", "content": f"Listen.\n{say}\nThat is all."},
        {"role": "user", "content": "Thanks for it."}, {"role": "assistant", "content": "My pleasure."},
    ]  # fmt: skip
    chats = made(home, "chats", {"talk.jsonl": json.dumps({"messages": talk})})
    made(home, "named", {"test.jsonl": json.dumps({"messages": test}), "o.txt": "Nothing but a text."}, "test.*")
    left = trained(chats, tokenizer_json)
    assert "hello to you." in left
    assert "my pleasure." in left
    assert "on a sunday" not in left
    assert "what did you say" not in left


def test_what_is_not_tested_stays_as_it_is() -> None:
    sample = {"txt": "One.\n\nTwo.", "json": {"file": "a"}}
    assert without(sample, np.array([1, 2, 3], "<u8")).samples == [sample]
    assert without(sample, np.array([], "<u8")).samples == [sample]
