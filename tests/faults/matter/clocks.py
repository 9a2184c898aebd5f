"""Clocks that are wrong, or are set while a round is under way: told in words, and no deadline passes for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.cluster.group import Group
from tests.faults.matter.homes import table

PACKAGE = "libfaketime"
NOTICED = 4.0  # seconds in which every program has looked at its clock
HOUR, YEAR = "+3600", "+31536000"  # as libfaketime reads them, in seconds


def friends_clock(folder: Path, seed: int, offset: str) -> None:
    """A friend's clock is wrong from the start; the others' round is not held up, and hers goes on once it is right."""
    with table(folder, "ana", "bo", "cy") as group:
        with clock(folder / "ana.clock", offset):
            group.run("ana")
        group.run("bo", "cy")
        group.until("ana to be told", lambda: "clock" in group.log("ana"))
        assert any(words in group.log("ana") for words in ("the host's", "at least")), group.log("ana")
        assert "Traceback" not in group.log("ana")
        group.until("the others", lambda: ready(group, "bo", "cy"))
        run = group.start(rounds=1, deadline="2 min")
        states = counted(group, run)
        assert states["bo"] == states["cy"] == "counted", states
        if offset == HOUR:  # a certificate made a moment ago is good by such a clock
            assert states["ana"] == "counted", states
        group.kill("ana")
        group.run("ana")
        group.until("ana, with a right clock", lambda: ready(group, "ana"))
        again = group.start(name="again", rounds=1, quorum=3)
        assert set(counted(group, again).values()) == {"counted"}


def hosts_clock(folder: Path, seed: int, offset: str) -> None:
    """The host's clock is wrong: its friends are told, and the run is finished, at the latest once it is right."""
    with table(folder, "ana", "bo") as group:
        run_before = group.start(rounds=1)
        stop(group, "host")
        with clock(folder / "host.clock", offset):
            group._start("host", group.host.home, ["coordinator", "up", "--verbose"])
        group.until("the host", lambda: group.log("host").count("info up") == 2)
        group.run("ana", "bo")
        told = "The host's clock is 1.0 h behind this PC's" if offset.startswith("-") else "clock"
        group.until("ana to be told", lambda: told in group.log("ana"))
        assert "Traceback" not in group.log("ana") + group.log("host"), group.logs()
        stop(group, "host")
        group.up()
        assert set(counted(group, run_before).values()) == {"counted"}


def jump(folder: Path, seed: int, who: str, offset: str) -> None:
    """Somebody's clock is set while two friends train: nobody is hurried, and nobody is late."""
    with table(folder, "ana", "bo") as group:
        wall = folder / "wall"
        if who == "host":
            stop(group, "host")
        with clock(wall, "+0"):
            if who == "host":
                group.up()
            else:
                group.run("ana")
        for name in ("ana", "bo"):
            group.hold(name, 1)
            if name != who:
                group.run(name)
        run = group.start(rounds=1, deadline="3 min")
        group.until("both to train", lambda: group.doing("ana").get("step") and group.doing("bo").get("step"))
        set_clock(wall, offset)
        stop_looking = time.monotonic() + NOTICED
        while time.monotonic() < stop_looking:  # whatever goes wrong goes wrong by then
            assert group.doing("ana").get("doing") == "training", group.logs()
            time.sleep(0.2)
        group.let_go()
        group.until("both updates", lambda: all(sent(group, name) for name in ("ana", "bo")))
        set_clock(wall, "+0")
        (only,) = group.finished(run)["history"]
        members = {member["name"]: member for member in only["members"]}
        assert [member["state"] for member in members.values()] == ["counted", "counted"], members
        assert all(member["share"] == 1.0 for member in members.values()), members


def ready(group: Group, *names: str) -> bool:
    return all(group.node(name)["state"] == "ready" for name in names)


def counted(group: Group, run: str) -> dict[str, str]:
    """How each member of the run's only round ended."""
    (only,) = group.finished(run)["history"]
    return {member["name"]: member["state"] for member in only["members"]}


def sent(group: Group, name: str) -> bool:
    """Whether the host has that friend's update, whole."""
    return [(one["share"], bool(one["verdict"])) for one in group.doing(name).get("updates", [])] == [(1.0, True)]


def stop(group: Group, name: str) -> None:
    group.processes[name].terminate()
    group.processes[name].wait(20)


# ---- the wrong clock ----


@contextmanager
def clock(file: Path, offset: str) -> Iterator[None]:
    """Programs started inside go by a clock that is off by what `file` says; waiting is as long as ever."""
    set_clock(file, offset)
    settings = {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
        "NO_FAKE_STAT": "1",
    }
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def set_clock(file: Path, offset: str) -> None:
    beside = file.with_suffix(".new")
    beside.write_text(offset + "\n")
    beside.replace(file)


@cache
def library() -> Path:
    """libfaketime, installed or fetched with apt (without root). Skips where it cannot be had."""
    folder = Path(tempfile.gettempdir()) / f"potluck-faketime-{os.getuid()}"
    for found in (*Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), *folder.glob("**/libfaketime.so.1")):
        return found
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip("there is no libfaketime here, and no apt to fetch it with")
    folder.mkdir(mode=0o700, exist_ok=True)
    for words in (["apt-get", "download", PACKAGE], ["bash", "-c", f"dpkg -x {PACKAGE}_*.deb ."]):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"libfaketime could not be fetched: {done.stderr.strip()[-200:]}")
    return next(folder.glob("**/libfaketime.so.1"))
