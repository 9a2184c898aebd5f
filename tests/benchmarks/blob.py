"""How fast an update travels through the real doors, against a plain TLS gRPC stream that promises nothing.

Ours checks a CRC for each chunk and the SHA-256 of the whole, can be resumed, looks at every value, and answers once
the bytes and the fact are safe.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from node.logic.facts import Verdict
from shared.authority import CertificateAuthority
from tests.benchmarks import hosting, plain_stream
from tests.benchmarks.report import Figure
from tests.cluster.group import Group, group

MEGABYTES = 200
TIMES = 5


def measure(folder: Path, megabytes: int = MEGABYTES) -> Figure:
    """Our best of five over the plain stream's best of five, turn by turn, both to the same disk."""
    (folder / "plain").mkdir()
    CertificateAuthority.create(folder / "plain", "plain")
    names = [f"friend-{number}" for number in range(TIMES)]
    with group(folder) as potluck, plain_stream.serving(folder / "plain") as port:
        hosting.prepare(potluck, names, megabytes, "fp32")
        ours, plain, sample = asyncio.run(compare(potluck, names, folder / "plain", port))
    detail = (
        f"ours {_list(ours)} MB/s, plain {_list(plain)} MB/s, uploads of {sample.stat().st_size / 1e6:.0f} MB from a "
        "warm page cache over loopback, sender and receiver on the same cores"
    )
    ratio = max(ours) / max(plain)
    return Figure("blob", ratio, "ratio", 0.5, "higher", detail).explained(profile(sample))


async def compare(potluck: Group, names: list[str], folder: Path, port: int) -> tuple[list[float], list[float], Path]:
    """(our MB/s, the plain stream's, one of the files)."""
    ours, plain = [], []
    async with hosting.present(potluck, names) as members:
        for seed, member in enumerate(members):
            duty = await member.duty()
            update = member.update(duty, hosting.job_of(potluck, duty), seed)
            file, line = member.blobs.path(update.digest), await member.connection()
            began = time.monotonic()
            await plain_stream.send(folder, port, file)
            between = time.monotonic()
            verdict, words = await member.door.upload(line, update)
            ended = time.monotonic()
            assert verdict is Verdict.ACCEPTED, words
            await line.close()
            plain.append(update.size / 1e6 / (between - began))
            ours.append(update.size / 1e6 / (ended - between))
    return ours, plain, file


def profile(file: Path) -> str:
    """What the promises cost on this machine, each alone: seconds for this file."""
    data = file.read_bytes()
    values = np.frombuffer(data[: len(data) // 4 * 4], np.float32)
    works: dict[str, Callable[[], object]] = {
        "SHA-256 (once at the host)": lambda: hashlib.sha256(data).digest(),
        "CRC-32 (at both ends)": lambda: zlib.crc32(data),
        "looking at every value": lambda: float(np.abs(values).max()),
    }
    parts = []
    for name, work in works.items():
        began = time.monotonic()
        work()
        parts.append(f"{name} {time.monotonic() - began:.2f} s")
    return "for this file " + ", ".join(parts)


def _list(speeds: list[float]) -> str:
    return "/".join(f"{speed:.0f}" for speed in speeds)
