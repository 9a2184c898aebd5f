"""What a file is by its first bytes: a text or not, prose or code, something that holds keys. Pure."""

from __future__ import annotations

import codecs
import re

from node.data.reading.encodings import Encoding, detect

RTF = b"{\\rtf"  # how such a file begins
FEW = 0.01  # of a text's characters may be such as no text has
_ODD = re.compile(
    r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f\ufffd\ufffe\uffff]"
)  # escape colours a log, form feeds end pages
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")  # the same in every encoding but UTF-16 and UTF-32
_KEYS = (
    b"-----BEGIN ", b"PuTTY-User-Key-File-", b"ssh-rsa ", b"ssh-dss ", b"ssh-ed25519 ", b"ecdsa-sha2-",
    b"# Netscape HTTP Cookie File",
)  # fmt: skip
_SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"  # a letter
_PAGE = re.compile(rb"\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype html|html)\b", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(
    rb"""[<\[{}\#/@$;%]              # begins like a statement, a tag or a comment
    |\s++(?![-*\d\xe2])\S.*[=(<]    # is indented, and no item of a list
    |[\w.-]++\s*+[:=]++\s*+\S++$   # a name and its value
    |.*[;{}\])>=\\]$                # ends like a statement""",
    re.VERBOSE,
)
_LONG = 300  # bytes of a line that are looked at
_SQUEEZED = 500  # bytes; a line that somebody wrote by hand is shorter


def is_text(sample: bytes, override: str = "") -> bool:
    """Whether a file that begins with `sample` can be read as text; `override` is the owner's word for its encoding."""
    if b"\0" not in sample and len(_CONTROLS.findall(sample)) > max(1, FEW * len(sample)):
        return False  # nobody needs to guess its encoding
    encoding = detect(sample)
    if encoding is None:
        return False
    if override:
        encoding = detect(sample, override) or encoding
    text = _decoded(sample, encoding)
    return len(_ODD.findall(text)) <= max(1, FEW * len(text))


def is_code(sample: bytes) -> bool:
    """Whether most lines of a text look like a program or its settings, or the first says so."""
    if sample.startswith(b"#!"):
        return True
    lines = [line for full in sample.replace(b"\0", b"").splitlines() if (line := full[:_LONG].rstrip())]
    return sum(_CODE.match(line) is not None for line in lines) > len(lines) / 2


def is_page(sample: bytes) -> bool:
    return _PAGE.match(sample) is not None


def holds_keys(sample: bytes) -> bool:
    """Whether a text is a key, a certificate or a list of sessions."""
    begin = sample.removeprefix(codecs.BOM_UTF8).lstrip()
    return begin.startswith(_KEYS) and not begin.startswith(_SIGNED)


def is_squeezed(sample: bytes) -> bool:
    """Whether a script has lost its line ends, so that it loads faster."""
    return len(sample) > 8 * _SQUEEZED and len(sample) > _SQUEEZED * (1 + sample.count(b"\n"))


def _decoded(sample: bytes, encoding: Encoding) -> str:
    """All but a last character that may be cut off."""
    data = sample[encoding.mark :]
    if encoding.wide:
        return codecs.getincrementaldecoder(encoding.wide)("replace").decode(data)
    if data[-1:] > b"\x7f":
        data = data[: -min(4, len(data))] or data
    return encoding.decode(data)[0]
