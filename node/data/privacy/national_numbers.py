"""Phone numbers without a country's code: how countries write theirs, and whether one exists (by `phonenumbers`)."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise

from node.data.privacy.numbers import Countries
from node.data.privacy.phone_words import MONEY_OR_MEASURE

_NORTH_AMERICA = frozenset(("US", "CA"))
_MOST_REGIONS = 8


def is_national(text: str, start: int, groups: list[tuple[int, int]], countries: Countries) -> bool:
    """Written as a country writes its numbers, and one of them."""
    written = text[groups[0][0] : groups[-1][1]]
    lengths = [stop - begin for begin, stop in groups]
    total = sum(lengths)
    separators = {text[a[1] : b[0]].strip() or " " for a, b in pairwise(groups)}
    bracket = text[start] == "("
    if not 8 <= total <= 12 or (written.startswith(("0.", "00")) and not bracket) or len(separators) > 3:
        return False
    if max(map(len, separators), default=0) > 2 or MONEY_OR_MEASURE.match(text, groups[-1][1]):
        return False
    if min(lengths) == 1 and not (lengths[0] == 1 and lengths.count(1) == 1):
        return False
    digits = re.sub("[^0-9]", "", written)
    return any(
        is_valid(digits, region) and (len(lengths) > 1 or _is_mobile(digits, region))
        for region in list(countries())[:_MOST_REGIONS]
        if _writes_so(region, written, lengths, separators, bracket)
    )


def _writes_so(region: str, written: str, lengths: list[int], separators: set[str], bracket: bool) -> bool:
    """Whether people there group their numbers like this."""
    total = sum(lengths)
    if region in _NORTH_AMERICA:
        return (lengths == [3, 3, 4] and (len(separators) == 1 or bracket)) or (
            lengths == [1, 3, 3, 4] and written[0] == "1"
        )
    if region in _NO_ZERO:
        if total == 9 and lengths in ([3, 2, 2, 2], [2, 3, 2, 2], [2, 3, 4]):
            return separators <= {" ", "-", "."}
        return (lengths == [3, 3, 3] and written[0] in "5678") or (total == 8 and bracket)
    if lengths == [5, 4] and separators == {"-"}:
        return False  # as a postcode of the USA
    if len(lengths) == 1:
        return written[0] == "0" and total >= 10 and region in _BARE_WITH_ZERO
    return written[0] == "0" and lengths[0] > 1


# No 0 before an area.
_NO_ZERO = frozenset(("ES", "PL", "PT", "IT", "DK", "NO", "CZ", "GR", "EE", "LV", "LT"))
_BARE_WITH_ZERO = frozenset(("DE", "FR", "GB", "JP", "AT", "CH", "NL", "BE", "IE", "AU"))


def is_valid(digits: str, region: str | None, possible: bool = False) -> bool:
    """Whether somebody may have the number; or, if `possible` is enough, whether it has the right length."""
    import phonenumbers

    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return False
    if possible:
        return bool(phonenumbers.is_possible_number(number))
    return bool(
        phonenumbers.is_valid_number(number)
        if region is None
        else phonenumbers.is_valid_number_for_region(number, region)
    )


def _is_mobile(digits: str, region: str) -> bool:
    import phonenumbers

    kind = phonenumbers.number_type(phonenumbers.parse(digits, region))
    return kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)


def known_regions() -> Collection[str]:
    """ISO 3166 codes that have phone numbers."""
    import phonenumbers

    regions: Collection[str] = phonenumbers.SUPPORTED_REGIONS
    return regions
