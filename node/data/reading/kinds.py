"""What a file is, told by its name; and by its first bytes where the name does not tell."""

from __future__ import annotations

import re
from enum import Enum, auto

from node.data.document import Kind


class Format(Enum):
    """How a file is to be read."""

    TEXT = auto()
    CODE = auto()
    HTML = auto()
    JSON = auto()
    JSON_LINES = auto()
    TABLE = auto()
    PARQUET = auto()
    MAILBOX = auto()
    MAIL = auto()
    BOOK = auto()
    PDF = auto()
    CRAWL = auto()
    GZIP = auto()
    ZSTANDARD = auto()
    TAR = auto()
    ZIP = auto()
    UNKNOWN = auto()


BYTES = frozenset({Format.TEXT, Format.CODE, Format.JSON_LINES, Format.TABLE, Format.MAILBOX})  # cut at a byte
_SUFFIXES = {
    Format.TEXT: "txt text md markdown mdown rst adoc asciidoc org tex log",
    Format.CODE: """
        py pyi pyx c h cc cpp cxx hpp hh cs java kt kts scala go rs swift m mm js mjs cjs jsx ts tsx vue svelte php rb
        pl pm lua r jl hs lhs ml mli fs fsx clj cljs erl ex exs elm dart nim zig v sv vhd vhdl f f90 f95 pas ada adb
        ads d sh bash zsh fish ps1 bat cmd sql css scss sass less cmake mk gradle groovy tcl awk perl lisp el scm
        rkt asm s proto dockerfile makefile vim tf cu cuh glsl hlsl wgsl sol
    """,
    Format.HTML: "html htm xhtml",
    Format.JSON: "json",
    Format.JSON_LINES: "jsonl ndjson",
    Format.TABLE: "csv tsv",
    Format.PARQUET: "parquet",
    Format.MAILBOX: "mbox",
    Format.MAIL: "eml",
    Format.BOOK: "epub",
    Format.PDF: "pdf",
    Format.CRAWL: "warc wet",
    Format.GZIP: "gz tgz",
    Format.ZSTANDARD: "zst zstd tzst",
    Format.TAR: "tar",
    Format.ZIP: "zip",
}
_OF = {suffix: format for format, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
NOT_READ = "not a kind of file that is read"
_BARE_CODE = frozenset({"makefile", "dockerfile", "gemfile", "rakefile", "vagrantfile", "jenkinsfile"})
_FIRST_MAIL = re.compile(rb"From \S+ .{0,60}\d\d:\d\d.{0,60}\n[A-Za-z-]+:")  # Thunderbird's mailboxes have no suffix


def suffix_of(name: str) -> str:
    """In lower case, without the dot; "" when the name has none."""
    last = name.rpartition("/")[2].lstrip(".")
    return last.rpartition(".")[2].lower() if "." in last else ""


def not_read(name: str) -> str:
    """Why a file of an unknown kind is not read; the same for all of its kind."""
    suffix = suffix_of(name)
    which = f".{suffix}: " if re.fullmatch(r"[a-z0-9_]{1,10}", suffix) else ""
    return f"{which}{NOT_READ}"


def is_of_unknown_kind(reason: str) -> bool:
    """Of the reasons why a file is not read, that with which nothing is wrong."""
    return reason.endswith(NOT_READ)


def format_of(name: str, sample: bytes = b"") -> Format:
    """By the suffix; a name without one is what its first bytes say, else a text."""
    suffix = suffix_of(name)
    if suffix:
        return _OF.get(suffix, Format.UNKNOWN)
    if _FIRST_MAIL.match(sample):
        return Format.MAILBOX
    return Format.CODE if name.rpartition("/")[2].lower() in _BARE_CODE else Format.TEXT


def inner(name: str) -> str:
    """What a packed file is called once it is unpacked: notes.txt of notes.txt.gz, x.tar of x.tgz."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.tar" if suffix.lower() in ("tgz", "tzst") else stem


def kind_of(format: Format) -> Kind:
    """What a plain text of this format is."""
    return "code" if format is Format.CODE else "prose"
