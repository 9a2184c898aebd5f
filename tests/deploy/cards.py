"""The table in docs/cards.md: which fit each card gets for each example, by the node's own choosing.

`python -m tests.deploy.cards` prints it; a test compares it with the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from coordinator import runfile
from node.logic.fit import in_words
from node.logic.fitting import Rung, Wanted, choose, gigabytes, rungs
from node.logic.memory import GIB, Place, Step
from node.logic.model import Model

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
DESKTOP = 0.5  # GiB of a card that the screen has
MAIN = 26.0  # GiB free of 32
CARDS = {
    "8 GB": (8, 1),
    "12 GB": (12, 1),
    "16 GB": (16, 1),
    "24 GB": (24, 1),
    "2 x 12 GB": (12, 2),
    "2 x 24 GB": (24, 2),
}
# layers, width, feed-forward, keys, words, tied
SIZES = {
    "1b-full": (24, 2048, 4096, 2048, 32000, True),
    "1b-lora": (24, 2048, 4096, 2048, 32000, True),
    "7b-qlora": (32, 4096, 11008, 4096, 32000, False),
    "125m-scratch": (12, 768, 2048, 768, 32000, True),
    "saturday-notes": (30, 576, 1536, 192, 49152, True),
}


def rows() -> Iterator[str]:
    """Markdown; cards that get the same stand in one line."""
    yield "| run | card | fit | memory of each card | main memory |"
    yield "|---|---|---|---|---|"
    for name in SIZES:
        lora = recipe(name) == "lora"
        for told, same in groupby(places(), key=lambda there: told_of(fitted(name, there[1]), there[1], lora)):
            yield f"| {name} | {', '.join(card for card, _ in same)} | {' | '.join(told)} |"


def told_of(found: Rung | None, place: Place, lora: bool) -> tuple[str, str, str]:
    """The fit in words, and what it needs on the card and in main memory."""
    if found is None:
        return "does not fit", "", ""
    on_card, beside = gigabytes(found.needs.card_bytes), gigabytes(found.needs.main_bytes)
    where = (on_card, beside if found.needs.main_bytes else "") if place.on_card else ("", on_card)
    return in_words(found.fit, lora), *where


def places() -> Iterator[tuple[str, Place]]:
    for name, (size, count) in CARDS.items():
        yield name, Place(True, int((size - DESKTOP) * GIB), int(MAIN * GIB), count, "bf16")
    yield "none", Place(False, int(MAIN * GIB), int(MAIN * GIB), 1, "bf16")


def fitted(name: str, place: Place) -> Rung | None:
    layers, width, inner, keys, words, tied = SIZES[name]
    model = Model(layers, width, inner, keys, words, gated=True, tied=tied, trainable=0, adapters=0)
    spec = runfile.require((EXAMPLES / f"{name}.yaml").read_text(), name)
    rank = spec["recipe"].get("rank")
    model = model.with_rank(rank) if rank else replace(model, trainable=model.parameters)
    sequences = -(-spec["batch"] // spec["sequence"] // place.world)
    step = Step(spec["sequence"], sequences, smoothing=spec["label_smoothing"] > 0, dropout=spec["dropout"] > 0)
    return choose(rungs(model, step, place, Wanted()))


def recipe(name: str) -> str:
    return str(runfile.require((EXAMPLES / f"{name}.yaml").read_text(), name)["recipe"]["kind"])


if __name__ == "__main__":
    print("\n".join(rows()))
