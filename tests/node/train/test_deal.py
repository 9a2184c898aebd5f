"""A step's sequences are dealt out to the ranks: each once, and every rank runs equally many micro-batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.logic.fit import Fit
from node.logic.fitting import USEFUL_TOKENS
from node.train.job import deal, parse_fit
from shared.errors import OwnerMustAct
from shared.job import TensorSpec
from tests.node.train.room import make_job

JOB = make_job((TensorSpec("a", (1,)),), None)


@given(sequences=st.integers(1, 200), world=st.integers(1, 8), micro=st.one_of(st.none(), st.integers(1, 64)))
def test_every_sequence_is_trained_exactly_once(sequences: int, world: int, micro: int | None) -> None:
    job = make_job(JOB.tensors, None, sequence=16, batch=16 * sequences)
    share = deal(job, Fit(micro_batch=micro), world, on_card=False)
    places = [place for rank in range(world) for batch in share.places(rank, world) for place in batch]
    assert sorted(place for place in places if place < share.sequences) == list(range(sequences))
    assert len({len(share.places(rank, world)) for rank in range(world)}) == 1
    assert share.micro <= (micro or 64)
    assert len(places) - sequences < world * (share.micro_batches + share.micro)


@given(sequence=st.sampled_from([128, 512, 1024, 4096]), doublings=st.integers(0, 20), world=st.integers(1, 4))
def test_any_batch_up_to_a_million_tokens_is_reached(sequence: int, doublings: int, world: int) -> None:
    """By accumulation: a micro-batch stays as small as its PC needs it."""
    batch = max(sequence, 1 << doublings)
    for on_card, most in USEFUL_TOKENS.items():
        share = deal(make_job(JOB.tensors, None, sequence=sequence, batch=batch), Fit(), world, on_card)
        assert share.tokens == batch
        assert share.micro * sequence <= max(most, sequence)
        assert share.micro * share.micro_batches * world >= share.sequences


def test_a_wrong_fit_is_told_in_full() -> None:
    with pytest.raises(OwnerMustAct, match=r"engine 'jax'; zero 4; wheels 3"):
        parse_fit({"engine": "jax", "zero": 4, "wheels": 3})


def test_plain_torch_has_no_stages() -> None:
    with pytest.raises(OwnerMustAct, match="no ZeRO stages"):
        parse_fit({"engine": "torch", "zero": 3})
