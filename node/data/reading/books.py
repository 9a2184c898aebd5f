"""EPUB: a zip of web pages; each chapter is a document, in reading order."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from html import unescape
from typing import BinaryIO
from urllib.parse import unquote
from zipfile import ZipFile

from node.data.document import Counts, Document, Unreadable
from node.data.reading.archives import opened_zip, zip_member
from node.data.reading.encodings import detect
from node.data.reading.files import shown
from node.data.reading.limits import Budget, Exhausted, Refused
from node.data.reading.texts import NOT_TEXT, NOTHING, decoded, pieces
from node.data.reading.webpages import paragraphs

NO_BOOK = "not an EPUB book, or a damaged one"
LOCKED = "locked by the shop it comes from"
_CONTAINER = "META-INF/container.xml"
_LOCKS = "META-INF/encryption.xml"
_PAGE = 16 << 20  # bytes
_LIST = 4 << 20
_ATTRIBUTE = re.compile(r"([\w:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")


def chapters(name: str, file: BinaryIO, counts: Counts, budget: Budget) -> Iterator[Document | Unreadable]:
    """The chapters of a book, each called by its file inside; pages of pictures only are passed over."""
    with opened_zip(file) as archive:
        locked = {unquote(tag.get("uri", "")) for tag in _listed(archive, _LOCKS, "cipherreference", budget)}
        found = False
        for path in _spine(archive, budget):
            label = f"{name}!{shown(path)}"
            if path in locked:
                found = True
                yield Unreadable(label, LOCKED)
                continue
            for item in _chapter(archive, path, label, counts, budget):
                if item != Unreadable(label, NOTHING):
                    found = True
                    yield item
    if not found:
        yield Unreadable(name, NOTHING)


def _chapter(
    archive: ZipFile, path: str, label: str, counts: Counts, budget: Budget
) -> Iterator[Document | Unreadable]:
    try:
        data = zip_member(archive, path, budget, _PAGE)
        encoding = detect(data)
        if encoding is None:
            raise Refused(NOT_TEXT)
        text = data.decode(encoding.wide, "replace") if encoding.wide else decoded(data, encoding, counts, first=True)
    except Exhausted:
        raise
    except Refused as refused:
        yield Unreadable(label, refused.reason)
    else:
        yield from pieces(label, paragraphs([text]))


def _spine(archive: ZipFile, budget: Budget) -> list[str]:
    """The members that are the book's chapters, in reading order. Raises Refused."""
    roots = _listed(archive, _CONTAINER, "rootfile", budget)
    if not roots or not (package := roots[0].get("full-path", "")):
        raise Refused(NO_BOOK)
    items = {tag.get("id", ""): tag.get("href", "") for tag in _listed(archive, package, "item", budget)}
    order = [items.get(tag.get("idref", ""), "") for tag in _listed(archive, package, "itemref", budget)]
    base = posixpath.dirname(package)
    return [posixpath.normpath(posixpath.join(base, unquote(href))) for href in dict.fromkeys(order) if href]


def _listed(archive: ZipFile, path: str, tag: str, budget: Budget) -> list[dict[str, str]]:
    """The attributes of each `tag` in one of the book's lists; none when the list is not there."""
    if path not in archive.NameToInfo:
        return []
    data = zip_member(archive, path, budget, _LIST)
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
    return [
        {one[1].lower(): unescape(one[2] or one[3] or "") for one in _ATTRIBUTE.finditer(match[1])}
        for match in re.finditer(rf"<(?:\w{{1,30}}:)?{tag}\s([^<>]*)>", text, re.IGNORECASE)
    ]
