"""Which words of RTF stand for a character, an end or something to be passed over; and its code pages."""

from __future__ import annotations

from node.data.reading.encodings import WESTERN, known

PASSED_OVER = frozenset(
    b"""fonttbl colortbl stylesheet info pict header headerl headerr headerf footer footerl footerr footerf generator
    listtable listoverridetable themedata colorschememapping datastore latentstyles rsidtbl fldinst objdata annotation
    atnid atnauthor atntime atnref xe tc txe rxe bkmkstart bkmkend nonesttables filetbl revtbl ftnsep ftnsepc aftnsep
    aftnsepc template pnseclvl listtext pntext xmlnstbl docvar userprops""".split()
)
SIGNS = {
    b"tab": "\t", b"line": "\n", b"emdash": "\u2014", b"endash": "\u2013", b"lquote": "\u2018", b"rquote": "\u2019",
    b"ldblquote": "\u201c", b"rdblquote": "\u201d", b"bullet": "\u2022", b"emspace": " ", b"enspace": " ",
    b"qmspace": " ", b"~": " ", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}", b"\t": "\t",
}  # fmt: skip
PARAGRAPH_ENDS = frozenset({b"par", b"sect", b"page", b"\n", b"\r"})
MEANT = frozenset({
    b"*", b"bin", b"u", b"uc", b"f", b"fcharset", b"deff", b"plain", b"v", b"deleted", b"pard", b"intbl", b"cell",
    b"nestcell", b"row", b"nestrow", b"footnote", b"ansicpg", b"mac", b"pc", b"pca",
}) | PASSED_OVER | PARAGRAPH_ENDS | SIGNS.keys()  # fmt: skip
CHARSETS = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "big5", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
_PAGES = {10000: "mac_roman", 1361: "johab", 65001: "utf-8", 936: "gb18030"}


def page(number: int) -> str:
    """The encoding of a code page; Western European when there is none of that number."""
    name = _PAGES.get(number, f"cp{number}")
    return name if number and known(name) else WESTERN
