"""Pictures for a page, as inline SVG: bars that lie, bars that stand. Colours come from the page's own style."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH = 640
ROW, NAME, NUMBER = 24, 250, 90  # heights and widths of a lying bar, in the picture's own units
HEIGHT, FOOT = 180, 46


def lying(rows: Sequence[tuple[str, int]], label: str) -> str:
    """A bar for each row, its name before it and its number behind it."""
    most = max((number for _, number in rows), default=1) or 1
    room = WIDTH - NAME - NUMBER
    parts = []
    for at, (name, number) in enumerate(rows):
        y, length, shown = at * ROW, max(2.0, room * number / most), escape(_cut(name, 38))
        parts.append(
            f'<text class="name" x="{NAME - 8}" y="{y + 16}">{shown}<title>{escape(name)}</title></text>'
            f'<rect class="bar" x="{NAME}" y="{y + 4}" width="{length:.1f}" height="{ROW - 8}" rx="3"/>'
            f'<text class="number" x="{NAME + length + 6:.1f}" y="{y + 16}">{number:,}</text>'
        )
    return _picture(len(rows) * ROW, label, parts)


def standing(rows: Sequence[tuple[str, int]], label: str) -> str:
    """A histogram: a bar for each step, its number above it."""
    most = max((number for _, number in rows), default=1) or 1
    step = WIDTH / max(len(rows), 1)
    parts = [f'<line class="axis" x1="0" y1="{HEIGHT}" x2="{WIDTH}" y2="{HEIGHT}"/>']
    for at, (name, number) in enumerate(rows):
        x, tall = at * step, (HEIGHT - 22) * number / most
        middle = x + step / 2
        parts.append(
            f'<rect class="bar" x="{x + step * 0.08:.1f}" y="{HEIGHT - tall:.1f}" width="{step * 0.84:.1f}" '
            f'height="{tall:.1f}" rx="3"><title>{escape(name)}: {number:,}</title></rect>'
            f'<text class="number over" x="{middle:.1f}" y="{HEIGHT - tall - 6:.1f}">{number:,}</text>'
        )
        if at % -(-len(rows) * 64 // WIDTH) == 0:  # names that would run into each other are left out
            parts.append(f'<text class="step" x="{middle:.1f}" y="{HEIGHT + 20}">{escape(name)}</text>')
    return _picture(HEIGHT + FOOT, label, parts)


def _picture(height: int, label: str, parts: Sequence[str]) -> str:
    what = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}"'
    return f"<svg {what}>{''.join(parts)}</svg>"


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
