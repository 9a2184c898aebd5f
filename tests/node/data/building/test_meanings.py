"""Every name in the report has words beside it that a friend understands."""

from __future__ import annotations

from pathlib import Path

from node.data.building.build import Wish, build
from node.data.building.choices import Choices
from node.data.building.meanings import meanings
from node.data.building.showing import show
from node.data.cleaning import characters, line_rules, quality
from node.data.privacy import Kind
from node.showing_data import left_out
from tests.node.data.building.command import KEY


def test_every_rule_and_kind_has_words() -> None:
    rules = [rule.name for rule in quality.RULES] + [rule.name for rule in line_rules.RULES]
    mended = [f"{name} removed" for name, *_ in characters._RULES]
    names = {*rules, *mended, *map(str, Kind), "language not allowed: de", "paragraphs and messages scored 0.9 or more"}
    assert {*meanings(names)} == names
    assert meanings(["a collection's name", "en"]) == {}


def test_the_report_and_the_terminal_show_them(tmp_path: Path) -> None:
    (folder := tmp_path / "notes").mkdir()
    (folder / "numbers.txt").write_text("12 34 56 78 90 " * 20)
    (folder / "note.txt").write_text("Whoever wants the recipe of this good soup should write to ana@example.org soon.")
    build(Wish(tmp_path, folder, "notes", Choices()), KEY)
    source = tmp_path / "data" / "notes"
    words, page = (source / "report.md").read_text("utf-8"), (source / "report.html").read_text("utf-8")
    assert "| own: no letters – *numbers and signs only* | 1 |" in words
    assert "own: no letters <small>numbers and signs only</small>" in page
    for text in (words, page):
        assert "--no-rule" in text
    assert left_out(show(source, 1, 0))[:2] == [
        'Dropped 1 document by the rule "own: no letters" (numbers and signs only).',
        "Blanked 1 EMAIL (e-mail addresses).",
    ]
