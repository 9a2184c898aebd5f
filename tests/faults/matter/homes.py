"""A group of real processes for a fault; its homes may lie on small disks of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cluster.group import Group

REPOSITORY = Path(__file__).resolve().parents[3]
MEGABYTE = 1 << 20


@contextmanager
def table(folder: Path, *friends: str, small: tuple[str, ...] = ()) -> Iterator[Group]:
    """A running coordinator and friends who have joined. `small` homes lie each on a small disk of its own."""
    before = dict(os.environ)
    os.environ.setdefault("POTLUCK_CACHE", str(folder / "cache"))
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    try:
        with ExitStack() as stack:
            for name in small:
                stack.enter_context(disk(folder / name))
            group = Group(folder, stack)
            group.up()
            for name in friends:
                group.join(name)
            yield group
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def disk(folder: Path, megabytes: int = 256) -> Iterator[Path]:
    """A disk of that size at `folder`. Skips where this user may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(folder)]
    if os.name == "nt" or os.geteuid() != 0:
        pytest.skip("a small disk is a mounted tmpfs, and only root may mount")
    if (done := subprocess.run(words, capture_output=True, text=True, check=False)).returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(folder: Path, leave: int) -> Iterator[None]:
    """Inside, that disk has room for `leave` bytes more."""
    ballast = folder / "ballast"
    with open(ballast, "wb") as file:
        size = shutil.disk_usage(folder).free - leave
        if size > 0:
            os.posix_fallocate(file.fileno(), 0, size)
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Inside, nothing may be written on that disk."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
