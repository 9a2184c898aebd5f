"""Text that tests of several rules need."""

from __future__ import annotations

# English enough for the language model, yet a heap of words and no sentence.
KEY_WORDS = (
    "cheap holiday flights hotel booking discount travel insurance car rental beach resort family package deals summer "
    "winter skiing adventure cruise luxury budget accommodation airport transfer sightseeing museum tickets restaurant "
    "reviews weather forecast currency exchange passport visa requirements luggage allowance breakfast included "
    "pool wireless internet parking pets allowed children discount students seniors groups corporate events weddings"
)
