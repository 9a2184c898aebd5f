"""Base models on this PC: made from an installed package where possible, and laid out for the trainer as hard links."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

from node.blobs_link import in_thread
from shared.blobs import Blobs, digest_of
from shared.children import Child
from shared.disk import private_folder
from shared.ids import Digest
from shared.job import Job

_PACKAGE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # never a path
MAKE_SECONDS = 600.0


async def provide(job: Job, blobs: Blobs, cache: Path, log: Path) -> frozenset[Digest]:
    """Take in what this PC has, or can make, of the job's base model. What is returned need not be downloaded."""
    missing = {name: digest for name, digest in job.files.items() if not blobs.has(digest)}
    if not missing:
        return frozenset()
    found = await in_thread(lambda: _adopt_from(cache, missing, blobs))
    if len(found) < len(missing) and _PACKAGE.fullmatch(job.base) and job.base.startswith("smollm2"):
        await _make(job.base, cache, log)
        found |= await in_thread(lambda: _adopt_from(cache, missing, blobs))
    return found


def furnish(folder: Path, job: Job, blobs: Blobs) -> None:
    """The job's base model as a Hugging Face folder. Raises Refused when a blob is missing."""
    private_folder(folder)
    for stray in folder.iterdir():
        if stray.name not in job.files:
            stray.unlink()
    for name, digest in job.files.items():
        source, target = blobs.require(digest), folder / name
        if target.exists() and target.stat().st_size == source.stat().st_size and os.path.samefile(source, target):
            continue
        link_or_copy(source, target)


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the disk can do it, else a copy; the target appears at once."""
    beside = target.with_name(f".{target.name}.new")
    beside.unlink(missing_ok=True)
    try:
        os.link(source, beside)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(source, beside)
    os.replace(beside, target)
    beside.unlink(missing_ok=True)  # between two names of one file, rename does nothing


def _adopt_from(cache: Path, missing: dict[str, Digest], blobs: Blobs) -> frozenset[Digest]:
    """Files in the cache with the right name and, after reading them, the right digest."""
    found = set()
    for name, digest in missing.items():
        for path in sorted(cache.rglob(name)) if cache.is_dir() else ():
            if digest not in found and path.is_file() and digest_of(path) == digest:
                own = blobs.root / "partial" / f"{digest}.own"
                link_or_copy(path, own)
                blobs.adopt(own, digest)
                found.add(digest)
    return frozenset(found)


async def _make(base: str, cache: Path, log: Path) -> None:
    """Let a child make it from its package. It may not be installed here: then the files are downloaded."""
    child = await Child.start("shared.models", ["materialise", base, "--cache", str(cache)], log)
    try:
        async with asyncio.timeout(MAKE_SECONDS):
            async for _ in child.facts():
                pass
    except TimeoutError:
        print(f"Making {base} took too long; it is downloaded instead.", file=sys.stderr)
    finally:
        await child.stop()
