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
    done = await _performed(home, arguments, progress, f"Reading {folder}")
    return {"documents": 0, "bytes": 0, "tokens": 0, "held_out_documents": 0, "skipped_words": [], **done}


async def learn_tokenizer(
    home: Path, names: list[str], out: Path, words: int, kind: str, progress: Callable[[float, str], None]
) -> Words:
    """A tokenizer of these collections' text; returns what is to be told. Raises OwnerMustAct in the child's words."""
    known = collections(home)
    if unknown := [name for name in names if name not in known]:
        raise OwnerMustAct(f"There is no collection called {unknown[0]}. Look: potluck node data list")
    names = names or list(known)
    if not names:
        raise OwnerMustAct("There is no text here yet. Add some: potluck node data add FOLDER --name NAME")
    arguments = ["train-tokenizer", "--home", str(home), "--out", str(out.resolve()), "--words", str(words)]
    return await _performed(home, [*arguments, "--kind", kind, *names], progress, "Learning a tokenizer")


async def convert_tokenizer(home: Path, file: Path, out: Path) -> Words:
    """A tokenizer.json of a SentencePiece or tiktoken file. Raises OwnerMustAct in the child's words."""
    arguments = ["convert-tokenizer", "--out", str(out.resolve()), str(file.resolve())]
    return await _performed(home, arguments, lambda share, words: None, f"Converting {file}")


async def _performed(home: Path, arguments: list[str], progress: Callable[[float, str], None], what: str) -> Words:
    """What the child says when it is done."""
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
        raise OwnerMustAct(f"{what} failed (exit code {child.returncode}); {log} says more.")
    return done


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
