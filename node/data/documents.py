"""A folder of somebody's files, read as documents: one file, cut into paragraphs, or into conversations.

Read: UTF-8 text, Markdown, HTML (its text only), Python, and conversations as JSON lines. Whatever cannot be read is
skipped and counted with a reason, never a cause to stop. Hidden files and links are left alone: a link may lead out of
the folder its owner meant.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from node.data import chat
from node.data.chat import Conversation
from node.data.reading.texts import text_paragraphs
from node.data.reading.webpages import html_paragraphs
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


_SPLITTERS: dict[str, Callable[[str], Iterator[str]]] = {
    ".txt": text_paragraphs,
    ".md": text_paragraphs,
    ".markdown": text_paragraphs,
    ".py": text_paragraphs,
    ".html": html_paragraphs,
    ".htm": html_paragraphs,
}
