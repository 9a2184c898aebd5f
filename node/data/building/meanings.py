"""The words beside a name in the report: each room explains its own."""

from __future__ import annotations

from collections.abc import Iterable

from node.data.cleaning.meanings import MEANINGS as OF_CLEANING
from node.data.privacy.kinds import MEANINGS as OF_PRIVACY
from node.data.screening.toxicity import MEANINGS as OF_SCREENING

_ALL: dict[str, str] = {**OF_CLEANING, **{str(kind): words for kind, words in OF_PRIVACY.items()}, **OF_SCREENING}


def meanings(names: Iterable[str]) -> dict[str, str]:
    """Those of the names that need words, with them."""
    found = {name: _ALL.get(name) or _ALL.get(name.partition(": ")[0], "") for name in names}
    scored = {name: "taken for abuse by the model" for name in found if name.endswith(" or more")}
    return {name: words for name, words in {**found, **scored}.items() if words}
