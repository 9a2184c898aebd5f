"""`potluck node data ...`: the work is done by a child (`python -m node.data`); here are the owner's questions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from node import membership, owner
from node.home import collections
from shared.children import Child
from shared.errors import OwnerMustAct

Words = dict[str, Any]


async def add(
    home: Path, folder: Path, name: str, hold_out: list[str], replace: bool, progress: Callable[[float, str], None]
) -> Words:
    """Make the collection; returns its counts. Raises OwnerMustAct in the child's words."""
    membership.load(home)  # its group's key chooses the held-out text
    arguments = ["add", "--home", str(home), "--folder", str(folder.resolve()), "--name", name]
    arguments += [part for glob in hold_out for part in ("--hold-out", glob)]
    arguments += ["--group-key-file", str(home / "pki" / "group.key")]
    arguments += ["--replace"] if replace else []
    log = home / "log" / "data.log"
    child = await Child.start("node.data", arguments, log)
    done: Words | None = None
    try:
        async for words in child.facts():
            match words.get("fact"):
                case "progress":
                    progress(float(words["share"]), str(words.get("words", "")))
                case "done":
                    done = words
                case "failed":
                    raise OwnerMustAct(str(words["sentence"]))
    finally:
        await child.stop()
    if done is None:
        raise OwnerMustAct(f"Reading {folder} failed (exit code {child.returncode}); {log} says more.")
    return {"documents": 0, "bytes": 0, "tokens": 0, "held_out_documents": 0, "skipped_words": [], **done}


def agree(home: Path, name: str, tell_host: bool) -> None:
    """Note whether the host may know the counts of `name`."""
    owner.share(home, name, tell_host)


def listed(home: Path) -> list[Words]:
    shared = owner.read(home).share
    return [{**meta, "name": name, "shared": name in shared} for name, meta in collections(home).items()]


def counts_words(counts: Words) -> str:
    """Exactly what the host would be told."""
    tokens = f", {counts['tokens']:,} tokens" if counts["tokens"] else ""
    return f"{counts['documents']:,} documents, {counts['bytes']:,} bytes{tokens}"
