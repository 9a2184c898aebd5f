"""Bytes to characters: UTF-8 before all else, then what the owner says, then what the bytes look like.

A file may change its encoding from line to line (old logs do): each line that is not UTF-8 is decoded on its own.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from node.data.reading.streams import CHUNK, Readable

SAMPLE = 64 << 10  # bytes looked at
ENOUGH = 24  # bytes beyond ASCII; with fewer nobody can tell one encoding from the other
WESTERN = "cp1252"
_LIKELY = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "koi8_r", "koi8_u",
    "cp437", "cp850", "cp866", "mac_roman", "iso8859_2", "iso8859_15", "cp932", "euc_jp", "gb18030", "big5", "cp949",
    "tis_620",
)  # fmt: skip
_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MANY_BYTES = frozenset({"cp932", "euc_jp", "gb18030", "big5", "cp949"})
_SEVEN_BITS = "iso2022_jp"  # looks like ASCII
_LATIN = frozenset("äöüßéèêëàâáãåçñíìîïóòôõúùûøæœÄÖÜÉÈÊÀÂÁÃÅÇÑÍÎÓÔÕÚØÆŒ«»„“”‘’–—…€°§¿¡·\xa0")
_MAGIC = (
    b"\x7fELF", b"MZ", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"PK\3\4", b"PK\5\6", b"%PDF-", b"\x1f\x8b", b"BZh",
    b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"(\xb5/\xfd", b"OggS", b"ID3", b"fLaC", b"RIFF", b"SQLite format 3",
    b"\xd0\xcf\x11\xe0", b"\xca\xfe\xba\xbe", b"PAR1", b"wOFF", b"wOF2",
)  # fmt: skip
_UTF8 = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file's bytes are to be read: as UTF-8 wherever they are that, as `other` where they are not."""

    wide: str = ""  # utf-16-le and its like, where each character has two or four bytes
    mark: int = 0  # bytes of the byte order mark
    other: str = ""  # "" is found out line by line

    def decode(self, data: bytes) -> tuple[str, int]:
        """The text, and how many characters could not be decoded (now U+FFFD)."""
        if self.wide:  # has come through `Narrowed`
            text = data.decode("utf-8", "replace")
            return text, text.count(REPLACEMENT)
        if self.other == _SEVEN_BITS:
            return _replacing(data, self.other)
        try:
            return data.decode("utf-8"), 0
        except UnicodeDecodeError:
            pass
        if self.other in _MANY_BYTES:
            return _replacing(data, self.other)
        if self.other and not _UTF8.search(data):
            return _replacing(data, self.other)
        lines = data.split(b"\n")
        other = self.other or _guess(b"\n".join(line for line in lines if not _is_utf8(line))[:SAMPLE])
        if other in _MANY_BYTES and not any(_is_utf8(line) and not line.isascii() for line in lines):
            return _replacing(data, other)
        decoded = [_line(line, other) for line in lines]
        return "\n".join(text for text, _ in decoded), sum(lost for _, lost in decoded)


class Narrowed:
    """UTF-16 or UTF-32 as UTF-8, so that a line ends where a byte is a newline."""

    def __init__(self, raw: Readable, wide: str) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder(wide)("replace")
        self._ended = False

    def read(self, size: int = CHUNK, /) -> bytes:
        """Some bytes, about `size`; none only at the end."""
        text = ""
        while not text and not self._ended:
            data = self._raw.read(max(size, 4))
            self._ended = not data
            text = self._decoder.decode(data, final=self._ended)
        return text.encode("utf-8", "replace")


def detect(sample: bytes, override: str = "") -> Encoding | None:
    """How a file that begins with `sample` is to be read; None when it is no text. `override` is the owner's word."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return Encoding(wide="" if name == "utf-8" else name, mark=len(mark), other=override)
    if override:
        name = codecs.lookup(override).name
        return Encoding(wide=override) if name.startswith(("utf-16", "utf-32")) else Encoding(other=override)
    if sample.startswith(_MAGIC):
        return None
    if b"\0" in sample:
        wide = _wide(sample)
        return Encoding(wide=wide) if wide else None
    if b"\x1b$" in sample and sample.isascii():
        return Encoding(other=_SEVEN_BITS) if _decodes(sample, _SEVEN_BITS) else Encoding()
    if _is_utf8(sample, whole=False):
        return Encoding()
    return Encoding(other=_guess(sample) if not _some_utf8(sample) else "")


def known(name: str) -> bool:
    """Is there a text encoding of that name?"""
    try:
        b"\0\0\0\0".decode(name, "replace")
    except (LookupError, ValueError):
        return False
    return True


def _line(line: bytes, other: str) -> tuple[str, int]:
    try:
        return line.decode("utf-8"), 0
    except UnicodeDecodeError:
        return _replacing(line, "utf-8" if _some_utf8(line) or not other else other)


def _replacing(data: bytes, name: str) -> tuple[str, int]:
    try:
        return data.decode(name), 0
    except UnicodeDecodeError:
        text = data.decode(name, "replace")
        return text, text.count(REPLACEMENT)


def _is_utf8(data: bytes, *, whole: bool = True) -> bool:
    """Is it UTF-8? When not `whole`, the last character may be cut off."""
    try:
        codecs.utf_8_decode(data, "strict", whole)
    except UnicodeDecodeError:
        return False
    return True


def _some_utf8(data: bytes) -> bool:
    """Is most of what lies beyond ASCII good UTF-8, so that the rest is damage rather than another encoding?"""
    text = data.decode("utf-8", "replace")
    good = sum(character > "\x7f" for character in text) - text.count(REPLACEMENT)
    return good > text.count(REPLACEMENT)


def _wide(sample: bytes) -> str:
    """UTF-16 without its mark: every other byte is mostly 0."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    most = max(2, len(sample) // 5)
    if odd > most and even * 20 < odd:
        name = "utf-16-le"
    elif even > most and odd * 20 < even:
        name = "utf-16-be"
    else:
        return ""
    return name if _decodes(sample, name) else ""


def _decodes(data: bytes, name: str) -> bool:
    return bool(_tried(data, name))


def _tried(data: bytes, name: str) -> str:
    """The text, when all of it can be decoded but for a last character that may be cut off; else ""."""
    try:
        return codecs.getincrementaldecoder(name)("strict").decode(data)
    except UnicodeDecodeError:
        return ""


def _guess(data: bytes) -> str:
    """The likeliest encoding of what is not UTF-8; Western European where there is too little to tell."""
    data = data[:SAMPLE]
    if len(_BEYOND_ASCII.findall(data)) < ENOUGH:
        return WESTERN
    if _western(_tried(data, WESTERN)):
        return WESTERN
    for japanese in ("cp932", "euc_jp"):
        if _kana(_tried(data, japanese)):
            return japanese
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=list(_LIKELY)).best()
    return str(best.encoding) if best is not None else WESTERN


def _western(text: str) -> bool:
    """Are there few letters beyond ASCII, and nearly all of them such as Western Europe has?"""
    beyond = [character for character in text if character > "\x7f"]
    letters = sum(character.isalpha() for character in text)
    few = sum(character.isalpha() for character in beyond) < 0.35 * letters
    return few and sum(character in _LATIN for character in beyond) > 0.95 * len(beyond)


def _kana(text: str) -> bool:
    """Is it a text with hiragana and katakana in it?"""
    beyond = sum(character > "\x7f" for character in text)
    return sum("\u3041" <= character <= "\u30fe" for character in text) > 0.2 * beyond
