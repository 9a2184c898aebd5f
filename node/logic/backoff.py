"""How long to wait before dialling again: exponential, jittered, never more than a minute."""

from __future__ import annotations

CAP_SECONDS = 60.0


def wait_seconds(attempt: int, chance: float) -> float:
    """Seconds to wait after `attempt` failures in a row (1, 2, ...). `chance` is uniform in [0, 1).

    Between half and all of min(60, 2 ** (attempt - 1)), so that friends do not all knock at once when the host is back.
    """
    assert attempt >= 1
    assert 0 <= chance < 1
    whole = min(CAP_SECONDS, 2.0 ** min(attempt - 1, 10))
    return whole * (0.5 + chance / 2)
