"""What an update may claim. Its tokens are its weight in the mean, and nobody else counted them: so they are bounded by
what the round asked for, or, where a round is a time, by what no PC could have done since it began.
"""

from __future__ import annotations

from shared.units import duration_words

QUICKEST_STEP = 0.001  # seconds: no optimizer step is quicker
FASTEST = 2e15  # operations a second: eight of the fastest gaming cards, used perfectly
OPERATIONS = 4.0  # a token and a value of the model, at least: forward, and back through a frozen one


def too_many_tokens(tokens: int, *, steps: int | None, batch: int, values: int, seconds: float) -> str:
    """Why so many cannot be, or an empty string. `steps`: of the round, if it has them; `batch`: tokens a step;
    `values`: of the whole model; `seconds`: since training began."""
    if steps is not None:
        most = steps * batch
        return _words(tokens, f"a round of {steps:,} steps has {most:,} at most") if tokens > most else ""
    possible = batch + min(batch * seconds / QUICKEST_STEP, FASTEST * seconds / (OPERATIONS * max(1, values)))
    if tokens <= possible:
        return ""
    return _words(tokens, f"no PC trains on more than {possible:,.0f} in {duration_words(seconds)}")


def too_large(norm: float, most: float | None) -> str:
    """Why an update of this L2 norm is not used, or an empty string. `most` is the run file's `max_norm`."""
    if most is None or norm <= most:
        return ""
    return f"The update changes the model by a norm of {norm:.4g}; this run's max_norm is {most:g}."


def _words(tokens: int, why: str) -> str:
    return f"The update claims {tokens:,} tokens; {why}."
