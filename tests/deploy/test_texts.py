"""The demo's texts: what is taken from the handbook's pages, and the same files held out in every language."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.demo import texts

PAGE = """<html><head><title>{title}</title></head><body>
<div class="section"><h2>{title}</h2>
<div class="para">{one}</div>
<div class="para"><pre class="screen"># apt install something-with-a-long-name</pre></div>
<ul><li><div class="para">{two}</div></li></ul></div></body></html>"""
LEFT = "This paragraph was left in English by its translators."


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A handbook of twelve pages in four languages, each half translated."""
    for language in (texts.ENGLISH, *texts.LANGUAGES.values()):
        (tmp_path / language).mkdir()
        for number in range(12):
            translation = (
                LEFT if language == texts.ENGLISH else f"{language}: a sentence about subject number {number}."
            )
            page = PAGE.format(title=f"Subject {number}", one=LEFT, two=translation)
            (tmp_path / language / f"page{number:02}.html").write_text(page)
    return tmp_path


def test_only_translated_paragraphs_of_some_length_are_kept(book: Path) -> None:
    friends = texts.handbook_texts(book)
    assert sorted(friends) == ["de", "fr", "ja"]
    assert friends["fr"]["page03.txt"] == ["fr-FR: a sentence about subject number 3."]


def test_the_same_files_are_held_out_in_every_language(book: Path) -> None:
    friends = texts.handbook_texts(book)
    assert texts.held_out(friends.values()) == ["page00.txt", "page10.txt"]


def test_without_a_handbook_every_python_has_three_friends() -> None:
    friends = texts.python_texts()
    assert sorted(friends) == ["modules", "packages", "topics"]
    sizes = {name: sum(len(p) for texts_ in found.values() for p in texts_) for name, found in friends.items()}
    assert all(200_000 < size < 2_000_000 for size in sizes.values()), sizes
    for found in friends.values():
        assert set(found) & set(texts.held_out(friends.values()))
    names = [set(found) for found in friends.values()]
    assert not names[0] & names[1]


def test_thirds_share_the_training_files_and_all_get_the_test_files(tmp_path: Path) -> None:
    (tmp_path / "de").mkdir()
    for number in range(10):
        (tmp_path / "de" / f"{number}.txt").write_text("x")
    shares = texts.thirds(tmp_path / "de", tmp_path / "out", ["0.txt"])
    held = [sorted(path.name for path in share.iterdir()) for share in shares.values()]
    assert list(shares) == ["de-1", "de-2", "de-3"]
    assert all("0.txt" in names for names in held)
    assert sorted(name for names in held for name in names if name != "0.txt") == [f"{n}.txt" for n in range(1, 10)]
