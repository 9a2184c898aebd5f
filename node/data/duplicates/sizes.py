"""How much is kept of a document: what the compiled loop, the signatures and the index must agree on."""

from __future__ import annotations

WORDS = 5  # in a shingle
BANDS, ROWS, PER_ROW = 16, 6, 5  # 16 bands find 99 % of the pairs at the threshold, and few far below it
BINS = BANDS * ROWS * PER_ROW
