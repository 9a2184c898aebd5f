"""The page about cards says what a node would choose."""

from __future__ import annotations

from pathlib import Path

from tests.deploy.cards import rows

PAGE = Path(__file__).parents[2] / "docs" / "cards.md"


def test_the_table_of_cards_is_what_the_node_chooses() -> None:
    written = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    assert written[: len(list(rows()))] == list(rows()), "run: python -m tests.deploy.cards"
