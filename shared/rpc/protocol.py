"""Which wire protocol we speak. The number decides who may talk to whom; the version is only for people."""

from __future__ import annotations

from importlib import metadata

PROTOCOL = 1  # raised when an older peer could misunderstand us
OLDEST = 1  # the oldest protocol we still understand


def _version() -> str:
    try:
        return metadata.version("potluck")
    except metadata.PackageNotFoundError:  # run from a plain checkout
        return "0.1.0"


VERSION = _version()
