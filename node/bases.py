"""Base models on this PC: made from a package, or fetched from the hub, where that gives the very same bytes."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from node.blobs_link import in_thread
from node.logic import bounds
from shared.blobs import Blobs, digest_of
from shared.children import Child
from shared.ids import Digest
from shared.job import Job
from shared.result import link_or_copy

_PACKAGE = re.compile(r"(smollm2|potluck)-[0-9]+[mb]")  # never a path; the tiny one is sooner fetched than made
_HUB = re.compile(r"hf:[\w.-]+/[\w.-]+@[0-9a-f]{40}", re.ASCII)  # one commit, which nobody can move
MAKE_SECONDS = 600.0
HUB_SECONDS = 6 * 3600.0  # for sixteen gigabytes at six megabits a second


def to_errors(sentence: str) -> None:
    print(sentence, file=sys.stderr)


async def provide(
    job: Job, blobs: Blobs, cache: Path, log: Path, say: Callable[[str], None] = to_errors
) -> frozenset[Digest]:
    """Take in what this PC has, can make, or can fetch from the hub, of the job's base model.

    What is returned need not be downloaded from the host. `say` hears why something went another way.
    """
    missing = {name: digest for name, digest in job.files.items() if not blobs.has(digest)}
    if not missing:
        return frozenset()
    found = await in_thread(lambda: _adopt_from(cache, missing, blobs))
    if len(found) < len(missing) and _PACKAGE.fullmatch(job.base):
        await _make(job.base, cache, log, say)
        found |= await in_thread(lambda: _adopt_from(cache, missing, blobs))
    elif len(found) < len(missing) and _HUB.fullmatch(job.base):
        lacking = {name: digest for name, digest in missing.items() if digest not in found}
        found |= await _from_hub(job.base, lacking, blobs, log, say)
    return found


def _adopt_from(cache: Path, missing: dict[str, Digest], blobs: Blobs) -> frozenset[Digest]:
    """Files in the cache with the right name and, after reading them, the right digest."""
    found = set()
    for name, digest in missing.items():
        for path in sorted(cache.rglob(name)) if cache.is_dir() else ():
            if digest not in found and _adopt(path, digest, blobs):
                found.add(digest)
    return frozenset(found)


async def _make(base: str, cache: Path, log: Path, say: Callable[[str], None]) -> None:
    """Let a child make it from its package. It may not be installed here: then the files are downloaded."""
    child = await Child.start("shared.models", ["materialise", base, "--cache", str(cache)], log)
    try:
        async with asyncio.timeout(MAKE_SECONDS):
            async for _ in child.facts():
                pass
    except TimeoutError:
        say(f"Making {base} took too long; it is fetched from the host instead.")
    finally:
        await child.stop()


async def _from_hub(
    base: str, missing: dict[str, Digest], blobs: Blobs, log: Path, say: Callable[[str], None]
) -> frozenset[Digest]:
    """Let a child fetch it from the hub, or find it in the hub's own cache; a file counts by its digest alone."""
    found: set[Digest] = set()
    wanted = json.dumps({name: [digest, bounds.of_file(name).bytes] for name, digest in missing.items()})
    child = await Child.start("shared.models.hub", ["some", base, wanted], log)
    try:
        async with asyncio.timeout(HUB_SECONDS):
            async for words in child.facts():
                if words.get("fact") == "failed":
                    say(f"{words['sentence']} What is missing is fetched from the host instead.")
                if words.get("fact") != "fetched" or words["name"] not in missing:
                    continue
                name, path = str(words["name"]), Path(str(words["path"]))
                if await in_thread(partial(_adopt, path, missing[name], blobs)):
                    found.add(missing[name])
                else:
                    say(f"The hub's {name} of {base} is not the run's; the host's is fetched instead.")
    except TimeoutError:
        say(f"Fetching {base} from the hub took too long; the rest is fetched from the host instead.")
    finally:
        await child.stop()
    return frozenset(found)


def _adopt(path: Path, digest: Digest, blobs: Blobs) -> bool:
    """Take in a file, if these are its bytes."""
    if not path.is_file() or digest_of(path) != digest:
        return False
    own = blobs.root / "partial" / f"{digest}.own"
    link_or_copy(path, own)
    blobs.adopt(own, digest)
    return True
