"""Mail: the subject and what was written; no addresses, no attachments, nothing quoted from others, no signature."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser

from node.data.document import Counts, Document, Unreadable
from node.data.reading.encodings import Encoding, detect, known
from node.data.reading.records import records
from node.data.reading.streams import Stream
from node.data.reading.texts import NOTHING, PIECE, decoded, text_paragraphs
from node.data.reading.webpages import html_paragraphs

MAX_MAIL = 4 << 20  # bytes looked at: what was written comes before what is attached
NEXT = re.compile(rb"\n\r?\n(?=From [^\n]{3,200}\d\d:\d\d)")
_FROM = re.compile(rb"\AFrom [^\n]*\n")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_FORWARDED = re.compile(
    r"^\s*-{2,} ?(?:Original|Forwarded|Urspr|Weiter|Message d|Mensaje|Messaggio)[^\n]{0,60}-{2,}\s*$"
)
_SAID = re.compile(  # "On 3 May 2024, Ana wrote:" at the end of a paragraph, in any language
    r"(?:\A|\n)(?=[^\n]*[\d@])[^\n]{1,200}(?:\n[^\n]{1,80})?:\s*\Z"
)
_CUT = "\n\n>\n\n"  # where something was quoted


def mailbox(
    name: str, stream: Stream, counts: Counts, encoding: str = "", start: int = 0, stop: int | None = None
) -> Iterator[Document | Unreadable]:
    """Each mail, called by where it begins in the file (bytes)."""
    for record in records(stream, NEXT, start, stop, MAX_MAIL):
        data = _QUOTED_FROM.sub(rb"\1", _FROM.sub(b"", record.data))
        yield from mail(f"{name}!{record.offset}", data, counts, encoding)


def mail(name: str, data: bytes, counts: Counts, encoding: str = "") -> Iterator[Document | Unreadable]:
    """One mail as one document."""
    try:
        message = BytesParser().parsebytes(data[:MAX_MAIL])
        body = own_words(_body(message, counts, encoding))
        subject = _subject(message)
    except (MessageError, ValueError, LookupError, RecursionError):
        yield Unreadable(name, "a mail that cannot be taken apart")
        return
    text = "\n\n".join(part for part in (subject, body) if part)
    yield Document(name, text[:PIECE], kind="mail") if body else Unreadable(name, NOTHING)


def own_words(text: str) -> str:
    """A mail without its signature, and without what it quotes or passes on from others."""
    kept: list[str] = []
    for line in text.split("\n"):
        if line in ("-- ", "--") or _FORWARDED.match(line):
            break
        if not line.startswith(">"):
            kept.append(line)
        elif not kept or kept[-1] != _CUT:
            kept.append(_CUT)
    blocks = list(text_paragraphs("\n".join(kept)))
    for number, block in enumerate(blocks[1:]):
        if block == ">":
            blocks[number] = _SAID.sub("", blocks[number])
    return "\n\n".join(block for block in blocks if block not in (">", ""))


def _subject(message: Message) -> str:
    words = []
    for part, charset in decode_header(str(message.get("subject", ""))):
        raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
        found = Encoding(other=charset) if charset and known(charset) else Encoding()
        words.append(found.decode(raw)[0])
    return " ".join("".join(words).split())


def _body(message: Message, counts: Counts, encoding: str) -> str:
    """The text parts; the HTML ones where there is no plain text beside them."""
    plain: list[str] = []
    pages: list[str] = []
    for part in message.walk():
        if part.is_multipart() or part.get_content_disposition() == "attachment" or part.get_filename():
            continue
        kind = part.get_content_type()
        if kind in ("text/plain", "text/html"):
            text = _decoded(part, counts, encoding)
            if kind == "text/plain":
                plain.append(text)
            else:
                pages.append("\n\n".join(html_paragraphs(text)))
    return "\n\n".join(plain if any(text.strip() for text in plain) else pages)


def _decoded(part: Message, counts: Counts, encoding: str) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes) or not data:
        return ""
    charset = str(part.get_content_charset() or encoding)
    override = charset if known(charset) and charset.lower() not in ("utf-8", "us-ascii", "ascii") else encoding
    found = detect(data, override)
    if found is None:
        return ""
    if found.wide:
        return data.decode(found.wide, "replace").lstrip("\ufeff")
    return decoded(data.replace(b"\0", b""), found, counts, first=True)
