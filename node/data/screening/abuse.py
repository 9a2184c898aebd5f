"""alt-profanity-check's scores, computed from its numbers: a linear model over English words.

Its own `predict_prob` goes at 6 MB/s over many texts and at 0.02 MB/s over one. The arithmetic here is the same (a test
compares them) and needs no scikit-learn once the numbers are read.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from node.data.screening.tally import counted

Floats = NDArray[np.float64]

_NEXT, _UNKNOWN = -2, -1
_BITS = np.uint64(20)  # room for the number of a word
_MASK = np.uint64((1 << 20) - 1)


class Abuse:
    """Scores between 0 and 1: how likely a text is abusive, to a model of English words."""

    def __init__(
        self, vocabulary: dict[str, int], rarity: Floats, weights: Floats, shifts: Floats, curves: Floats
    ) -> None:
        """`weights`: (words, models); `shifts`: (models,); `curves`: (models, 2), each model's logistic curve."""
        self._vocabulary = {**vocabulary, "\0": _NEXT}
        self._rarity, self._weights, self._shifts, self._curves = rarity, weights, shifts, curves

    def scores(self, words: Sequence[str], texts: int) -> Floats:
        """One score for each of `texts` texts, given the words of all in lower case with a NUL between texts."""
        number = self._vocabulary.get
        ids = np.fromiter([number(word, _UNKNOWN) for word in words], np.int64, len(words))
        known = np.flatnonzero(ids >= 0)
        if not len(known):
            return np.full(texts, self._mean(self._shifts))
        text = np.cumsum(ids == _NEXT)[known].astype(np.uint64)
        keys, times = counted((text << _BITS) | ids[known].astype(np.uint64))
        row, word = keys >> _BITS, keys & _MASK
        values = times * self._rarity[word]
        first = np.append(0, np.flatnonzero(row[1:] != row[:-1]) + 1)  # where each text with known words begins
        length = np.sqrt(np.add.reduceat(values**2, first))
        margins = np.add.reduceat(self._weights[word] * values[:, None], first) / length[:, None] + self._shifts
        scores = np.full(texts, self._mean(self._shifts))
        scores[row[first]] = self._mean(margins)
        return scores

    def _mean(self, margins: Floats) -> Floats:
        """The mean probability of the models, from their margins: (..., models) to (...)."""
        slope, offset = self._curves.T
        return np.asarray((1 / (1 + np.exp(slope * margins + offset))).mean(-1))


@cache
def model() -> Abuse:
    """alt-profanity-check's model. Importing scikit-learn for it takes about two seconds, once a process.

    The wheel's model is a joblib file, that is, a pickle: it is read from the package as installed on this PC, never
    from a network, and is as trustworthy as the package's code. Only its arrays are used, so a scikit-learn of another
    version than the one that wrote it, of which it would warn, does no harm.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from profanity_check import profanity_check

        vectorizer, parts = profanity_check.vectorizer, profanity_check.model.calibrated_classifiers_
    return Abuse(
        {word: int(number) for word, number in vectorizer.vocabulary_.items()},
        np.asarray(vectorizer.idf_),
        np.array([part.estimator.coef_[0] for part in parts]).T.copy(),
        np.array([part.estimator.intercept_[0] for part in parts]),
        np.array([(part.calibrators[0].a_, part.calibrators[0].b_) for part in parts]),
    )
