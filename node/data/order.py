"""In which order a run reads this PC's text: once each pass, and what did not count is read again. Pure.

A text is cut into windows; its *position* p means window p % windows of pass p // windows (which one that is,
`samples` knows). What a round read is a set of positions. Then everything follows:

    read     what rounds read whose update counted, or may still count
    owed     what rounds read whose update was late, refused or abandoned: the model has not learnt it
    ahead    owed, and what this pass has left, all texts side by side; then the next passes

So nothing is read twice in a pass and nothing is left out, whatever becomes of updates, and whether texts come or go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Spans = tuple[tuple[int, int], ...]  # positions from..to (without), in order, apart
Rows = NDArray[np.int64]  # [n, 2]: which of the texts, which position


@dataclass(frozen=True, slots=True)
class Text:
    """One text as the order sees it. Another text has another name; the same one with more in it has, too."""

    name: str
    windows: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: by one round, or by many."""

    at_pass: int = 0  # the furthest that was begun
    spans: Mapping[str, Spans] = field(default_factory=dict)  # by the name of the text


def ahead(texts: Sequence[Text], read: Reading, owed: Reading, count: int) -> Rows:
    """At least the next `count` windows: what this pass has left and what is owed, then as many whole passes as needed.

    `read` and `owed` are everything before; asked again for more, the answer begins the same.
    """
    assert any(text.windows for text in texts)
    this = max(read.at_pass, owed.at_pass)
    pieces = [_side_by_side([_left(text, this, read, owed) for text in texts])]
    while sum(len(piece) for piece in pieces) < count:
        this += 1
        pieces.append(_side_by_side([np.arange(this * text.windows, (this + 1) * text.windows) for text in texts]))
    return np.concatenate(pieces)


def reading(texts: Sequence[Text], rows: Rows, before: Reading = Reading()) -> Reading:
    """`before`, and these windows too."""
    spans, at_pass = dict(before.spans), before.at_pass
    for number, text in enumerate(texts):
        positions = np.sort(rows[rows[:, 0] == number, 1])
        if len(positions):
            at_pass = max(at_pass, int(positions[-1]) // text.windows)
            spans[text.name] = union(spans.get(text.name, ()), spans_of(positions))
    return Reading(at_pass, spans)


def together(readings: Iterable[Reading]) -> Reading:
    """All of them as one."""
    at_pass, spans = 0, dict[str, Spans]()
    for one in readings:
        at_pass = max(at_pass, one.at_pass)
        for name, more in one.spans.items():
            spans[name] = union(spans.get(name, ()), more)
    return Reading(at_pass, spans)


def union(some: Spans, others: Spans) -> Spans:
    joined: list[tuple[int, int]] = []
    for start, stop in sorted((*some, *others)):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], stop)
        else:
            joined.append((start, stop))
    return tuple(joined)


def without(some: Spans, others: Spans) -> Spans:
    """What is in `some` and not in `others`."""
    rest: list[tuple[int, int]] = []
    for start, stop in some:
        for cut_from, cut_to in others:
            if cut_to <= start or cut_from >= stop:
                continue
            if cut_from > start:
                rest.append((start, cut_from))
            start = cut_to
            if start >= stop:
                break
        if start < stop:
            rest.append((start, stop))
    return tuple(rest)


def spans_of(positions: NDArray[np.int64]) -> Spans:
    """Sorted positions as spans."""
    if not len(positions):
        return ()
    breaks = np.flatnonzero(np.diff(positions) != 1) + 1
    return tuple((int(part[0]), int(part[-1]) + 1) for part in np.split(positions, breaks))


def _left(text: Text, this: int, read: Reading, owed: Reading) -> NDArray[np.int64]:
    """The positions that are owed or left in pass `this`, in order."""
    pass_ = ((this * text.windows, (this + 1) * text.windows),) if text.windows else ()
    left = without(union(owed.spans.get(text.name, ()), pass_), read.spans.get(text.name, ()))
    return np.concatenate([np.arange(start, stop) for start, stop in left]) if left else np.empty(0, np.int64)


def _side_by_side(positions: Sequence[NDArray[np.int64]]) -> Rows:
    """All texts' positions in one row of windows, each text spread evenly over the whole."""
    which = np.repeat(np.arange(len(positions)), [len(these) for these in positions])
    place = np.concatenate([(np.arange(len(these)) + 0.5) / max(1, len(these)) for these in positions])
    order = np.argsort(place, kind="stable")
    return np.stack([which, np.concatenate(positions)], axis=1)[order]
