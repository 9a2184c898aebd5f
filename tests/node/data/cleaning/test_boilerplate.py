"""Boilerplate lines go, sentences stay, and what holds for web pages holds for web pages only."""

from __future__ import annotations

from collections import Counter

import pytest

from node.data.cleaning.boilerplate import Boilerplate
from node.data.document import Document, Kind


def _cleaned(
    text: str, name: str = "note.txt", kind: Kind = "prose", off: tuple[str, ...] = (), on: tuple[str, ...] = ()
) -> str:
    made = Boilerplate(off, on)(Document(name, text, kind=kind), Counter())
    return made.text if isinstance(made, Document) else ""


@pytest.mark.parametrize(
    "line",
    [
        "Accept all cookies",
        "Cookie settings",
        "Alle Cookies akzeptieren",
        "© 2019 Example Ltd. All rights reserved.",
        "Alle Rechte vorbehalten",
        "Skip to main content",
        "↑ Back to top",
        "Share on Facebook, Twitter and WhatsApp",
        "Tweet this",
        "Page 3 of 12",
        "Seite 7",
        "- 12 -",
        "Sent from my iPhone",
        "Von meinem iPad gesendet",
        "To unsubscribe from this list, send a mail to the address below.",
    ],
)
def test_boilerplate_lines_go_from_any_prose(line: str) -> None:
    assert _cleaned(f"First.\n\n{line}\n\nLast.") == "First.\n\nLast."


@pytest.mark.parametrize(
    "line",
    [
        "We baked cookies, and I accept that nobody agrees on the policy of sharing them.",
        "Home",
        "Page 3 of the script is missing, ask Ana.",
        "I shared it on Facebook.",
        "- 12 eggs",
        "12",
        "To unsubscribe felt good.",
        "Back to work",
        "All rights are reserved to the person who cooks, he said.",
        "read more | write more | sleep",
    ],
)
def test_what_people_write_stays(line: str) -> None:
    assert _cleaned(f"First.\n{line}\nLast.") == f"First.\n{line}\nLast."


@pytest.mark.parametrize(
    "line",
    [
        "This website uses cookies to improve your experience.",
        "Home | About us | Contact",
        "Log in",
        "Please enable JavaScript to view this page.",
    ],
)
def test_some_lines_go_from_web_pages_only(line: str) -> None:
    assert _cleaned(f"First.\n{line}\nLast.", "site/page.html") == "First.\nLast."
    assert _cleaned(f"First.\n{line}\nLast.", "crawl.warc.gz!7") == "First.\nLast."
    assert line in _cleaned(f"First.\n{line}\nLast.", "diary.md")
    assert line in _cleaned(f"First.\n{line}\nLast.", "book.epub!one.xhtml")


def test_a_bare_number_is_a_page_number_in_a_pdf_only() -> None:
    assert _cleaned("One.\n\n17\n\nTwo.", "book.pdf") == "One.\n\nTwo."
    assert "17" in _cleaned("One.\n\n17\n\nTwo.", "scores.txt")


def test_code_tables_and_chats_keep_every_line() -> None:
    for kind in ("code", "table", "chat"):
        assert _cleaned("# All rights reserved.", kind=kind) == "# All rights reserved."


def test_rules_are_switched_off_and_on_by_name() -> None:
    assert _cleaned("Page 3", off=("page number",)) == "Page 3"
    assert _cleaned("A heading\nA sentence.", "a.html", on=("no end mark",)) == "A sentence."


def test_removed_lines_are_counted_per_rule() -> None:
    counts: Counter[str] = Counter()
    Boilerplate()(Document("n", "Page 1\nhello\nPage 2\nTweet this"), counts)
    assert counts == {"boilerplate: page number": 2, "boilerplate: share buttons": 1}
