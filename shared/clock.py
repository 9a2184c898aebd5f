"""Clock differences and lifetimes: arithmetic only, the time is always an argument (UTC seconds)."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.errors import Refusal, Refused

Validity = tuple[float, float]  # a certificate's not_before and not_after, UTC seconds

LIFETIME = 7 * 24 * 3600.0  # seconds a certificate of ours lives
BACKDATED = 600.0  # seconds: a new certificate is valid from ten minutes ago, for PCs whose clock is behind
WARN = 60.0  # seconds of difference that are worth a word
HOW = "Set the clock to automatic (on a PC that starts both Windows and Linux, both should keep UTC)"


def renew_at(not_before: float, not_after: float, jitter: float = 0.0) -> float:
    """When to ask for the next certificate: at two thirds of the lifetime, up to a tenth earlier.

    `jitter` is in [0, 1]; it keeps PCs that joined together from all asking together.
    """
    return not_before + (not_after - not_before) * (2 / 3 - jitter / 10)


def difference_words(ahead: float) -> str:
    """`ahead`: this PC's clock minus the host's, seconds. -259200 -> "3.0 days behind", for "... the host's"."""
    if abs(ahead) < 0.5:
        return "the same as"
    return f"{span(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'}"


def trouble(ahead: float) -> Refused | None:
    """A refusal when this PC's clock is so far off that a certificate made now would not be valid here.

    Behind: a certificate is back-dated by BACKDATED. Ahead: it must not be due for renewal before it was used.
    """
    if -BACKDATED < ahead < renew_at(0, LIFETIME) - BACKDATED:
        return None
    return Refused(
        Refusal.CLOCK,
        f"This PC's clock is {difference_words(ahead)} the host's: certificates would not be valid. "
        f"{HOW}, then try again.",
    )


def outside(not_before: float, not_after: float, now: float) -> Refused | None:
    """A refusal when the host's certificate is not valid by this PC's clock, which is then the likeliest culprit."""
    if not_before <= now <= not_after:
        return None
    off = f"at least {difference_words(now - not_before if now < not_before else now - not_after)}"
    return Refused(
        Refusal.CLOCK,
        f"By this PC's clock it is {moment(now)}, {off} the host's: its certificate would not be valid. "
        f"{HOW}, then try again. If this PC's clock is right, the host's is wrong.",
    )


def hosts_trouble(not_before: float, not_after: float, now: float, ahead: float) -> Refused | None:
    """A refusal when this PC's certificate, valid here and `now`, is not so by the host's clock.

    `ahead`: this PC's clock minus the host's, seconds.
    """
    theirs = now - ahead
    if not_before <= theirs <= not_after:
        return None
    about = round(abs(ahead), -2)  # the same words each time it is tried
    off = f"{span(about)} {'behind' if ahead > 0 else 'ahead of'} this PC's"
    return Refused(
        Refusal.CLOCK,
        f"The host's clock is {off}, so it does not take this PC's certificate, and the connection breaks. "
        "Ask the host to set its clock to automatic (or set this PC's, if that is the wrong one); it is tried again by "
        "itself.",
    )


def span(seconds: float) -> str:
    """90 -> "1.5 min". Seconds, minutes, hours or days, whichever reads best."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size * (2 if unit == "days" else 1):
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def nearby(at: float, now: float) -> str:
    """For whoever sits at this PC, by its own clock: "21:04" today, "Tue 21:04" in the days around, "3 May 2026"."""
    when, today = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(now).astimezone().date()
    days = abs((when.date() - today).days)
    if days >= 6:
        return f"{when.day} {when:%b %Y}"
    return f"{when:%H:%M}" if days == 0 else f"{when:%a %H:%M}"


def moment(at: float) -> str:
    """UTC seconds -> "3 May 2026 at 21:04 UTC": the same words wherever the reader lives."""
    when = datetime.fromtimestamp(at, UTC)
    return f"{when.day} {when:%b %Y at %H:%M} UTC"
