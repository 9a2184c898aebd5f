"""IBANs: the country's length, its structure and mod 97, whether written in one piece or in groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from node.data.privacy.kinds import Hit, Kind

_BEGINNING = re.compile(r"[0-9](?<=[A-Za-z]{2}.)(?<![A-Za-z0-9]...)[0-9][ -]?[A-Za-z0-9]{2}")
# The SWIFT registry's countries and lengths.
_LENGTHS = {
    word[:2]: int(word[2:])
    for word in re.findall(
        "[A-Z]{2}[0-9]{2}",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 "
        "EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 "
        "JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 "
        "NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 "
        "TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 ",
    )
}


def ibans(text: str) -> Iterator[Hit]:
    """Of a plain text."""
    for beginning in _BEGINNING.finditer(text):
        start = beginning.start() - 2
        length = _LENGTHS.get(text[start : start + 2].upper())
        if length is None:
            continue
        found = _exactly(length).match(text, start)
        if found and _valid(found[0]):
            yield Hit(found.start(), found.end(), Kind.IBAN)


@cache
def _exactly(characters: int) -> re.Pattern[str]:
    return re.compile(rf"[A-Za-z0-9](?:[ .-]?[A-Za-z0-9]){{{characters - 1}}}(?![A-Za-z0-9])")


def _valid(written: str) -> bool:
    number = re.sub("[ .-]", "", written).upper()
    return int("".join(str(int(letter, 36)) for letter in number[4:] + number[:4])) % 97 == 1 and _stdnum().is_valid(
        number, check_country=False
    )


@cache
def _stdnum() -> Any:
    from stdnum import iban

    return iban
