"""Where the training on this PC stands, so that a crash costs minutes: Adam's state and the place in the text.

    checkpoint/round-000012/   after round 12: what round 13 starts from (the last two are kept)
    checkpoint/middle/         in the middle of a round: the weights, too

Each holds `rank-R-of-W.safetensors` and, written last, `place.json`; they never leave this PC. The weights between
rounds come from the run; Adam's state is this PC's own. It is used again only for the same job, engine and number of
ranks; otherwise Adam starts fresh.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from node.train import weights
from node.train.engine import Engine
from node.train.ranks import Ranks
from shared.disk import private_folder, write
from shared.ids import Digest
from shared.job import Job

KEPT = 2


@dataclass(frozen=True, slots=True)
class Place:
    """How far this PC is, within `round` and within its text."""

    round: int
    started_from: Digest  # the model this round began with
    cursor: int = 0  # tokens read, over the whole run
    run_steps: int = 0  # optimizer steps, over the whole run
    steps: int = 0  # of them in this round
    seconds: float = 0.0  # spent training in this round
    loss: float = 0.0  # summed over this round's steps
    gradient_norm: float = 0.0  # the same

    def stepped(self, tokens: int, seconds: float, loss: float, gradient_norm: float) -> Place:
        return replace(
            self, cursor=self.cursor + tokens, run_steps=self.run_steps + 1, steps=self.steps + 1,
            seconds=self.seconds + seconds, loss=self.loss + loss, gradient_norm=self.gradient_norm + gradient_norm,
        )  # fmt: skip


class Checkpoints:
    """The checkpoints of one job. Every method is collective."""

    def __init__(self, folder: Path, job: bytes, engine: str, ranks: Ranks) -> None:
        self._folder, self._ranks = folder, ranks
        self._owner = {"job": weights.text_digest(job), "engine": engine, "world": ranks.world}
        self._in_memory: int | None = None  # the round whose end the engine's optimizer is at

    def start(self, round_number: int, model: Path, digest: Digest, engine: Engine, job: Job) -> Place:
        """Bring weights and Adam to where this round begins, or to where it was interrupted."""
        self._ranks.wait()
        middle = self._read(self._folder / "middle")
        if middle is not None and (middle["round"], middle["started_from"]) == (round_number, digest):
            engine.load_weights(weights.read(self._folder / "middle" / "weights.safetensors", job))
            if self._load(self._folder / "middle", engine):
                return _place(middle)
        engine.load_weights(weights.read(model, job))
        latest = max((n for n in self._finished() if n < round_number), default=None)
        before = self._read(self._round(latest)) if latest is not None else None
        if before is None:
            self.forget(engine)
            return Place(round_number, digest)
        assert latest is not None
        if self._in_memory != latest:
            self._load(self._round(latest), engine)
        self._in_memory = None
        return Place(round_number, digest, cursor=before["cursor"], run_steps=before["run_steps"])

    def finish(self, place: Place, engine: Engine) -> None:
        """The round is over; its update will be written next."""
        self._write(self._round(place.round), place, engine)
        self._in_memory = place.round
        if self._ranks.leads:
            shutil.rmtree(self._folder / "middle", ignore_errors=True)
            for old in sorted(self._finished())[:-KEPT]:
                shutil.rmtree(self._round(old), ignore_errors=True)

    def interrupt(self, place: Place, engine: Engine, job: Job) -> None:
        """Keep the middle of a round."""
        folder = self._folder / "middle"
        if self._ranks.leads:
            (folder / "place.json").unlink(missing_ok=True)
            weights.write(folder / "weights.safetensors", job, "fp32", engine.read_weights())
        else:
            weights.take_part(engine.read_weights())
        self._write(folder, place, engine)

    def forget(self, engine: Engine) -> None:
        """Adam starts fresh, and what is in memory belongs to no round."""
        engine.forget()
        self._in_memory = None

    def _write(self, folder: Path, place: Place, engine: Engine) -> None:
        private_folder(folder)
        engine.save_optimizer(folder / self._part)
        self._ranks.wait()
        if self._ranks.leads:
            write(folder / "place.json", json.dumps({**self._owner, **asdict(place)}).encode())

    def _load(self, folder: Path, engine: Engine) -> bool:
        try:
            engine.load_optimizer(folder / self._part)
            failed = 0.0
        except (ValueError, OSError):
            failed = 1.0
        if self._ranks.total([failed])[0]:
            engine.forget()
            return False
        return True

    def _read(self, folder: Path) -> dict[str, Any] | None:
        """What place.json says, when it is ours."""
        try:
            words: dict[str, Any] = json.loads((folder / "place.json").read_text())
        except (OSError, ValueError):
            return None
        return words if {key: words.get(key) for key in self._owner} == self._owner else None

    def _finished(self) -> list[int]:
        return [int(folder.name[6:]) for folder in self._folder.glob("round-*") if (folder / "place.json").exists()]

    def _round(self, number: int) -> Path:
        return self._folder / f"round-{number:06d}"

    @property
    def _part(self) -> str:
        return f"rank-{self._ranks.rank}-of-{self._ranks.world}.safetensors"


def _place(words: dict[str, Any]) -> Place:
    return Place(**{name: words[name] for name in Place.__dataclass_fields__})
