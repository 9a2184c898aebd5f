"""HTML as its visible text: a paragraph for each block element, without menus and footers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

from node.data.reading.encodings import Encoding, known
from node.data.reading.limits import Refused

MAX_TAG = 8 << 20  # characters of one tag, comment or script
MAX_BLOCK = 1 << 20  # characters
STEP = 64 << 10  # characters parsed at a time
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([-\w.:]{2,40})", re.IGNORECASE)
_BLOCKS = """
    address article aside blockquote body caption dd details div dl dt fieldset figcaption figure footer form h1 h2 h3
    h4 h5 h6 header hr html legend li main nav ol option p pre section summary table tbody td tfoot th thead tr ul
"""
_UNSEEN = "button footer head iframe nav noscript object script select style svg template textarea"


def html_paragraphs(text: str) -> Iterator[str]:
    """The visible text of each block element, on one line; `pre` keeps its lines."""
    yield from paragraphs([text])


def paragraphs(texts: Iterable[str]) -> Iterator[str]:
    """The same of a page that comes in pieces. Raises Refused when a tag does not end."""
    reader = _Blocks()
    for text in texts:
        for at in range(0, len(text), STEP):
            reader.feed(text[at : at + STEP])
            if len(reader.rawdata) > MAX_TAG:
                raise Refused("HTML with a tag that never ends")
            if reader.gathered > MAX_BLOCK:
                reader.relieve()  # a block that never ends
            yield from reader.taken()
    reader.close()
    reader.flush()
    yield from reader.taken()


def declared(encoding: Encoding, sample: bytes) -> Encoding:
    """The encoding with what the page itself says, where that says more than its bytes."""
    found = _CHARSET.search(sample[:4096])
    name = found[1].decode("ascii", "replace") if found else ""
    if not encoding.other or encoding.wide or not known(name) or name.lower().startswith(("utf", "ucs")):
        return encoding
    return Encoding(mark=encoding.mark, other=name)


class _Blocks(HTMLParser):
    BLOCKS = frozenset(_BLOCKS.split())
    UNSEEN = frozenset(_UNSEEN.split())
    SEEN = frozenset({"body", "main", "article"})  # whatever was left open before is over

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._done: list[str] = []
        self._words: list[str] = []
        self.gathered = 0  # characters of the block under way
        self._unseen = 0
        self._pre = 0

    def taken(self) -> list[str]:
        """The blocks that have ended since last asked."""
        done, self._done = self._done, []
        return done

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.BLOCKS:
            self.flush()
        if tag in self.SEEN:
            self._unseen = 0
        self._unseen += tag in self.UNSEEN
        self._pre += tag == "pre"
        if tag == "br":
            self._words.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.BLOCKS:
            self.flush()
        if tag in self.UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        if tag == "pre":
            self._pre = max(0, self._pre - 1)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._words.append(data)
            self.gathered += len(data)

    def relieve(self) -> None:
        """End the block under way after its last whole word."""
        joined = "".join(self._words)
        at = joined.rfind(" ") + 1 or len(joined)
        self._words = [joined[:at]]
        self.flush()
        self._words = [joined[at:]]

    def flush(self) -> None:
        """End the block under way."""
        joined = "".join(self._words)
        text = joined.strip("\n").rstrip() if self._pre else " ".join(joined.split())
        if text.strip():
            self._done.append(text)
        self._words = []
        self.gathered = 0
