"""Characters nobody sees or means: controls, zero-width, bidi and tag characters; line ends and NFC.

Removed characters are counted per kind. What scripts and emoji need stays: joiners in Arabic, Indic and Mongolian
script and inside emoji, word breaks in Khmer, Thai, Lao and Burmese, the tags of the flags of England, Scotland and
Wales. Private-use characters stay too: screening reports them.
"""

from __future__ import annotations

import re
import unicodedata

from node.data.cleaning.texts import rewritten
from node.data.document import Counts, Document, Dropped

_JOINING = "\u0600-\u08ff\u0900-\u0dff\u0f00-\u0fff\u1000-\u109f\u1700-\u18af\u1a20-\u1aad\u1b00-\u1b7f\ua840-\uabff"
_EMOJI = "\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer: a zero-width space parts words


def _characters(*ranges: tuple[int, int]) -> str:
    return "".join(chr(code) for first, last in ranges for code in range(first, last + 1))


_CONTROLS = _characters((0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x84), (0x86, 0x9F))
_BROKEN = _characters(
    (0xD800, 0xDFFF), (0xFDD0, 0xFDEF), *((plane * 0x10000 + 0xFFFE, plane * 0x10000 + 0xFFFF) for plane in range(17))
)
_BIDI = _characters((0x61C, 0x61C), (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x2069))
_TAGS = _characters((0xE0000, 0xE007F))
_SELECTORS = _characters((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
_HIDDEN = "\u00ad\u3164\ufeff\uffa0" + _characters((0x2060, 0x2065), (0x206A, 0x206F), (0xFFF9, 0xFFFB))
_JOINERS = "\u200b\u200c\u200d\u180e"
_LINE_ENDS = ("\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028")
_PARAGRAPH_END = "\u2029"

# What they are called, the characters they are about, what goes, what stays. In this order: a later rule counts on what
# an earlier one left.
_RULES: tuple[tuple[str, frozenset[str], re.Pattern[str], str], ...] = (
    ("terminal escapes", frozenset("\x1b"), re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]"), ""),
    ("overstrikes", frozenset("\x08"), re.compile(r".\x08"), ""),  # how man pages print bold
    ("control characters", frozenset(_CONTROLS), re.compile(f"[{_CONTROLS}]"), ""),
    ("broken characters", frozenset(_BROKEN), re.compile(f"[{_BROKEN}]"), ""),
    ("bidi marks", frozenset(_BIDI), re.compile(f"[{_BIDI}]"), ""),
    (
        "tag characters",
        frozenset(_TAGS),
        re.compile("(\U0001f3f4[\U000e0030-\U000e007a]{2,8}\U000e007f)|[\U000e0000-\U000e007f]"),
        r"\1",
    ),
    ("zero-width characters", frozenset(_HIDDEN), re.compile(f"[{_HIDDEN}]"), ""),
    (
        "zero-width characters",
        frozenset(_JOINERS),
        re.compile(
            f"(?<![{_JOINING}{_EMOJI}\ufe0f])\u200d|(?<=[{_EMOJI}\ufe0f])\u200d(?![{_EMOJI}])|(?<=\u200d)\u200d"
            f"|(?<![{_JOINING}])\u200c|(?<=\u200c)\u200c"
            f"|(?<![{_UNSPACED}])\u200b|(?<=\u200b)\u200b|(?<![\u1820-\u18af])\u180e"
        ),
        "",
    ),
    # One selector chooses a look; a row of them carries hidden bytes.
    (
        "variation selectors",
        frozenset(_SELECTORS),
        re.compile(f"(?<=[{_SELECTORS}])[{_SELECTORS}]+"),
        "",
    ),
)
_ODD_ASCII = bytes([*range(0x09), *range(0x0B, 0x20), 0x7F])
_NOT_ODD_ASCII = bytes(byte for byte in range(0x100) if byte not in _ODD_ASCII)
_ODD_WIDE = re.compile(
    f"[\x80-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    f"\ufff9-\ufffb\U000e0000-\U000e01ef{_BROKEN}]"
)
_ASCII = bytes(range(0x80))
# UTF-8 read as Latin-1 or Windows-1252: two letters for one. Only counted; mending it is guesswork.
_MOJIBAKE = re.compile(
    "[ÃÂ][\u0080-\u00bf\u0152-\u0178\u2013-\u203a\u20ac\u2122]|â€[\u0080-\u00bf\u0152-\u0178\u2013-\u203a\u2122]"
)


class Characters:
    """NFC text with plain line ends and nothing invisible in it."""

    name = "characters"
    version = f"1, Unicode {unicodedata.unidata_version}"

    def __call__(self, document: Document, counts: Counts) -> Document | Dropped:
        return rewritten(document, lambda text: clean(text, counts))


def clean(text: str, counts: Counts) -> str:
    """`text` in NFC without invisible characters; the same object if there was nothing to do.

    Deleting bytes goes ten times as fast as searching for characters, so the bytes say first whether there is work.
    """
    encoded = text.encode("utf-8", "surrogatepass")
    odd = set(encoded.translate(None, _NOT_ODD_ASCII).decode("ascii"))
    wide = ""
    if not text.isascii():
        wide = encoded.translate(None, _ASCII).decode("utf-8", "surrogatepass")  # what is not ASCII
        odd.update(_ODD_WIDE.findall(wide))
    if odd:
        text = _without(odd, text, counts)
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        counts["characters: texts brought to NFC"] += 1
    if _MOJIBAKE.search(wide) and (garbled := len(_MOJIBAKE.findall(text))):
        counts["characters: garbled, left as they are (saved in another encoding)"] += garbled
    return text


def _without(odd: set[str], text: str, counts: Counts) -> str:
    """`text` without the `odd` characters in it, as far as the rules take them."""
    for end in _LINE_ENDS:
        if end[0] in odd and (ends := text.count(end)):
            text = text.replace(end, "\n")
            counts["characters: line ends made plain"] += ends
    text = text.replace(_PARAGRAPH_END, "\n\n")
    for name, about, pattern, replacement in _RULES:
        if about.isdisjoint(odd):
            continue
        shorter = pattern.sub(replacement, text)
        if removed := len(text) - len(shorter):
            counts[f"characters: {name} removed"] += removed
            text = shorter
    return text
