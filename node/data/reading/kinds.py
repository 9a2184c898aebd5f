"""What a file is, told by its name; and by its first bytes where the name does not tell."""

from __future__ import annotations

import re
from enum import Enum, auto

from node.data.document import Kind
from node.data.reading import looks


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
    SUBTITLES = auto()
    WORD = auto()
    OPEN_DOCUMENT = auto()
    RTF = auto()
    CRAWL = auto()
    GZIP = auto()
    ZSTANDARD = auto()
    TAR = auto()
    ZIP = auto()
    KEYS = auto()  # left out, as are the next two
    GENERATED = auto()
    UNKNOWN = auto()


BYTES = frozenset({Format.TEXT, Format.CODE, Format.JSON_LINES, Format.TABLE, Format.MAILBOX})  # cut at a byte
_SUFFIXES = {
    Format.TEXT: "txt text md markdown mdown rst adoc asciidoc org tex log",
    Format.CODE: """
        py pyi pyx c h cc cpp cxx hpp hh cs java kt kts scala go rs swift m mm js mjs cjs jsx ts tsx vue svelte php rb
        pl pm lua r jl hs lhs ml mli fs fsx clj cljs erl ex exs elm dart nim zig v sv vhd vhdl f f90 f95 pas ada adb
        ads d sh bash zsh fish ps1 bat cmd sql css scss sass less cmake mk gradle groovy tcl awk perl lisp el scm
        rkt asm s proto dockerfile makefile vim tf cu cuh glsl hlsl wgsl sol
        cfg conf cnf config ini toml yaml yml xml xsd xsl xslt properties json5 po pot diff patch service desktop
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
    Format.SUBTITLES: "srt vtt",
    Format.WORD: "docx docm dotx",
    Format.OPEN_DOCUMENT: "odt ott",
    Format.RTF: "rtf",
    Format.CRAWL: "warc wet",
    Format.GZIP: "gz tgz",
    Format.ZSTANDARD: "zst zstd tzst",
    Format.TAR: "tar",
    Format.ZIP: "zip",
    Format.KEYS: """
        pem key crt cer der csr p7b p7c p12 pfx jks keystore keytab kdb kdbx ppk pub gpg pgp sig ovpn netrc env htpasswd
        pgpass tfvars tfstate
    """,
    Format.GENERATED: "lock map sum",
    Format.UNKNOWN: """
        jpg jpeg png gif webp heic bmp tif tiff ico psd mp3 m4a aac ogg opus flac wav mp4 m4v mov avi mkv webm
        exe dll so dylib o a lib obj class jar pyc wasm bin iso img dmg apk deb rpm msi 7z rar xz bz2 ttf otf woff woff2
        xls xlsx ppt pptx db sqlite sqlite3 pt pth safetensors gguf npy npz pkl
        svg ps eps stl ply gcode ipynb har vcf ics ldif
    """,  # pictures, sounds, programs, data; also as text, and other people's addresses and dates
}
_OF = {suffix: format for format, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
NOT_READ = "not a kind of file that is read"
_LEFT_OUT = {
    Format.KEYS: "made for keys and passwords, left out",
    Format.GENERATED: "written by a program for programs (a lock file, a squeezed script), left out",
}
_BARE_CODE = frozenset({"makefile", "dockerfile", "gemfile", "rakefile", "vagrantfile", "jenkinsfile"})
_KEY_NAMES = frozenset({"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "authorized_keys", "known_hosts", "_netrc"})
_KEY_STEMS = frozenset({"password", "passwords", "passwort", "passwörter", "credentials", "secrets"})
_SESSIONS = "cookies.txt"  # of a browser, or a recipe
_KEY_LISTS = frozenset({"", "txt", "csv", "tsv", "json", "xml", "yaml", "yml", "toml", "ini", "cfg", "conf"})
_LOCKS = frozenset({"package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "packages.lock.json"})
_SCRIPTS = frozenset({"js", "mjs", "cjs", "css"})  # those that are squeezed
_FIRST_MAIL = re.compile(rb"From \S+ .{0,60}\d\d:\d\d.{0,60}\n[A-Za-z-]+:")  # Thunderbird's mailboxes have no suffix


def suffix_of(name: str) -> str:
    """In lower case, without the dot; "" when the name has none."""
    last = name.rpartition("/")[2].lstrip(".")
    return last.rpartition(".")[2].lower() if "." in last else ""


def not_read(name: str, format: Format = Format.UNKNOWN) -> str:
    """Why a file of a kind that is not read is not; the same for all of its kind."""
    if format in _LEFT_OUT:
        return _LEFT_OUT[format]
    suffix = suffix_of(name)
    which = f".{suffix}: " if re.fullmatch(r"[a-z0-9_]{1,10}", suffix) else ""
    return f"{which}{NOT_READ}"


def is_of_unknown_kind(reason: str) -> bool:
    """Of the reasons why a file is not read, that with which nothing is wrong."""
    return reason.endswith(NOT_READ)


def needs_a_look(name: str) -> bool:
    """Whether the name alone does not tell the format."""
    suffix = suffix_of(name)
    return suffix not in _OF or suffix in _SCRIPTS or name.lower().endswith(_SESSIONS)


def format_of(name: str, sample: bytes = b"", encoding: str = "") -> Format:
    """By the name; where that does not tell, by the first bytes. `encoding` is the owner's word for it."""
    last, suffix = name.rpartition("/")[2].lower(), suffix_of(name)
    if last in _KEY_NAMES or (suffix in _KEY_LISTS and last.partition(".")[0] in _KEY_STEMS):
        return Format.KEYS
    if last == _SESSIONS and looks.holds_keys(sample):
        return Format.KEYS
    if last in _LOCKS or (suffix in _SCRIPTS and (".min." in last or looks.is_squeezed(sample))):
        return Format.GENERATED
    if suffix in _OF:
        return _OF[suffix]
    if not suffix and _FIRST_MAIL.match(sample):
        return Format.MAILBOX
    if sample.startswith(looks.RTF):
        return Format.RTF  # a .doc often is
    if looks.holds_keys(sample):
        return Format.KEYS
    if not looks.is_text(sample, encoding):
        return Format.UNKNOWN
    if looks.is_page(sample):
        return Format.HTML
    return Format.CODE if last in _BARE_CODE or looks.is_code(sample) else Format.TEXT


def inner(name: str) -> str:
    """What a packed file is called once it is unpacked: notes.txt of notes.txt.gz, x.tar of x.tgz."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.tar" if suffix.lower() in ("tgz", "tzst") else stem


def kind_of(format: Format) -> Kind:
    """What a plain text of this format is."""
    return "code" if format is Format.CODE else "prose"
