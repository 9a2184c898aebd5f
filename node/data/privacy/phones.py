"""Phone numbers, judged by `phonenumbers`: international ones, national ones of the text's countries, or after a word.

`phonenumbers`' own matcher goes over a text at some kB/s; here one cheap expression finds rows of digits, most are sent
away by their look (dates, decimals, sums, parts of codes), and only the rest is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from node.data.privacy.kinds import Hit, Kind
from node.data.privacy.national_numbers import is_national, is_valid
from node.data.privacy.numbers import Countries
from node.data.privacy.phone_words import DENIES, EXTENSION, MONEY_OR_MEASURE, STEMS, TELLS, TELLS_AFTER

_ROW = re.compile(r"[0-9](?:[ ./()-]{0,3}[0-9]){5,17}")
_DATE = re.compile(
    r"""(?:[12][0-9]{3}([-/.])[01]?[0-9]\1[0-3]?[0-9]|[0-3]?[0-9]([-/.])[0-3]?[0-9]\2(?:[12][0-9]{3}|[0-9]{2}))
    (?![0-9]|[-/.][0-9])""",
    re.VERBOSE,
)
_GROUP = re.compile("[0-9]+")
_BEFORE = 60  # characters in which a word counts


def phones(text: str, lowered: str, countries: Countries, code: bool) -> Iterator[Hit]:
    """Of a plain text, also given in lower case.

    `code`: it is a program's, where only international numbers and those after a word are any.
    """
    done = 0
    for row in _ROW.finditer(text):
        if _DATE.match(row[0]):
            continue
        start, plus = _beginning(text, row.start())
        if start < done or not _may_begin(text, start):
            continue
        groups = [group.span() for group in _GROUP.finditer(text, row.start(), row.end())]
        if row.end() < len(text) and text[row.end()].isdigit():
            groups.pop()  # the row is longer than a number may be
        if end := _end_of_number(text, lowered, start, groups, plus, countries, code):
            if extension := EXTENSION.match(text, end):
                end = extension.end()
            if text[start] == "(" and ")" not in text[start:end]:
                start += 1
            yield Hit(start, end, Kind.PHONE)
            done = end


def _beginning(text: str, digit: int) -> tuple[int, bool]:
    """Where the number begins, with its "(" and "+"."""
    start = digit
    if text[start - 1 : start] == " " and text[max(0, start - 2) : start - 1] == "+":
        start -= 1
    if text[max(0, start - 1) : start] == "(":
        start -= 1
    plus = text[max(0, start - 1) : start] == "+"
    if plus:
        start -= 1
    if text[max(0, start - 1) : start] == "(":
        start -= 1
    return start, plus or text[max(0, start - 6) : start] == "wa.me/"


def _may_begin(text: str, at: int) -> bool:
    before, further = text[max(0, at - 1) : at], text[max(0, at - 2) : at - 1]
    if before.isascii() and (before.isalnum() or before in ("_", "$", "€", "£", "@", "#", "~", "^")):
        return False
    if before in ("/", "-", "=", "&", "%", "\\"):
        return text[max(0, at - 6) : at].endswith(("wa.me/", "tel=", "phone=")) or not (
            further.isascii() and further.isalnum()
        )
    return not (before in (".", ",", ":", "'") and further.isdigit())


def _end_of_number(
    text: str, lowered: str, start: int, groups: list[tuple[int, int]], plus: bool, countries: Countries, code: bool
) -> int | None:
    """The end of the longest run of the first groups that is a phone number."""
    first = text[groups[0][0] : groups[0][1]] if groups else ""
    abroad = (
        plus or (first.startswith("00") and len(first) > 3 and first[2] != "0") or (first == "00" and len(groups) > 2)
    )
    for count in range(len(groups), 0, -1):
        end = groups[count - 1][1]
        digits = sum(stop - begin for begin, stop in groups[:count])
        if digits < 6:
            return None
        if digits > 17 or not _may_end(text, end) or "  " in text[start:end] or _is_open(text[start + 1 : end]):
            continue
        if abroad:
            good = digits >= 8 and _is_abroad(text[start:end], plus, _is_told(text, lowered, start, end))
        else:
            good = (_is_told(text, lowered, start, end) and _is_said(text, groups[:count], countries)) or (
                not code
                and is_national(text, start, groups[:count], countries)
                and not DENIES.search(lowered, max(0, start - _BEFORE), start)
            )
        if good:
            return end
    return None


def _is_open(written: str) -> bool:
    return written.count("(") > written.count(")")


def _is_told(text: str, lowered: str, start: int, end: int) -> bool:
    """By a word such as "phone" beside it."""
    before = lowered[max(0, start - _BEFORE) : start]
    return (any(stem in before for stem in STEMS) and bool(TELLS.search(before))) or bool(TELLS_AFTER.match(text, end))


def _may_end(text: str, at: int) -> bool:
    after = text[at : at + 2]
    if after[:1].isascii() and (after[:1].isalnum() or after[:1] in ("_", "@", "%")):
        return False
    if after[:1] in (".", ",", ":", "-", "/", "'") and after[1:].isascii() and after[1:].isalnum():
        return (after[:1] in ("/", ",") and text[at + 1 : at + 2] in ("0", "+")) or (
            after == "-0" and not text[at + 2 : at + 3].isalnum()
        )
    return True


def _is_abroad(written: str, plus: bool, told: bool) -> bool:
    digits = re.sub(r"\(0\)|[^0-9]", "", written)
    return is_valid("+" + (digits if plus else digits[2:]), None, told)


def _is_said(text: str, groups: list[tuple[int, int]], countries: Countries) -> bool:
    """After "phone": what could be one anywhere."""
    written = text[groups[0][0] : groups[-1][1]]
    digits = re.sub("[^0-9]", "", written)
    if (re.match(r"[0-9]+\.[0-9]+$", written) and not digits.startswith("0")) or re.search(
        r"^0\.[0-9]|\b[0-9]\.[0-9]\.|^10\.[0-9]{4,}/", written
    ):
        return False
    if MONEY_OR_MEASURE.match(text, groups[-1][1]):
        return False
    return 6 <= len(digits) <= 15 or any(is_valid(digits, region) for region in countries())
