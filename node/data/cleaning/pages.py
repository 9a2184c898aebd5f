"""Where a document came from, as far as rules depend on it: its name says."""

from __future__ import annotations

from node.data.document import Document

_PAGES = (".html", ".htm", ".xhtml", ".mhtml", ".warc")
_BOOKS = (".epub",)  # whose chapters are HTML files


def is_page(document: Document) -> bool:
    """Whether the document is a page of the web: an HTML file, or in a WARC; a chapter of a book is none."""
    parts = document.name.lower().split("!")
    return any(_ends(part, _PAGES) for part in parts) and not any(_ends(part, _BOOKS) for part in parts[:-1])


def is_pdf(document: Document) -> bool:
    """Whether the document was a PDF, whose page numbers stand between the paragraphs."""
    return any(_ends(part, (".pdf",)) for part in document.name.lower().split("!"))


def _ends(part: str, suffixes: tuple[str, ...]) -> bool:
    for packed in (".gz", ".zst"):
        part = part.removesuffix(packed)
    return part.endswith(suffixes)
