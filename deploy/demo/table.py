"""What the demo says at its end: the table, the sentence about who gained, and `result.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from shared.disk import size_words


@dataclass(frozen=True, slots=True)
class Outcome:
    """One friend's figures, in bits per byte on their own held-out text (lower is better), and payload bytes."""

    name: str
    before: float
    alone: float
    together: float
    bytes_up: int
    bytes_down: int
    own: float | None = None  # the control: three PCs on this friend's text only

    @property
    def gain(self) -> float:
        """How much better together is than alone, in bits per byte; negative for a loser."""
        return self.alone - self.together


def show(console: Console, outcomes: list[Outcome], alone_best: dict[str, str]) -> None:
    """The table and its two sentences."""
    controls = any(outcome.own is not None for outcome in outcomes)
    table = Table(title="Bits per byte on each friend's own held-out text (lower is better)", title_justify="left")
    table.add_column("friend")
    for column in (
        "before",
        "alone, at its best",
        "together",
        *(["3 PCs, own text only"] if controls else []),
        "gained",
        "sent",
        "received",
    ):
        table.add_column(column, justify="right")
    for o in outcomes:
        own = [f"{o.own:.3f}" if o.own is not None else "-"] if controls else []
        style = "green" if o.gain > 0.0005 else "red" if o.gain < -0.0005 else ""
        table.add_row(
            o.name, f"{o.before:.3f}", f"{o.alone:.3f} ({alone_best[o.name]})", f"[bold]{o.together:.3f}[/bold]", *own,
            f"[{style}]{o.gain:+.3f}[/{style}]" if style else f"{o.gain:+.3f}",
            size_words(o.bytes_up), size_words(o.bytes_down),
        )  # fmt: skip
    own = [f"{mean([o.own for o in outcomes if o.own is not None]):.3f}"] if controls else []
    total = [size_words(sum(o.bytes_up for o in outcomes)), size_words(sum(o.bytes_down for o in outcomes))]
    table.add_section()
    table.add_row(
        "mean", f"{mean([o.before for o in outcomes]):.3f}", f"{mean([o.alone for o in outcomes]):.3f}",
        f"[bold]{mean([o.together for o in outcomes]):.3f}[/bold]", *own,
        f"{mean([o.gain for o in outcomes]):+.3f}", *total,
    )  # fmt: skip
    console.print(table)
    console.print(verdict(outcomes))


def verdict(outcomes: list[Outcome]) -> str:
    """Who gained, who lost, by how much; and what the figures do not say."""
    winners = [f"{o.name} by {o.gain:.3f}" for o in outcomes if o.gain > 0.0005]
    losers = [f"{o.name} by {-o.gain:.3f}" for o in outcomes if o.gain < -0.0005]
    even = [o.name for o in outcomes if abs(o.gain) <= 0.0005]
    parts = [f"Gained over training alone: {', '.join(winners) or 'nobody'}."]
    if losers:
        parts.append(f"Lost: {', '.join(losers)}.")
    if even:
        parts.append(f"No difference: {', '.join(even)}.")
    better = mean([o.together for o in outcomes]) < mean([o.alone for o in outcomes])
    parts.append(
        "On average the group did better than its members alone."
        if better
        else "On average the group did WORSE than its members alone."
    )
    parts.append(
        "Same evening, more PCs: each friend's PC took as many steps alone as in the group; "
        "the group took them side by side."
    )
    if any(o.own is not None for o in outcomes):
        parts.append("The control shows what three PCs reach on one friend's text only.")
    return " ".join(parts)


def write_result(path: Path, outcomes: list[Outcome], seconds: float, model: str) -> None:
    friends: list[dict[str, Any]] = []
    for outcome in outcomes:
        row = asdict(outcome)
        if row["own"] is None:
            del row["own"]
        friends.append(row)
    path.write_text(json.dumps({"friends": friends, "seconds": round(seconds, 1), "model": model}, indent=1) + "\n")


def mean(values: list[float]) -> float:
    return sum(values) / len(values)
