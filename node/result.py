"""The result on this PC: the newest model of a run as a Hugging Face folder that any tool loads. No numpy, no torch."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from node import bases, membership
from node.blobs_link import BlobsLink, in_thread
from node.connection import connect
from node.home import cache
from node.logic import bounds
from node.newest import Progress, fetch_all, find_run
from node.sent import Sent
from node.store.database import connect as open_database
from shared import job as job_
from shared.blobs import Blobs, digest_of
from shared.children import Child
from shared.disk import private_folder, write
from shared.errors import OwnerMustAct, Refused
from shared.ids import Digest, runs_called
from shared.result import copy, lay_out, link_or_copy

MARK = "round.json"  # in every folder that we wrote


@dataclass(frozen=True, slots=True)
class Result:
    """What was fetched: `base` is always a whole model; `tuned` is an adapter's folder or a whole model's."""

    run: str
    round: int
    rounds: int
    base: Path
    tuned: Path
    adapter: bool


async def fetch(home: Path, run: str, to: Path | None, progress: Progress) -> Result:
    """The newest committed model of `run` (empty: the only one), laid out in `to` or under the node's home.

    Raises OwnerMustAct when `to` holds other things.
    """
    if to is not None:
        _ours(to)
    membership.load(home)  # or nothing is made there
    blobs = Blobs(home / "result" / "blobs")
    database = open_database(home / "state.db")
    line = await connect(home)
    try:
        sent = Sent(database)
        link = BlobsLink(blobs, sent)
        found = await find_run(line, run, sent)
        model, job = Digest(found.model), Digest(found.job)
        await in_thread(lambda: _adopt([job, model], home, blobs))
        await fetch_all(link, line, {job: bounds.JOB}, progress)
        read = job_.parse(blobs.read(job))
        await in_thread(lambda: _adopt(list(read.files.values()), home, blobs))
        await bases.provide(read, blobs, cache(), home / "log" / "models.log")
        await fetch_all(link, line, bounds.of_run(read, model), progress)
    finally:
        await line.close()
        database.close()
    folder = private_folder(to or home / "result" / found.run)
    if to is not None:  # ours from now on, whatever interrupts us
        write(folder / MARK, _json({"run": found.run, "round": found.round, "rounds": found.rounds}), 0o644)
    base, tuned = folder / "base", folder / ("model" if read.lora is None else "adapter")
    place = link_or_copy if to is None else copy  # what its owner takes away may be edited in place
    await in_thread(lambda: lay_out(read, blobs, model, base, tuned, place))
    blobs.keep_only({job, model, *read.files.values()})
    write(folder / MARK, _json({"run": found.run, "round": found.round, "rounds": found.rounds}), 0o644)
    progress(1.0, "")
    return Result(found.run, found.round, found.rounds, base, tuned, read.lora is not None)


def _ours(folder: Path) -> None:
    """Files there are replaced and removed, so it must be empty or written by us."""
    if folder.exists() and not folder.is_dir():
        raise OwnerMustAct(f"{folder} is a file. Give --to a new or an empty folder.")
    if folder.is_dir() and not (folder / MARK).exists() and (other := next(folder.iterdir(), None)) is not None:
        raise OwnerMustAct(
            f"{folder} has other things in it ({other.name}); nothing was fetched. Give --to a new or an empty folder."
        )


def earlier(home: Path, run: str) -> Result | None:
    """What was fetched before and lies under the node's home: of `run`, or the newest of all."""
    folders = [file.parent for file in sorted((home / "result").glob(f"*/{MARK}"), key=_age)]
    meant = runs_called(run, [folder.name for folder in folders])
    for folder in (folder for folder in folders if folder.name in meant):
        adapter, whole = folder / "adapter", folder / "model"
        if adapter.is_dir() or whole.is_dir():
            told = json.loads((folder / MARK).read_bytes())
            tuned = adapter if adapter.is_dir() else whole
            return Result(folder.name, told["round"], told["rounds"], folder / "base", tuned, adapter.is_dir())
    return None


def _age(path: Path) -> float:
    return -path.stat().st_mtime


async def merge(home: Path, result: Result) -> Path:
    """Fold the adapter into its base, in a child. A whole model is merged already."""
    if not result.adapter:
        return result.tuned
    out = result.tuned.with_name("merged")
    arguments = ["merge", "--base", str(result.base), "--adapter", str(result.tuned), "--out", str(out)]
    log = home / "log" / "models.log"
    child = await Child.start("shared.models", arguments, log)
    try:
        async for words in child.facts():
            if words.get("fact") == "merged":
                return Path(str(words["folder"]))
            if words.get("fact") == "failed":
                raise OwnerMustAct(str(words["sentence"]))
    finally:
        await child.stop()
    raise OwnerMustAct(f"Merging failed (exit code {child.returncode}); {log} says more.")


def _adopt(wanted: list[Digest], home: Path, blobs: Blobs) -> None:
    """What the agent has need not be fetched again; it is linked here, for the agent collects its own garbage.

    Read whole, here and there: what was damaged on this disk is fetched again.
    """
    for digest in wanted:
        theirs = home / "blobs" / digest[:2] / digest
        if blobs.has(digest):
            with suppress(Refused):
                blobs.verify(digest)
        if not blobs.has(digest) and theirs.exists() and digest_of(theirs) == digest:
            own = blobs.root / "partial" / f"{digest}.own"
            link_or_copy(theirs, own)
            blobs.adopt(own, digest)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"
