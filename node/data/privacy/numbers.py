"""National ids and payment cards: rows of digits (and some letters) of a known shape, checksum and neighbourhood.

Places with five digits close together are found by one expression; there, runs of up to nine groups are looked up by
shape. So the time does not depend on how many formats there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache

from node.data.privacy.id_formats import SAID_TO_BE_ONE, Reading, check, shapes
from node.data.privacy.kinds import Hit, Kind

Countries = Callable[[], Collection[str]]  # of the owner and of the text's language; asked only when it matters

_DENSE = re.compile(r"[0-9](?:[^0-9\n]{0,3}[0-9]){4,200}")
_GROUP = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]+")
_LEFT, _RIGHT = 12, 40  # how far before and after its dense part a number may begin and end
_GROUPS, _LONGEST = 9, 24  # in a number: groups, characters of a group
_SHAPE = str.maketrans("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "9" * 10 + "A" * 52)
_ABROAD = re.compile(r"\+[0-9]{1,3}[ -]\Z")  # a phone number
_GOES_ON = re.compile(r"([ -])[0-9]{3}")
_SEPARATORS = frozenset(" .-/+")
_BEFORE, _AFTER = 70, 30  # characters in which a word counts
_ORDERED = re.compile(
    r"(?:order|bestell\w*|auftrag\w*|rechnung\w*|invoice|commande|facture|pedido|factura|zamówieni\w*|faktur\w|tracking|sendung\w*|isbn"
    r"|serial|serien\w*|ticket|article|artikel\w*|注文|伝票|追跡)[- ]?(?:n[or°º]\w*|num\w*|id|番号)?\W{0,4}$",
    re.IGNORECASE,
)


def numbers(text: str, countries: Countries) -> Iterator[Hit]:
    """Of a plain text."""
    for start, end in _places(text):
        if not _any_shape().search(text[start:end].translate(_SHAPE)):
            continue
        groups = _groups(text, start, end)
        done = 0
        for first, (begins, _) in enumerate(groups):
            if begins < done or not _may_begin(text, begins) or _ABROAD.search(text, max(0, begins - 5), begins):
                continue
            if hit := _longest(text, groups, first, countries):
                yield hit
                done = hit.end


@cache
def _any_shape() -> re.Pattern[str]:
    """Finds what may be a number in a text of 9s and As."""
    return re.compile(f"(?<![9A_+$#@])(?<![9A]/)(?<!9[-.,:])(?:{_trie(shapes())})(?![9A_@%]|[-.,/:]9)")


def _trie(shapes: Iterable[str]) -> str:
    """An expression for any of the shapes that tries each beginning once."""
    after: dict[str, list[str]] = {}
    for shape in shapes:
        after.setdefault(shape[:1], []).append(shape[1:])
    ends = "" in after
    branches = [re.escape(first) + _trie(rests) for first, rests in sorted(after.items()) if first]
    if not branches:
        return ""
    return f"(?:{'|'.join(branches)}){'?' if ends else ''}"


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Dense places with what may belong to them, apart from each other."""
    start = end = -1
    for dense in _DENSE.finditer(text):
        if start < 0 or dense.start() - _LEFT > end:
            if start >= 0:
                yield start, end
            start = max(dense.start() - _LEFT, end, 0)
        end = dense.end() + _RIGHT
    if start >= 0:
        yield start, min(end, len(text))


def _groups(text: str, start: int, end: int) -> list[tuple[int, int]]:
    found = []
    for group in _GROUP.finditer(text, start):
        if group.start() >= end:
            break
        found.append(group.span())
    return found


def _may_begin(text: str, at: int) -> bool:
    """Not in the middle of a decimal, a UUID, a date or a path."""
    before = text[at - 1 : at]
    if before in ("_", "+", "$", "#", "@") or (before == "/" and text[at - 2 : at - 1].isalnum()):
        return False
    return not (before in ("-", ".", ",", ":") and text[at - 2 : at - 1].isdigit())


def _may_end(text: str, at: int) -> bool:
    after = text[at : at + 2]
    return (
        after[:1] not in ("_", "@", "%")
        and not (after[:1] in ("-", ".", ",", "/", ":") and after[1:].isdigit())
        and not re.match(r"-[A-Za-z]", after)
    )


def _longest(text: str, groups: list[tuple[int, int]], first: int, countries: Countries) -> Hit | None:
    """The longest run of groups from `first` on that is a number."""
    begins = groups[first][0]
    shape, found = "", None
    previous = begins
    for start, end in groups[first : first + _GROUPS]:
        if end - start > _LONGEST or (
            start > previous and (len(between := text[previous:start]) > 2 or not set(between) <= _SEPARATORS)
        ):
            break
        shape += text[previous:start] + text[start:end].translate(_SHAPE)
        previous = end
        goes_on = _GOES_ON.match(text, end)
        for reading in shapes().get(shape, ()):
            if goes_on and goes_on[1] in shape:
                continue
            if _may_end(text, end) and _is_one(text, begins, end, reading, countries):
                found = Hit(begins, end, reading.format.kind)
                break
    return found


def _is_one(text: str, start: int, end: int, reading: Reading, countries: Countries) -> bool:
    form = reading.format
    if not check(form.check)(text[start:end]):
        return False
    before = text[max(0, start - _BEFORE) : start]
    if reading.word.search(before) or reading.word.search(text[end : end + _AFTER].split("\n")[0]):
        return True
    if form.checked and form.kind is Kind.ID and SAID_TO_BE_ONE.search(before) and form.country in countries():
        return True
    if _ORDERED.search(before):
        return False
    if form.kind is Kind.CARD and re.match(
        r"50|5[6-9]|6[0-9](?<!60)(?<!62)(?<!64)(?<!65)|3[05689]|81", text[start : start + 2]
    ):
        return False  # Maestro, Diners, JCB: too many rows of digits begin so
    return reading.alone or (form.rare and form.country in countries())
