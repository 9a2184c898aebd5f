"""A text in windows: every token predicted once a pass, a bit of everything first, or the easy ones."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.data.samples import Samples, Text, diversity, scattered


def text_of(ids: Any, replies: Any = None, ends: Any = None) -> Text:
    ids = np.asarray(ids, np.uint32)
    ends = [len(ids)] if ends is None else list(ends)
    starts = [0, *ends[:-1]]
    known = [(float(end), diversity(ids[start:end])) for start, end in zip(starts, ends, strict=True)]
    return Text("text", ids, None if replies is None else np.asarray(replies, np.uint8), np.array(known))


def window(samples: Samples, position: int) -> Any:
    """Its ids, and which of ids[1:] are predicted."""
    found = samples.at(samples.starts(np.array([position])))
    return found.ids[0], np.ones(found.ids.shape[1] - 1, np.bool_) if found.predicted is None else found.predicted[0]


@pytest.mark.parametrize(("size", "length"), [(1000, 16), (1003, 16), (16, 16), (5, 16), (2, 16), (97, 1)])
def test_a_pass_predicts_every_token_but_the_first_once(size: int, length: int) -> None:
    samples = Samples(text_of(range(size)), length)
    predicted: list[int] = []
    for position in range(len(samples)):
        ids, known = window(samples, position)
        assert len(ids) == length + 1
        assert all((int(b) - int(a)) % size == 1 % size for a, b in itertools.pairwise(ids))
        predicted += ids[1:][known].tolist()
        assert samples.predicted(np.array([position])) == known.sum()
    assert sorted(predicted) == list(range(1, size))
    assert np.array_equal(window(samples, len(samples))[0], window(samples, 0)[0])


@given(st.lists(st.booleans(), min_size=2, max_size=200), st.integers(1, 20))
def test_only_replies_are_predicted_and_windows_without_any_are_left_out(replies: list[bool], length: int) -> None:
    samples = Samples(text_of(range(len(replies)), replies), length)
    predicted: list[int] = []
    for position in range(len(samples)):
        ids, known = window(samples, position)
        assert known.any()
        assert samples.predicted(np.array([position])) == known.sum()
        predicted += ids[1:][known].tolist()
    assert sorted(predicted) == [place for place, reply in enumerate(replies) if reply and place]


def test_a_short_run_sees_a_bit_of_everything() -> None:
    places = np.sort(scattered(np.arange(32), 1000))
    assert np.diff(places).max() < 3 * 1000 / 32


def test_a_curriculum_by_length_begins_with_short_documents() -> None:
    ends = np.cumsum([40, 10, 20, 10, 40])
    samples = Samples(text_of(range(120), ends=ends), 10, "length")
    lengths = np.repeat([40, 10, 20, 10, 40], [40, 10, 20, 10, 40])
    first = [int(lengths[window(samples, position)[0][0]]) for position in range(len(samples))]
    assert first == [10, 10, 20, 20, *[40] * 8]
    assert len({int(window(samples, position)[0][0]) for position in range(len(samples))}) == 12


def test_a_curriculum_by_diversity_begins_with_what_repeats_itself() -> None:
    rich, poor = np.arange(256), np.tile([1, 2], 128)
    samples = Samples(text_of([*rich, *poor], ends=[256, 512]), 64, "diversity")
    assert [bool(window(samples, position)[0][0] in (1, 2)) for position in range(8)] == [True] * 4 + [False] * 4


def test_diversity_does_not_fall_as_a_document_grows() -> None:
    draw = np.random.default_rng(0).integers(0, 50, 64 * 200).astype(np.uint32)
    assert diversity(draw) == pytest.approx(diversity(draw[: 64 * 20]), abs=0.02)
    assert diversity(np.arange(640, dtype=np.uint32)) == 1.0
    assert diversity(np.zeros(640, np.uint32)) == 1 / 64


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 20))
def test_places_are_counted_anew_from_each_document_s_first_token(lengths: list[int], length: int) -> None:
    ends = np.cumsum(lengths)
    samples = Samples(text_of(range(ends[-1]), ends=ends), length, apart=True)
    within = np.concatenate([np.arange(size) for size in lengths])
    for position in range(len(samples)):
        start = int(samples.starts(np.array([position]))[0])
        (places,) = samples.at(np.array([start])).places  # type: ignore[misc]  # they are kept apart
        for offset in range(min(length, ends[-1] - start)):
            assert places[offset] == min(offset, within[start + offset])
