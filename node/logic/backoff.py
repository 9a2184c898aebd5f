"""How long to wait before dialling again: exponential, jittered, never more than a minute."""

from __future__ import annotations

CAP_SECONDS = 60.0
STEADY_SECONDS = 5.0  # a connection that lasted this long moved something
BRIEF = 3  # failures in a row, as which one counts that was welcomed and soon lost: it moved a little


def wait_seconds(attempt: int, chance: float) -> float:
    """Seconds to wait after `attempt` failures in a row (1, 2, ...). `chance` is uniform in [0, 1).

    Between half and all of min(60, 2 ** (attempt - 1)), so that friends do not all knock at once when the host is back.
    """
    assert attempt >= 1
    assert 0 <= chance < 1
    whole = min(CAP_SECONDS, 2.0 ** min(attempt - 1, 10))
    return whole * (0.5 + chance / 2)


def failures(before: int, lasted: float, welcomed: bool) -> int:
    """Failures in a row, this one included, after `before` of them: an attempt that held for `lasted` seconds, and in
    which the host had welcomed us or not. A line that is cut every few seconds must not be tried but once a minute."""
    if lasted > STEADY_SECONDS:
        return 1
    return min(before + 1, BRIEF) if welcomed else before + 1
