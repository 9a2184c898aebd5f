"""Clock differences and lifetimes."""

from __future__ import annotations

import pytest

from shared import clock
from shared.errors import Refusal

DAY = 86400.0


@pytest.mark.parametrize("ahead", [0.0, -59.0, -590.0, 3600.0, 4 * DAY])
def test_a_clock_that_is_a_little_off_is_no_trouble(ahead: float) -> None:
    assert clock.trouble(ahead) is None


@pytest.mark.parametrize(
    ("ahead", "words"), [(-3 * DAY, "3.0 days behind"), (-3600.0, "1.0 h behind"), (30 * DAY, "ahead")]
)
def test_a_clock_that_is_far_off_is_refused_in_words(ahead: float, words: str) -> None:
    refused = clock.trouble(ahead)
    assert refused is not None
    assert refused.refusal is Refusal.CLOCK
    assert words in refused.sentence
    assert "Set the clock to automatic" in refused.sentence


def test_a_certificate_from_the_future_means_a_clock_behind() -> None:
    refused = clock.outside(1_000_000.0, 2_000_000.0, 1_000_000.0 - 3 * DAY)
    assert refused is not None
    assert "at least 3.0 days behind" in refused.sentence
    assert clock.outside(1_000_000.0, 2_000_000.0, 1_500_000.0) is None
    late = clock.outside(1_000_000.0, 2_000_000.0, 2_000_000.0 + 7200)
    assert late is not None
    assert "at least 2.0 h ahead" in late.sentence


def test_renewal_comes_at_two_thirds_and_jitter_makes_it_earlier_only() -> None:
    assert clock.renew_at(0, 300) == pytest.approx(200)
    assert clock.renew_at(0, 300, 1.0) == pytest.approx(170)


def test_moments_are_told_in_utc() -> None:
    assert clock.moment(1_777_842_240) == "3 May 2026 at 21:04 UTC"


@pytest.mark.parametrize(("ahead", "words"), [(3600.0, "1.0 h behind this PC's"), (-8 * DAY, "8.0 days ahead of this")])
def test_a_host_whose_clock_makes_our_certificate_invalid_is_named(ahead: float, words: str) -> None:
    refused = clock.hosts_trouble(1_000_000.0, 1_000_000.0 + 7 * DAY, 1_000_600.0, ahead)
    assert refused is not None
    assert words in refused.sentence


def test_a_host_whose_clock_is_off_is_no_reason_while_our_certificate_is_valid_by_it() -> None:
    assert clock.hosts_trouble(1_000_000.0, 1_000_000.0 + 7 * DAY, 1_000_000.0 + DAY, 3600.0) is None


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(0.02, "the same as"), (-0.4, "the same as"), (0.7, "0.7 s ahead of"), (-90.0, "1.5 min behind")],
)
def test_a_difference_is_put_into_words(ahead: float, words: str) -> None:
    assert clock.difference_words(ahead) == words
