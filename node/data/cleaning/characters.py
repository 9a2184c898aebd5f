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

_NONCHARACTERS = "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff" + "".join(
    f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(1, 17)
)

# In this order: a later rule counts on what an earlier one left.
_RULES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("terminal escapes", re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]"), ""),
    ("overstrikes", re.compile(r".\x08"), ""),  # how man pages print bold
    ("control characters", re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]"), ""),
    ("broken characters", re.compile(f"[{_NONCHARACTERS}]"), ""),
    ("bidi marks", re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"), ""),
    ("tag characters", re.compile("(\U0001f3f4[\U000e0030-\U000e007a]{2,8}\U000e007f)|[\U000e0000-\U000e007f]"), r"\1"),
    ("zero-width characters", re.compile("[\u00ad\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]"), ""),
    (
        "zero-width characters",
        re.compile(
            f"(?<![{_JOINING}{_EMOJI}\ufe0f])\u200d|(?<=[{_EMOJI}\ufe0f])\u200d(?![{_EMOJI}])|(?<=\u200d)\u200d"
            f"|(?<![{_JOINING}])\u200c|(?<=\u200c)\u200c|(?<![{_UNSPACED}])\u200b|(?<=\u200b)\u200b|(?<![\u1820-\u18af])\u180e"
        ),
        "",
    ),
    # One selector chooses a look; a row of them carries hidden bytes.
    (
        "variation selectors",
        re.compile("(?<=[\ufe00-\ufe0f\U000e0100-\U000e01ef])[\ufe00-\ufe0f\U000e0100-\U000e01ef]+"),
        "",
    ),
)
_ODD_ASCII = bytes([*range(0x09), *range(0x0B, 0x20), 0x7F])
_ODD_WIDE = re.compile(
    f"[\x80-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    f"\ufff9-\ufffb\U000e0000-\U000e01ef{_NONCHARACTERS}]"
)
_ASCII = bytes(range(0x80))
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028]")
_PARAGRAPH_END = "\u2029"
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
    wide = encoded.translate(None, _ASCII).decode("utf-8", "surrogatepass")  # what is not ASCII
    if len(encoded.translate(None, _ODD_ASCII)) != len(encoded) or _ODD_WIDE.search(wide):
        text = _without_odd(text, counts)
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        counts["characters: texts brought to NFC"] += 1
    if _MOJIBAKE.search(wide) and (garbled := len(_MOJIBAKE.findall(text))):
        counts["characters: garbled, left as they are (saved in another encoding)"] += garbled
    return text


def _without_odd(text: str, counts: Counts) -> str:
    text, ends = _LINE_ENDS.subn("\n", text)
    if ends:
        counts["characters: line ends made plain"] += ends
    text = text.replace(_PARAGRAPH_END, "\n\n")
    for name, pattern, replacement in _RULES:
        shorter = pattern.sub(replacement, text)
        if removed := len(text) - len(shorter):
            counts[f"characters: {name} removed"] += removed
            text = shorter
    return text
