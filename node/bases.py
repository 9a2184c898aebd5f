"""Base models on this PC: made from an installed package where possible, and laid out for the trainer as hard links."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from node.blobs_link import in_thread
from shared.blobs import Blobs, digest_of
from shared.children import Child
from shared.ids import Digest
from shared.job import Job
from shared.result import link_or_copy

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
