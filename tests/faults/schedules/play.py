"""Plays one schedule of faults, given its number. What fails is an AssertionError that names the number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.schedules import telling
from tests.faults.schedules.world import World


def play_facts(seed: int) -> None:
    """Random facts, late, repeated, foreign and true ones, in the coordinator's state machine alone."""
    with _named("play_facts", seed):
        for _ in telling.told(seed):
            pass


def play_world(seed: int) -> None:
    """A coordinator's logic and some nodes' together, through an evening of faults and into the calm after it."""
    with _named("play_world", seed):
        World(seed).play()


@contextmanager
def _named(what: str, seed: int) -> Iterator[None]:
    """A failure says how to see it again."""
    again = f"{what}({seed})  # from tests.faults.schedules.play"
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{again}: {type(error).__name__}: {error}") from error
