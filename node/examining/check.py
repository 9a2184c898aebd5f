"""One thing that was looked at, and what was seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    hop: str
    fine: bool | None  # None: could not be looked at, or is only worth knowing
    sentence: str

    def __str__(self) -> str:
        return f"  {'ok  ' if self.fine else '----' if self.fine is None else 'FAIL'}  {self.hop:<12} {self.sentence}"

    def as_words(self) -> dict[str, object]:
        return {"hop": self.hop, "fine": self.fine, "sentence": self.sentence}
