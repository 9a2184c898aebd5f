"""HTML as its visible text: a paragraph for each block element, without menus and footers.

The page is gone through once, in constant memory, whatever its tags look like: the standard library's parser takes the
square of the time for pages of unfinished tags, and gives up at some of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from html import unescape

from node.data.reading.encodings import Encoding, known

MAX_BLOCK = 1 << 20  # characters
STEP = 64 << 10  # characters gone through at a time
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([-\w.:]{2,40})", re.IGNORECASE)
_BLOCKS = """
    address article aside blockquote body caption dd details div dl dt fieldset figcaption figure footer form h1 h2 h3
    h4 h5 h6 header hr html legend li main nav ol option p pre section summary table tbody td tfoot th thead tr ul
"""
_UNSEEN = "button footer head iframe nav noscript object script select style svg template textarea"
_LONGEST = 64  # characters of a tag's name or an entity
_OPENS = re.compile(rf"<(?:(!--)|(/?)([a-zA-Z][^\s/>]{{0,{_LONGEST - 4}}})|[!?/])")
_TAG_GOES_ON = re.compile(r"=\s{0,50}([\"'])|>")


def html_paragraphs(text: str) -> Iterator[str]:
    """The visible text of each block element, on one line; `pre` keeps its lines."""
    yield from paragraphs([text])


def paragraphs(texts: Iterable[str]) -> Iterator[str]:
    """The same of a page that comes in pieces."""
    page = _Page()
    for text in texts:
        for at in range(0, len(text), STEP):
            page.feed(text[at : at + STEP])
            yield from page.taken()
    page.feed("", last=True)
    page.flush()
    yield from page.taken()


def declared(encoding: Encoding, sample: bytes) -> Encoding:
    """The encoding with what the page itself says, where that says more than its bytes."""
    found = _CHARSET.search(sample[:4096])
    name = found[1].decode("ascii", "replace") if found else ""
    if not encoding.other or encoding.wide or not known(name) or name.lower().startswith(("utf", "ucs")):
        return encoding
    return Encoding(mark=encoding.mark, other=name)


class _Within(Enum):
    TEXT = auto()
    COMMENT = auto()
    TAG = auto()
    QUOTES = auto()  # of an attribute
    RAW = auto()  # script or style, in which nothing is a tag but its own end


class _Page:
    """What was seen of a page so far."""

    BLOCKS = frozenset(_BLOCKS.split())
    UNSEEN = frozenset(_UNSEEN.split())
    SEEN = frozenset({"body", "main", "article"})  # whatever was left open before is over
    RAW = frozenset({"script", "style", "textarea"})

    def __init__(self) -> None:
        self._held = ""  # not gone through yet
        self._within = _Within.TEXT
        self._tag, self._ends, self._quote = "", False, ""  # under way
        self._done: list[str] = []
        self._words: list[str] = []
        self._gathered = 0  # characters in `_words`
        self._unseen = self._pre = 0

    def taken(self) -> list[str]:
        """The blocks that have ended since last asked."""
        done, self._done = self._done, []
        return done

    def feed(self, text: str, *, last: bool = False) -> None:
        """Go through `text`; what may go on in the next is held, unless it is the `last`."""
        held = self._held + text
        at = 0
        while at < len(held):
            step = self._step(held, at, last)
            if step is None:
                break
            at = step
        self._held = held[at:]

    def flush(self) -> None:
        """End the block under way."""
        joined = "".join(self._words)
        text = joined.strip("\n").rstrip() if self._pre else " ".join(joined.split())
        if text.strip():
            self._done.append(text)
        self._words, self._gathered = [], 0

    def _step(self, held: str, at: int, last: bool) -> int | None:
        """Where the next step begins; None when it must wait for more."""
        match self._within:
            case _Within.TEXT:
                return self._text(held, at, last)
            case _Within.COMMENT:
                return self._skip(held, at, "-->", _Within.TEXT)
            case _Within.QUOTES:
                return self._skip(held, at, self._quote, _Within.TAG)
            case _Within.RAW:
                end = re.compile(f"</{self._tag}", re.IGNORECASE).search(held, at)
                if end:
                    self._within = _Within.TEXT
                    return end.start()
                return max(at, len(held) - _LONGEST) if len(held) - at > _LONGEST else None
            case _Within.TAG:
                return self._rest_of_tag(held, at, last)

    def _text(self, held: str, at: int, last: bool) -> int | None:
        begin = held.find("<", at)
        end = begin if begin >= 0 else len(held)
        if begin < 0 and not last and (entity := held.rfind("&", max(at, end - _LONGEST))) >= 0:
            end = entity
        if end > at:
            self._say(held[at:end])
            return end
        if begin != at or (len(held) - at < _LONGEST and not last):
            return None
        opens = _OPENS.match(held, at)
        if opens is None:
            self._say("<")
            return at + 1
        self._within = _Within.COMMENT if opens[1] else _Within.TAG
        self._tag, self._ends = (opens[3] or "").lower(), bool(opens[2])
        return opens.end()

    def _skip(self, held: str, at: int, end: str, then: _Within) -> int | None:
        found = held.find(end, at)
        if found >= 0:
            self._within = then
            return found + len(end)
        return len(held) - len(end) + 1 if len(held) - at >= len(end) else None

    def _rest_of_tag(self, held: str, at: int, last: bool) -> int | None:
        found = _TAG_GOES_ON.search(held, at)
        if found is None:
            return len(held) - _LONGEST if len(held) - at > _LONGEST else None
        if found[1]:
            self._within, self._quote = _Within.QUOTES, found[1]
            return found.end()
        self._within = _Within.TEXT
        if not self._ends:
            self._open()
        if self._ends or held[found.start() - 1] == "/":
            self._close()
        elif self._tag in self.RAW:
            self._within = _Within.RAW
        return found.end()

    def _open(self) -> None:
        tag = self._tag
        if tag in self.BLOCKS:
            self.flush()
        if tag in self.SEEN:
            self._unseen = 0
        self._unseen += tag in self.UNSEEN
        self._pre += tag == "pre"
        if tag == "br":
            self._words.append("\n")

    def _close(self) -> None:
        tag = self._tag
        if tag in self.BLOCKS:
            self.flush()
        if tag in self.UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        if tag == "pre":
            self._pre = max(0, self._pre - 1)

    def _say(self, text: str) -> None:
        if self._unseen:
            return
        self._words.append(unescape(text))
        self._gathered += len(text)
        if self._gathered > MAX_BLOCK:  # a block that never ends: end it after its last whole word
            joined = "".join(self._words)
            at = joined.rfind(" ") + 1 or len(joined)
            self._words = [joined[:at]]
            self.flush()
            self._words = [joined[at:]]
