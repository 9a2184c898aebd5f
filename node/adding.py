"""`potluck node data ...`: the work is done by a child (`python -m node.data`); here are the owner's questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node import membership, owner
from node.home import all_collections, collections
from shared.children import Child
from shared.errors import OwnerMustAct
from shared.units import plural

Words = dict[str, Any]
Tell = Callable[[Words], None]  # done, total and kept bytes; or words


@dataclass(frozen=True, slots=True)
class Job:
    """A folder to be added."""

    folder: Path
    name: str
    choices: Words = field(default_factory=dict)  # of node/data/building/choices.py, where not the usual
    replace: bool = False
    dry_run: bool = False
    cores: int | None = None  # None: all


async def add(home: Path, job: Job, tell: Tell = lambda words: None) -> Words:
    """Make the collection; returns its counts. Raises OwnerMustAct in the child's words."""
    arguments = ["--folder", job.folder.expanduser().resolve(), "--name", job.name, *_key(home)]
    arguments += ["--replace"] if job.replace else []
    arguments += ["--dry-run"] if job.dry_run else []
    arguments += [] if job.cores is None else ["--cores", job.cores]
    done = await ask(home, "add", *arguments, choices=job.choices, tell=tell)
    return {"documents": 0, "bytes": 0, "tokens": 0, "held_out_documents": 0, "skipped_words": [], **done}


async def preview(home: Path, folder: Path, choices: Words, count: int, seed: int) -> Words:
    """Random samples of what the choices would do to a folder."""
    arguments = ["--folder", folder.expanduser().resolve(), *_key(home), "--count", count, "--seed", seed]
    return await ask(home, "preview", *arguments, choices=choices)


async def remove(home: Path, name: str, tell: Tell = lambda words: None) -> Words:
    """A collection goes, and so does the host's leave to know of it."""
    done = await ask(home, "remove", "--name", name, tell=tell)
    owner.share(home, name, False)
    return done


async def check(home: Path, names: list[str], tell: Tell = lambda words: None, *, quick: bool = False) -> Words:
    """What is damaged, by collection (no names: all of them). Raises OwnerMustAct in the child's words."""
    return await ask(home, "check", *(["--quick"] if quick else []), *names, tell=tell)


async def learn_tokenizer(home: Path, names: list[str], out: Path, words: int, kind: str, tell: Tell) -> Words:
    """A tokenizer of these collections' text; returns what is to be told. Raises OwnerMustAct in the child's words."""
    known = collections(home)
    if unknown := [name for name in names if name not in known]:
        raise OwnerMustAct(f"There is no collection called {unknown[0]}. Look: potluck node data list")
    names = names or list(known)
    if not names:
        raise OwnerMustAct("There is no text here yet. Add some: potluck node data add FOLDER --name NAME")
    arguments = ["--out", out.resolve(), "--words", words, "--kind", kind, *names]
    return await ask(home, "train-tokenizer", *arguments, tell=tell)


async def convert_tokenizer(home: Path, file: Path, out: Path) -> Words:
    """A tokenizer.json of a SentencePiece or tiktoken file. Raises OwnerMustAct in the child's words."""
    return await ask(home, "convert-tokenizer", "--out", out.resolve(), file.resolve())


async def ask(
    home: Path, command: str, *arguments: object, choices: Words | None = None, tell: Tell = lambda words: None
) -> Words:
    """One job of the child's. Raises OwnerMustAct in its words.

    The choices go through its standard input: they name people, and all users of a PC may read a command line.
    """
    log = home / "log" / "data.log"
    said = [] if choices is None else ["--choices", "-"]
    child = await Child.start("node.data", [command, "--home", str(home), *said, *map(str, arguments)], log)
    try:
        if choices is not None:
            await child.tell(choices)
        async for words in child.facts():
            match words.pop("fact", None):
                case "progress":
                    tell(words)
                case "done":
                    return words
                case "failed":
                    raise OwnerMustAct(str(words["sentence"]))
    finally:
        await child.stop()
    raise OwnerMustAct(
        f"Preparing text ended too soon (exit code {child.returncode}); {log} says more. "
        "What was done is kept: the same command goes on."
    )


def agree(home: Path, name: str, tell_host: bool) -> None:
    """Note whether the host may know the counts of `name`."""
    owner.share(home, name, tell_host)


def listed(home: Path) -> list[Words]:
    shared = owner.read(home).share
    found, usable = all_collections(home), collections(home)
    return [{**meta, "name": name, "shared": name in shared, "usable": name in usable} for name, meta in found.items()]


def report(home: Path, name: str) -> Words:
    """Where the report of a collection lies."""
    folder = home / "data" / name
    if name not in all_collections(home):
        raise OwnerMustAct(f"There is no collection called {name}. See: potluck node data list")
    if not (folder / "report.html").exists():
        raise OwnerMustAct(
            f"{name} was made by an earlier version, which wrote no report. Read its folder again: "
            f"potluck node data add FOLDER --name {name} --replace"
        )
    return {"name": name, "page": str(folder / "report.html"), "markdown": str(folder / "report.md")}


def counts_words(counts: Words) -> str:
    """Exactly what the host would be told."""
    tokens = f", {counts['tokens']:,} tokens" if counts["tokens"] else ""
    return f"{plural(counts['documents'], 'document')}, {counts['bytes']:,} bytes{tokens}"


def _key(home: Path) -> list[object]:
    """The group's key chooses the held-out text."""
    membership.load(home)
    return ["--group-key-file", home / "pki" / "group.key"]
