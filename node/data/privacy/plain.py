"""A text in the characters that the recognisers speak of, each at its old place: １２３ as 123, every dash as "-"."""

from __future__ import annotations

import re

_PLAIN = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}  # full width
_PLAIN |= {chr(zero + digit): str(digit) for zero in (0x660, 0x6F0, 0x966) for digit in range(10)}
_PLAIN |= dict.fromkeys(
    "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "
)
_PLAIN |= dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63", "-")
_PLAIN |= dict.fromkeys("\u2018\u2019", "'") | dict.fromkeys("\u201c\u201d\u201e", '"')
_PLAIN["İ"] = "I"  # the only character that lower() makes longer
_ODD = re.compile("[" + re.escape("".join(_PLAIN)) + "]")


def plain(text: str) -> str:
    """As long as `text`."""
    return text if text.isascii() else _ODD.sub(lambda found: _PLAIN[found[0]], text)
