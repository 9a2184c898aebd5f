"""The fast ways of normalising and deciding give what the plain ones give."""

from __future__ import annotations

import hashlib
import hmac

import xxhash
from hypothesis import given
from hypothesis import strategies as st

from node.data import heldout
from node.data.heldout import LONG, ONE_IN, RUN, are_held_out, is_short, normalised

KEY = b"k" * 32
texts = st.text(st.sampled_from("abcXYZ019 _-.,\n\t\x00\x07\x0b\x1f\x7f@é日本ßﬁ\u200b") | st.characters(), max_size=300)


@given(texts)
def test_ascii_is_normalised_as_everything_else_is(text: str) -> None:
    text = text.encode("ascii", "ignore").decode()
    plain = heldout._MENTION.sub(" ", text)
    plain = heldout._BETWEEN.sub(" ", heldout._UNSEEN.sub("", plain)).strip().lower()
    assert normalised(text) == plain


@given(texts)
def test_the_deciding_run_is_found_word_by_word(text: str) -> None:
    words = normalised(text * 3)
    found = heldout._WORD.findall(words)
    spans = [match.span() for match in heldout._WORD.finditer(words)]
    deciding = words
    if len(found) >= LONG:
        runs = [words[spans[at][0] : spans[at + RUN - 1][1]] for at in range(len(spans) - RUN + 1)]
        deciding = min(runs, key=lambda run: xxhash.xxh3_64_intdigest(run.encode(), heldout._seed(KEY)))
    mac = hmac.digest(KEY, deciding.encode(), hashlib.sha256)
    assert are_held_out(KEY, words) == (not is_short(words) and int.from_bytes(mac, "big") % ONE_IN == 0)
