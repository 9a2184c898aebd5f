"""A folder of somebody's files, read as documents: one file, cut into paragraphs, or into conversations.

Read: UTF-8 text, Markdown, HTML (its text only), Python, and conversations as JSON lines. Whatever cannot be read is
skipped and counted with a reason, never a cause to stop. Hidden files and links are left alone: a link may lead out of
the folder its owner meant.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from node.data import chat
from node.data.chat import Conversation
from shared.errors import OwnerMustAct
from shared.units import size_words

MAX_FILE = 256 << 20  # bytes; a document is held in memory


@dataclass(frozen=True, slots=True)
class Document:
    name: str  # path within the folder, with forward slashes
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chats:
    name: str
    conversations: tuple[Conversation, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    name: str
    reason: str  # short, the same for all files of its kind: reasons are counted


def files(folder: Path) -> list[str]:
    """Every visible regular file below `folder`, as sorted relative paths. Raises OwnerMustAct when there is none."""
    if folder.is_file():
        raise OwnerMustAct(f"{folder} is a file. Put it into a folder of its own and name that folder.")
    if not folder.is_dir():
        raise OwnerMustAct(f"There is no folder {folder}. Check the spelling.")
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                found.append(path.relative_to(folder).as_posix())
    if not found:
        raise OwnerMustAct(
            f"The folder {folder} is empty. Put some .txt, .md, .html, .py or .jsonl files into it first."
        )
    return sorted(found)


def read(folder: Path, name: str) -> Document | Chats | Skipped:
    """One file's paragraphs or conversations, or why it has none for us."""
    path = folder / name
    split = _SPLITTERS.get(path.suffix.lower())
    talks = path.suffix.lower() == chat.LINES
    if split is None and not talks:
        return Skipped(name, "not .txt, .md, .html, .py or .jsonl")
    try:
        if path.stat().st_size > MAX_FILE:
            return Skipped(name, f"larger than {size_words(MAX_FILE)} (split it)")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return Skipped(name, "not UTF-8 (save it as UTF-8)")
    except OSError:
        return Skipped(name, "could not be opened")
    if "\0" in text:
        return Skipped(name, "not text")
    if split is None:
        said = chat.conversations(text)
        if said is None:
            return Skipped(name, 'with a line that is no conversation ({"messages": [{"role": ..., "content": ...}]})')
        return Chats(name, tuple(said)) if said else Skipped(name, "nothing in it")
    paragraphs = tuple(split(text.replace("\r\n", "\n").replace("\r", "\n")))
    return Document(name, paragraphs) if paragraphs else Skipped(name, "nothing in it")


def text_paragraphs(text: str) -> Iterator[str]:
    """Blocks between blank lines; indentation stays, so that code is still code."""
    for block in re.split(r"\n(?:[^\S\n]*\n)+", text):
        if stripped := block.strip("\n").rstrip():
            yield stripped


def html_paragraphs(text: str) -> Iterator[str]:
    """The visible text of each block element, on one line; `pre` keeps its lines."""
    reader = _Blocks()
    reader.feed(text)
    reader.close()
    reader.flush()
    yield from reader.blocks


_BLOCKS = """
    address article aside blockquote body caption dd details div dl dt fieldset figcaption figure footer form h1 h2 h3
    h4 h5 h6 header hr html legend li main nav ol option p pre section summary table tbody td tfoot th thead tr ul
"""


class _Blocks(HTMLParser):
    BLOCKS = frozenset(_BLOCKS.split())
    UNSEEN = frozenset({"head", "noscript", "script", "style", "template"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[str] = []
        self._words: list[str] = []
        self._unseen = 0
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.BLOCKS:
            self.flush()
        if tag == "body":
            self._unseen = 0  # a head that was never closed
        self._unseen += tag in self.UNSEEN
        self._pre += tag == "pre"
        if tag == "br":
            self._words.append("\n")

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

    def flush(self) -> None:
        """End the block under way."""
        joined = "".join(self._words)
        text = joined.strip("\n").rstrip() if self._pre else " ".join(joined.split())
        if text.strip():
            self.blocks.append(text)
        self._words = []


_SPLITTERS: dict[str, Callable[[str], Iterator[str]]] = {
    ".txt": text_paragraphs,
    ".md": text_paragraphs,
    ".markdown": text_paragraphs,
    ".py": text_paragraphs,
    ".html": html_paragraphs,
    ".htm": html_paragraphs,
}
