"""This PC: cards and the torch for them, memory, disk, clock, sleep, warmth, and the traps of Windows' Linux.

What is read is turned into checks by plain functions, so that a PC nobody here owns can be looked at in a test.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from node.examining.check import Check
from node.logic.fitting import gigabytes
from node.probe import Card, Torch, cards, free_bytes, look, torch_build
from shared.disk import private_folder
from shared.units import size_words

LITTLE_SPACE = 2 << 30  # bytes
WRITTEN = 64 << 20  # bytes, to see how fast the disk is
SLOW_DISK = 50e6  # bytes a second; a checkpoint of a billion parameters takes minutes there
HOT = 83.0  # °C, where training slows down
ASKING_SECONDS = 5.0
NVIDIA = "0x10de"
OTHERS = {"0x1002": "AMD", "0x8086": "Intel"}  # PCI vendors of graphics cards


def examined(home: Path) -> Iterator[Check]:
    """Every check of the PC itself."""
    yield disk(home)
    yield from graphics(look() if cards() else (), torch_build(), vendors())
    yield memory()
    yield from windows(platform.uname().release, home)
    yield from (check for check in (_clock(), _sleep(), _warmth()) if check is not None)


def disk(home: Path) -> Check:
    """Room, and how fast a file gets there for good. The file is gone afterwards."""
    free = free_bytes(home)
    if free <= LITTLE_SPACE:
        return Check("disk", False, f"{size_words(free)} free at {home}: models and checkpoints need more")
    speed = _writing_speed(private_folder(home))
    slow = " (slow: checkpoints will take long)" if speed < SLOW_DISK else ""
    return Check("disk", True, f"{size_words(free)} free at {home}, writes {size_words(speed)}/s{slow}")


def graphics(found: Sequence[Card], build: Torch | None, there: Sequence[str]) -> Iterator[Check]:
    """`there`: PCI vendors of this PC's graphics cards, whether they can be used or not."""
    for card in found:
        words = f"{card.name}, {gigabytes(card.free)} of {gigabytes(card.memory)} free, driver {card.driver}"
        yield Check("card", True, words)
    if not found and NVIDIA in there:
        yield Check(
            "card", False,
            "There is an NVIDIA card, but its driver does not answer. Install driver and nvidia-ml-py, and restart.",
        )  # fmt: skip
    if names := sorted({OTHERS[vendor] for vendor in there if vendor in OTHERS}):
        yield Check("card", None, f"{' and '.join(names)} graphics: not used, Potluck trains on NVIDIA cards only")
    if build is None:
        return  # the trainer's own check says so
    if found and build.cuda is None:
        yield Check(
            "torch", False,
            f"You have an NVIDIA card and a CPU torch ({build.version}), so the card is not used. Uninstall it and "
            "install the CUDA build that pytorch.org/get-started names for your driver.",
        )  # fmt: skip
    else:
        kind = f"for CUDA {build.cuda}" if build.cuda else "for the CPU"
        yield Check("torch", True, f"{build.version}, built {kind}")


def memory() -> Check:
    import psutil

    now = psutil.virtual_memory()
    return Check("memory", True, f"{gigabytes(now.available)} of {gigabytes(now.total)} free")


def windows(release: str, home: Path) -> Iterator[Check]:
    """The traps of WSL2, where this is one."""
    if "microsoft" not in release.lower():
        return
    yield Check(
        "WSL2", None,
        "Linux inside Windows gets half of the memory unless %UserProfile%\\.wslconfig says otherwise ([wsl2] "
        "memory=28GB); pinned memory is not used here, so offload is slower",
    )  # fmt: skip
    if str(home).startswith("/mnt/"):
        yield Check("WSL2", False, f"{home} lies on a Windows disk, which is very slow from here. Set POTLUCK_HOME.")


def vendors() -> list[str]:
    """PCI vendors of the graphics cards that Linux sees."""
    found = []
    for file in sorted(Path("/sys/class/drm").glob("card*/device/vendor")):
        try:
            found.append(file.read_text().strip())
        except OSError:
            continue
    return found


def sleeping(type_: str, seconds: str) -> Check | None:
    """GNOME's words for what it does when nobody touches the PC on mains power."""
    if type_.strip(" '\n") not in ("suspend", "hibernate") or not seconds.strip().isdigit() or seconds.strip() == "0":
        return None
    minutes = int(seconds) // 60
    return Check(
        "sleep",
        None,
        f"this PC sleeps after {minutes} min without you, and stops training then (Settings > Power)",
    )


def _sleep() -> Check | None:
    power = "org.gnome.settings-daemon.plugins.power"
    type_ = _answer("gsettings", "get", power, "sleep-inactive-ac-type")
    seconds = _answer("gsettings", "get", power, "sleep-inactive-ac-timeout")
    if type_ and seconds:
        return sleeping(type_, seconds) or Check("sleep", True, "this PC stays awake on mains power")
    if "masked" in _answer("systemctl", "is-enabled", "sleep.target"):
        return Check("sleep", True, "this PC never sleeps (systemd)")
    return None


def _clock() -> Check | None:
    match _answer("timedatectl", "show", "--property=NTPSynchronized", "--value").strip():
        case "yes":
            return Check("clock", True, "set by network time")
        case "no":
            return Check("clock", None, "not set by network time: switch that on, a wrong clock is refused")
        case _:
            return None


def _warmth() -> Check | None:
    import psutil

    if not hasattr(psutil, "sensors_temperatures"):
        return None
    heat = [(reading.current, name) for name, all_ in psutil.sensors_temperatures().items() for reading in all_]
    heat += [(float(card.celsius), card.name) for card in (look() if cards() else ()) if card.celsius is not None]
    if not heat:
        return None
    hottest, where = max(heat)
    words = f"{hottest:.0f} °C now ({where})"
    return Check(
        "warmth", hottest < HOT, words if hottest < HOT else f"{words}: training will slow down. Clean the fans."
    )


def _writing_speed(folder: Path) -> float:
    """Bytes a second, flushed to the disk."""
    file, chunk = folder / f".speed-{os.getpid()}", os.urandom(1 << 20)
    try:
        began = time.monotonic()
        with open(file, "wb") as out:
            for _ in range(WRITTEN // len(chunk)):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        return WRITTEN / (time.monotonic() - began)
    except OSError:
        return 0.0
    finally:
        file.unlink(missing_ok=True)


def _answer(*words: str) -> str:
    """What a program of the system says; nothing where there is none, or it has nothing to say."""
    if shutil.which(words[0]) is None:
        return ""
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=ASKING_SECONDS, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
