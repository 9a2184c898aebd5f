"""Quantities as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import units

NOW = datetime(2026, 11, 24, 21, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10 min", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1 h 30 min", 5400),
        ("0.5 h", 1800),
        ("3 days", 259200),
    ],
)
def test_a_length_of_time_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert units.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", 10, "ten minutes", "2 parsecs", "h", "-2h", None])
def test_a_length_of_time_without_sense_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="10 min or 2h"):
        units.duration(text)


@pytest.mark.parametrize(
    ("text", "number"), [("64k", 65536), ("64K", 65536), ("65,536", 65536), (7, 7), ("1.5k", 1536), ("1M", 1 << 20)]
)
def test_a_count_may_carry_a_binary_step(text: object, number: int) -> None:
    assert units.count(text) == number


@pytest.mark.parametrize("text", ["", "64 x", "-1", "0.3", True, None, []])
def test_what_is_not_a_count_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="64k"):
        units.count(text)


@pytest.mark.parametrize(("text", "value"), [("10%", 0.1), ("0.1", 0.1), (0.1, 0.1), ("100 %", 1.0), (0, 0.0)])
def test_a_share_is_a_part_of_one(text: object, value: float) -> None:
    assert units.share(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["110%", "-1", "much", "nan", None])
def test_more_than_the_whole_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"10% or 0\.1"):
        units.share(text)


def test_a_pause_may_end_at_a_time_of_day() -> None:
    assert units.until("until 21:30", NOW) == NOW.replace(minute=30)
    assert units.until("until 20:00", NOW) == NOW.replace(hour=20, minute=0) + timedelta(days=1)
    assert units.until("until 2026-11-26 21:30", NOW) == datetime(2026, 11, 26, 21, 30, tzinfo=UTC)
    assert units.until("2h", NOW) == NOW + timedelta(hours=2)


@pytest.mark.parametrize("text", ["until 25:00", "until tea", "later"])
def test_a_moment_without_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Write"):
        units.until(text, NOW)


def test_a_pause_that_is_no_time_at_all_is_told_both_ways_to_say_one() -> None:
    with pytest.raises(ValueError, match=r'"later" is not a time\. Write 30 min, 2h or until 21:30\.'):
        units.until("later", NOW)


def test_a_pause_does_not_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="is over already"):
        units.until("until 2020-01-01 10:00", NOW)


@given(st.integers(1, 10**7))
def test_words_for_a_length_of_time_can_be_read_back(seconds: int) -> None:
    back = units.duration(units.duration_words(seconds))
    assert 0 <= seconds - back <= seconds / 24
