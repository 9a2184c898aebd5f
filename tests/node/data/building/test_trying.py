"""A dry run refuses what adding would refuse, and what cannot be used says why."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from node.data.building.build import Wish, build
from node.data.building.choices import Choices, choices_from
from node.data.building.trying import try_out
from node.data.collection import NameTaken
from shared.errors import OwnerMustAct
from tests.node.data.building.command import KEY, prose


def dry(home: Path, folder: Path, name: str, words: dict[str, Any]) -> None:
    try_out(Wish(home, folder, name, choices_from(words)), KEY, 0, lambda progress: None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"languages": ["xx"]}, "No language is called xx"),
        ({"rules": ["nonsense"]}, "no cleaning rule 'nonsense'"),
        ({"country": "Germany"}, "no country Germany"),
        ({"toxicity": "maybe"}, "--toxicity cannot be 'maybe'. Say one of: off, count, cut, drop."),
        ({"web_rules": "sometimes"}, "--web-rules cannot be 'sometimes'"),
        ({"encoding": "klingon"}, "no encoding called klingon"),
    ],
)
def test_a_dry_run_refuses_words_that_mean_nothing(tmp_path: Path, words: dict[str, Any], said: str) -> None:
    folder = prose(tmp_path / "notes", files=1)
    with pytest.raises(OwnerMustAct) as refused:
        dry(tmp_path, folder, "notes", words)
    assert said in str(refused.value)


def test_a_dry_run_refuses_a_name_that_is_taken_or_none(tmp_path: Path) -> None:
    folder = prose(tmp_path / "notes", files=1)
    build(Wish(tmp_path, folder, "notes"), KEY)
    with pytest.raises(NameTaken):
        dry(tmp_path, folder, "notes", {})
    with pytest.raises(OwnerMustAct, match="cannot be called"):
        dry(tmp_path, folder, "../notes", {})


def test_what_is_known_already_is_named_as_the_reason(tmp_path: Path) -> None:
    folder = prose(tmp_path / "notes", files=2)
    build(Wish(tmp_path, folder, "notes"), KEY)
    with pytest.raises(OwnerMustAct, match="2 copies of what is known already in notes"):
        build(Wish(tmp_path, folder, "again"), KEY)


def test_only_what_is_kept_is_counted(tmp_path: Path) -> None:
    folder = prose(tmp_path / "notes", files=2)
    (folder / "copy.txt").write_bytes(next(folder.glob("*.txt")).read_bytes())
    (folder / "zeros.txt.gz").write_bytes(gzip.compress(b"0" * 40_000))
    meta = build(Wish(tmp_path, folder, "notes", Choices(licence="mine")), KEY)
    assert (meta["documents"], meta["copies"], sum(meta["dropped"].values())) == (2, {"exact": 1}, 1)
    report = (tmp_path / "data" / "notes" / "report.md").read_text("utf-8")
    kept = sum(int(number.replace(",", "")) for number in re.findall(r"\| ([\d,]+) \|", languages_of(report)))
    assert 0 < kept <= meta["bytes"]
    assert "| documents read | 4 |" in report
    assert "| kept, whole or in part | 2 |" in report


def test_what_is_blanked_in_a_copy_is_not_counted(tmp_path: Path) -> None:
    folder = prose(tmp_path / "notes", files=1)
    note = "Whoever wants the recipe of this very good soup should write to ana@example.org before the winter comes."
    for name in ("first", "second"):
        (folder / f"{name}.txt").write_text(note)
    meta = build(Wish(tmp_path, folder, "notes", Choices(clean=False)), KEY)
    assert (meta["copies"], meta["blanked"]) == ({"exact": 1}, {"EMAIL": 1})
    report = (tmp_path / "data" / "notes" / "report.md").read_text("utf-8")
    assert "| of these, with something blanked | 1 |" in report


def languages_of(report: str) -> str:
    return report.split("## Languages")[1].split("##")[0]
