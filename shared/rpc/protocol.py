"""Which wire protocol we speak. The number decides who may talk to whom; the version is only for people."""

from __future__ import annotations

PROTOCOL = 1  # raised when an older peer could misunderstand us
OLDEST = 1  # the oldest protocol we still understand
VERSION = "0.1.0"  # pyproject.toml reads it here: asking for the installed package takes every command 11 ms
