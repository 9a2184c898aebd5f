"""Pictures for a page: bars that lie, bars that stand. The bars are inline SVG, the words are words, so that they can
be read on a phone. Colours come from the page's own style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType

Row = tuple[str, int]


def lying(rows: Sequence[Row], *, shares: bool = False, meanings: Mapping[str, str] = MappingProxyType({})) -> str:
    """A bar for each row between its name (and what that means) and its number; `shares`: with its part of all, too."""
    most, total = max((number for _, number in rows), default=0) or 1, sum(number for _, number in rows) or 1
    parts = []
    for name, number in rows:
        share = f"<b>{number / total:.0%}</b> " if shares else ""
        parts.append(
            f"<li><span class=name>{explained(name, meanings)}</span>{_bar(100 * number / most, 100)}"
            f"<span class=number>{share}{number:,}</span></li>"
        )
    return f"<ul class=lying>{''.join(parts)}</ul>"


def explained(name: str, meanings: Mapping[str, str]) -> str:
    """A name, and below it in small print what it means."""
    return escape(name) + (f" <small>{escape(meanings[name])}</small>" if name in meanings else "")


def standing(rows: Sequence[Row], label: str) -> str:
    """A histogram: a bar for each step with its number above and its name below."""
    most = max((number for _, number in rows), default=0) or 1
    every = -(-len(rows) // 16)  # names that would run into each other are left out
    parts = []
    for at, (name, number) in enumerate(rows):
        shown = escape(name) if at % every == 0 else ""
        bar = _bar(100, 100 * number / most)
        parts.append(
            f'<li title="{escape(name)}: {number:,}"><span class=number>{number:,}</span>{bar}<span>{shown}</span></li>'
        )
    return f'<ul class=standing aria-label="{escape(label)}">{"".join(parts)}</ul>'


def bytes_words(power_of_two: int) -> str:
    """128, 4k, 16M: short enough to stand below a bar."""
    for unit, bits in (("G", 30), ("M", 20), ("k", 10)):
        if power_of_two >> bits:
            return f"{power_of_two >> bits}{unit}"
    return str(power_of_two)


def _bar(width: float, height: float) -> str:
    """In percent of the room it has, at its lower left."""
    return (
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect x="0" y="{100 - height:.1f}" width="{max(width, 0.6):.1f}" height="{height:.1f}"/></svg>'
    )
