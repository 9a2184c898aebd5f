"""What a file is, told by its name."""

from __future__ import annotations

from enum import Enum, auto

from node.data.document import Kind


class Format(Enum):
    """How a file is to be read."""

    TEXT = auto()
    CODE = auto()
    HTML = auto()
    JSON_LINES = auto()
    UNKNOWN = auto()


SPLITTABLE = frozenset({Format.TEXT, Format.CODE, Format.JSON_LINES})
_SUFFIXES = {
    Format.TEXT: "txt text md markdown mdown rst adoc asciidoc org tex log",
    Format.CODE: """
        py pyi pyx c h cc cpp cxx hpp hh cs java kt kts scala go rs swift m mm js mjs cjs jsx ts tsx vue svelte php rb
        pl pm lua r jl hs lhs ml mli fs fsx clj cljs erl ex exs elm dart nim zig v sv vhd vhdl f f90 f95 pas ada adb ads
        d sh bash zsh fish ps1 bat cmd sql css scss sass less cmake mk gradle groovy tcl lisp el scm rkt asm s proto
        dockerfile makefile vim tf cu cuh glsl hlsl wgsl sol
    """,
    Format.HTML: "html htm xhtml",
    Format.JSON_LINES: "jsonl ndjson",
}
_OF = {suffix: format for format, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
_BARE_CODE = frozenset({"makefile", "dockerfile", "gemfile", "rakefile", "vagrantfile", "jenkinsfile"})


def suffix_of(name: str) -> str:
    """In lower case, without the dot; "" when the name has none."""
    last = name.rpartition("/")[2]
    return last.rpartition(".")[2].lower() if "." in last.lstrip(".") else ""


def format_of(name: str) -> Format:
    """By the suffix. A name without one is a text until its bytes say otherwise."""
    suffix = suffix_of(name)
    if suffix:
        return _OF.get(suffix, Format.UNKNOWN)
    return Format.CODE if name.rpartition("/")[2].lower() in _BARE_CODE else Format.TEXT


def kind_of(format: Format) -> Kind:
    return "code" if format is Format.CODE else "prose"
