"""Where the training on this PC stands, so that a crash costs minutes: Adam's state and how far the round is.

    checkpoint/round-000012/               after round 12: what round 13 starts from
    checkpoint/round-000013-step-00000400/ in the middle of round 13: the weights, too

Of each kind the last two are kept; they never leave this PC. A folder is filled under another name, flushed and then
renamed, so what bears its name is whole; `place.json` names each file's digest, and one that rotted on the disk is not
used: the one before is, and the owner is told. The weights between rounds come from the run; Adam's state is this
PC's own, and any engine on any number of cards goes on from it (`engine.moments`).

Random numbers need no state here: every step draws them anew from its place in the text (`dropout.seed`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from node.train import weights
from node.train.engine import Engine
from node.train.ranks import Ranks
from shared.blobs import digest_of
from shared.disk import private_folder, sync_folder, write
from shared.errors import OwnerMustAct
from shared.ids import Digest
from shared.job import Job

KEPT = 2
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Place:
    """How far this PC is, within `round` and within its text."""

    round: int
    started_from: Digest  # the model this round began with
    run_steps: int = 0  # optimizer steps, over the whole run
    steps: int = 0  # of them in this round
    seconds: float = 0.0  # spent training in this round
    loss: float = 0.0  # summed over this round's steps
    gradient_norm: float = 0.0  # the same
    skipped: int = 0  # steps of this round that were not learnt from
    skipped_in_a_row: int = 0
    tokens: int = 0  # predicted in this round by the steps that were learnt from
    text: dict[str, Any] = field(default_factory=dict)  # in the middle of a round: what it has read (feed.py)

    @property
    def read(self) -> int:
        """Steps of this round whose text was read, whether something was learnt or not."""
        return self.steps + self.skipped

    def stepped(self, tokens: int, seconds: float, loss: float, gradient_norm: float) -> Place:
        return replace(
            self, tokens=self.tokens + tokens, run_steps=self.run_steps + 1, steps=self.steps + 1,
            seconds=self.seconds + seconds, loss=self.loss + loss, gradient_norm=self.gradient_norm + gradient_norm,
            skipped_in_a_row=0,
        )  # fmt: skip

    def without(self, seconds: float) -> Place:
        """The text was read, but nothing was learnt from it."""
        return replace(
            self, seconds=self.seconds + seconds, skipped=self.skipped + 1,
            skipped_in_a_row=self.skipped_in_a_row + 1,
        )  # fmt: skip


class Checkpoints:
    """The checkpoints of one job. Every method is collective. `say` tells the owner a sentence."""

    def __init__(self, folder: Path, job: bytes, ranks: Ranks, say: Callable[[str], None]) -> None:
        self._folder, self._ranks, self._say = folder, ranks, say
        self._job = weights.text_digest(job)
        self._live: Place | None = None  # the end of a round that the engine's optimizer is still at

    def start(self, round_number: int, model: Path, digest: Digest, engine: Engine, job: Job) -> Place:
        """Bring weights and Adam to where this round begins, or to where it was interrupted."""
        self._ranks.wait()
        for folder in self._folders(f"round-{round_number:06d}-step-*"):
            middle = self._read(folder)
            if middle is not None and middle["started_from"] == digest and self._sound(folder, middle):
                engine.load_weights(weights.read(folder / WEIGHTS, job))
                if not self._load(folder, middle, engine):
                    engine.forget()
                self._live = None
                return _place(middle)
        engine.load_weights(weights.read(model, job))
        before = self._before(round_number, engine)
        self._live = None
        if before is None:
            return Place(round_number, digest)
        return Place(round_number, digest, run_steps=before.run_steps)

    def finish(self, place: Place, engine: Engine) -> None:
        """The round is over; its update will be written next."""
        self._live = place
        if self._write(self._folder / f"round-{place.round:06d}", place, engine, None):
            self._prune("round-*-step-*", 0)
            self._prune("round-??????", KEPT)

    def interrupt(self, place: Place, engine: Engine, job: Job) -> None:
        """Keep the middle of a round."""
        if self._write(self._folder / f"round-{place.round:06d}-step-{place.steps:08d}", place, engine, job):
            self._prune("round-*-step-*", KEPT)

    def forget(self, engine: Engine) -> None:
        """Adam starts fresh, and what is in memory belongs to no round."""
        engine.forget()
        self._live = None

    def _before(self, round_number: int, engine: Engine) -> Place | None:
        """The place after the last round before this one, and Adam as it was then: from memory, or the newest sound
        checkpoint. How many steps the run has is the newest that can be read."""
        if self._live is not None and self._live.round < round_number:
            return self._live
        newest: Place | None = None
        for folder in self._folders("round-??????"):
            words = self._read(folder)
            if words is None or words["round"] >= round_number:
                continue
            newest = newest or _place(words)
            if self._sound(folder, words) and self._load(folder, words, engine):
                return newest
        engine.forget()
        return newest

    def _write(self, folder: Path, place: Place, engine: Engine, job: Job | None) -> bool:
        """Write and rename; with `job` the weights, too. A disk without room costs this checkpoint, not the round."""
        beside = folder.with_name(f".{folder.name}.new")
        if self._ranks.leads:
            for old in self._folder.glob(".*.new"):
                shutil.rmtree(old, ignore_errors=True)
            private_folder(beside)
        self._ranks.wait()
        trouble = ""
        digests: dict[str, Digest | None] = {}
        try:
            digests[self._part(self._ranks.rank)] = engine.save_optimizer(beside / self._part(self._ranks.rank))
        except (OwnerMustAct, OSError) as error:
            trouble = _why(error)
        whole = engine.read_weights() if job is not None else iter(())
        try:
            if job is not None and self._ranks.leads:
                digests[WEIGHTS] = weights.write(beside / WEIGHTS, job, "fp32", whole)
        except (OwnerMustAct, OSError) as error:
            trouble = _why(error)
        weights.take_part(whole)  # the other ranks; and what a full disk left unread, for they wait for us there
        digests |= self._told(digests.get(self._part(self._ranks.rank)))
        if self._ranks.leads and not trouble and None not in digests.values():
            try:
                files = {"files": digests, "job": self._job, "engine": engine.name}
                words = json.dumps(files | asdict(place), sort_keys=True)
                write(beside / "place.json", (words + "\n" + _digest(words)).encode())
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(beside, folder)
                sync_folder(self._folder)
            except (OwnerMustAct, OSError) as error:
                trouble = _why(error)
        failed = float(bool(trouble)) + float(None in digests.values())
        if self._ranks.total([failed])[0]:
            if self._ranks.leads:
                shutil.rmtree(beside, ignore_errors=True)
                self._say(
                    f"The checkpoint after step {place.steps} of round {place.round} could not be kept; the one "
                    f"before it stays, and training goes on. {trouble}".rstrip()
                )
            return False
        return True

    def _told(self, mine: Digest | None) -> dict[str, Digest | None]:
        """Each rank's file and its digest, on every rank; None for a rank that could not write its file."""
        told = self._ranks.each([float(mine is not None), *bytes.fromhex(mine or "00" * 32)])
        return {
            self._part(rank): Digest(bytes(map(int, digest)).hex()) if written else None
            for rank, (written, *digest) in enumerate(told)
        }

    def _sound(self, folder: Path, words: dict[str, Any]) -> bool:
        """Whether every file is, byte for byte, the one that was written. The ranks share the reading."""
        wrong = 0
        for name, digest in sorted(words["files"].items())[self._ranks.rank :: self._ranks.world]:
            try:
                wrong += digest_of(folder / name) != digest
            except OSError:
                wrong += 1
        if not self._ranks.total([float(wrong)])[0]:
            return True
        self._tell_damage(folder)
        return False

    def _load(self, folder: Path, words: dict[str, Any], engine: Engine) -> bool:
        paths = [folder / name for name in sorted(words["files"]) if name != WEIGHTS]
        try:
            engine.load_optimizer(paths)
            why = ""
        except (ValueError, OSError) as error:
            why = str(error)
        if not self._ranks.total([float(bool(why))])[0]:
            return True
        if self._ranks.leads:
            self._say(f"Adam's state of {folder.name} could not be used, so it starts fresh: {why}.")
        return False

    def _read(self, folder: Path) -> dict[str, Any] | None:
        """What place.json says, when it is of this job and undamaged."""
        try:
            text, _, digest = (folder / "place.json").read_text().partition("\n")
        except (OSError, ValueError):
            text, digest = "", ""
        if digest != _digest(text):
            self._tell_damage(folder)
            return None
        words: dict[str, Any] = json.loads(text)
        return words if words.get("job") == self._job else None

    def _tell_damage(self, folder: Path) -> None:
        if self._ranks.leads:
            self._say(f"The checkpoint {folder} is damaged on this disk; training goes on from the one before it.")

    def _folders(self, pattern: str) -> Sequence[Path]:
        """Newest first."""
        return sorted((path for path in self._folder.glob(pattern)), reverse=True)

    def _prune(self, pattern: str, kept: int) -> None:
        if self._ranks.leads:
            for old in self._folders(pattern)[kept:]:
                shutil.rmtree(old, ignore_errors=True)

    def _part(self, rank: int) -> str:
        return f"rank-{rank}-of-{self._ranks.world}.safetensors"


def _place(words: dict[str, Any]) -> Place:
    return Place(**{name: words[name] for name in Place.__dataclass_fields__})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _why(error: OSError | OwnerMustAct) -> str:
    return error.sentence if isinstance(error, OwnerMustAct) else f"{error.strerror or error}."
