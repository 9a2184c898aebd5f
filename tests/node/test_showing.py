"""Tables and sentences for the owner."""

from __future__ import annotations

import pytest

from node import showing, showing_data
from node.data.building.showing import differences
from shared.saying import folded


def test_what_others_said_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    update = {"round": 1, "run": "notes-k3f9qa", "share": 1.0, "tokens": 1, "bytes": 1, "metrics": {},
              "verdict": "refused", "sentence": "[/red] :key:"}  # fmt: skip
    showing.show_status({
        "sentence": "Waiting for work.", "paused": False, "running": True, "host": "[fd00::2]:7443", "name": "[b]ana",
        "group": "saturday", "data": [":key:notes"], "updates": [update],
    })  # fmt: skip
    said = capsys.readouterr().out
    for words in ("[fd00::2]:7443", "[b]ana in the group saturday", ":key:notes", "[/red]", ":key:"):
        assert words in said


def test_a_long_sentence_is_broken_between_words_and_a_path_never() -> None:
    path = "/home/ana/" + "long/" * 9
    lines = folded(f"  ok    disk         There is room for it at {path}, and so on and so forth.", 40, 21).split("\n")
    assert lines[0] == "  ok    disk         There is room for it"
    assert all(line.startswith(" " * 21) for line in lines[1:])
    assert any(line.strip() == f"{path}," for line in lines)


def test_tokens_that_are_not_counted_are_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"name": "notes", "documents": 1, "bytes": 10, "tokens": None, "shared": False, "usable": True}
    showing.show_collections([row])
    said = capsys.readouterr().out
    assert "those of the replies" not in said
    assert "not yet" in said
    assert "when a run first trains on them" in said


def test_what_the_tokens_of_chats_are_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"name": "chat", "documents": 1, "bytes": 10, "tokens": 3, "conversations": 1, "shared": True, "usable": True}
    showing.show_collections([row])
    assert "tokens are those of the replies" in capsys.readouterr().out


def test_nothing_in_a_text_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "soup\x1b]0;title\x07 of\x1b[2J the \x9b31mday\nand more"
    sample, dropped = {"in": "train", "file": "a.txt", "text": evil}, {"file": "a.txt", "text": evil}
    [(before, after)] = differences(evil, "soup of the day")
    changed = {"characters": [{"file": "a.txt", "before": before, "after": after}]}
    showing_data.preview({"changed": changed, "dropped": {"rule": [dropped]}, "documents": 1})
    showing_data.collection({
        "name": "notes", "documents": 1, "bytes": 9, "tokens": 3, "source_words": "notes", "samples": [sample],
        "added": "2026-11-28T12:00:00+00:00",
    })  # fmt: skip
    said = capsys.readouterr().out
    assert not [character for character in said if not character.isprintable() and character != "\n"]
    assert "soup\\u{1b}]0;title" in said
