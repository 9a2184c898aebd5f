"""Quantities as people write them: "2h", "10 min", "64k" (= 65,536), "10%". Pure.

Every complaint is a ValueError in words, with an example of what is right.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86400),
}
_STEPS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_PIECE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


def duration(text: object) -> float:
    """Seconds in "90s", "10 min", "2h", "1h30m", "3 days"; a bare number is refused, for nobody knows its unit."""
    rest, total = str(text).strip().lower(), 0.0
    if not rest:
        raise ValueError(_no_duration(text))
    while rest:
        piece = _PIECE.match(rest)
        if piece is None or piece[2] not in _SECONDS:
            raise ValueError(_no_duration(text))
        total += float(piece[1]) * _SECONDS[piece[2]]
        rest = rest[piece.end() :]
    return total


def count(text: object) -> int:
    """A whole number: 65536, "65,536", "64k", "1M", "2g" (binary steps, in either case)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg]?)", str(text).strip().lower().replace(",", "").replace("_", ""))
    number = float(match[1]) * _STEPS[match[2]] if match else 0.5
    if not number.is_integer():
        raise ValueError(f'"{text}" is not a count. Write a whole number such as 65536 or 64k (which is 65,536).')
    return int(number)


def share(text: object) -> float:
    """A part of one: "10%", "0.1" or 0.1."""
    words = str(text).strip()
    try:
        value = float(words[:-1]) / 100 if words.endswith("%") else float(words)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError(f'"{text}" is not a share. Write 10% or 0.1.')
    return value


def until(text: str, now: datetime) -> datetime:
    """The moment meant by "2h" (from now), "until 21:30" (today or tomorrow, local) or "until 2026-11-26 21:30".

    `now` carries its time zone; the answer is in the same one.
    """
    words = text.strip().lower()
    if not words.startswith("until"):
        try:
            return now + timedelta(seconds=duration(words))
        except (ValueError, OverflowError):
            raise ValueError(f'"{text}" is not a time. Write 30 min, 2h or until 21:30.') from None
    words = words.removeprefix("until").strip()
    clock = re.fullmatch(r"(\d{1,2}):(\d{2})", words)
    try:
        if clock is None:
            moment = datetime.fromisoformat(words)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
        else:
            moment = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
    except ValueError:
        raise ValueError(f'"{text}" is not a moment. Write "2h", "until 21:30" or "until 2026-11-26 21:30".') from None
    if clock is not None and moment <= now:
        moment += timedelta(days=1)
    if moment <= now:
        raise ValueError(f'"{text}" is over already.')
    return moment


def duration_words(seconds: float) -> str:
    """5400 -> "1 h 30 min": at most two units, for people."""
    left, words = max(0, round(seconds)), []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= size:
            words.append(f"{left // size} {unit}")
            left %= size
    return " ".join(words[:2]) or "0 s"


def size_words(count: float) -> str:
    """1_500_000 -> '1.5 MB'."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def day_words(moment: str) -> str:
    """ "28 November 2026, 09:15", on this PC's clock, of a moment in ISO 8601."""
    when = datetime.fromisoformat(moment).astimezone()
    return f"{when.day} {when:%B %Y, %H:%M}"


def plural(number: int, thing: str, things: str = "") -> str:
    """1, "PC" -> "1 PC"; 1200, "round" -> "1,200 rounds"; 2, "copy", "copies" -> "2 copies"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {things or f'{thing}s'}"


def _no_duration(text: object) -> str:
    return f'"{text}" is not a length of time. Write a number and a unit, such as 90s, 10 min or 2h.'
