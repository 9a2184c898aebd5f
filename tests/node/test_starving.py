"""What fits is found out, and running out of memory answered, with the real trainer in real processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from node import fitting
from node.home import Settings
from node.ranks import Bench
from shared.blobs import Blobs
from shared.ids import Digest, RunId
from shared.job import Job, dump
from shared.models import fresh
from shared.models.trainables import initial, trainables
from shared.models.vocabulary import BYTE_WORDS, save_byte_tokenizer
from shared.rpc.v1 import node_pb2 as pb
from tests.node import homes
from tests.node.fake_coordinator import FakeCoordinator
from tests.node.train.room import KEY, ODD_LLAMA, Room, make_job, make_room, make_text

pytestmark = pytest.mark.slow
RUN = RunId("saturday-notes-k3f9qa")
REPOSITORY = Path(__file__).resolve().parents[2]
# Activations of one sequence of 256 tokens take about 46 MB: (36 x 256 + 8 x 256 + 16 x 704) bytes, 8 layers.
WIDE = {
    **ODD_LLAMA, "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 8, "num_attention_heads": 4,
    "num_key_value_heads": 4, "head_dim": 64, "vocab_size": BYTE_WORDS,
}  # fmt: skip
ROOM = 330 << 20  # bytes: more than weights, Adam's state and four sequences need, less than eight do


def find(room: Room, home: Path, memory: int) -> tuple[fitting.Found, list[str]]:
    """The fit on a PC that gives so many bytes to training, and whether it was said that it takes a moment."""
    said: list[str] = []
    bench = Bench(room.folder / "runs")
    (room.folder / "runs").mkdir(exist_ok=True)
    if not bench.base.exists():
        bench.base.symlink_to(room.base)
    wanted = Settings(ranks=1, threads=1, memory=memory)
    return asyncio.run(fitting.find(home, bench, wanted, room.job, 0, lambda: said.append("moment"))), said


def test_what_fits_is_tried_once_and_remembered(tmp_path: Path) -> None:
    room = make_room(tmp_path)
    home = tmp_path / "node"
    (home / "data").mkdir(parents=True)
    (home / "data" / "prose").symlink_to(room.data)
    memory = 700 << 20
    found, said = find(room, home, memory)
    assert said == ["moment"]
    assert found.fit.micro_batch in (1, 2, 4)
    assert found.sentence.endswith("of 0.7 GB free, measured")
    [fits] = json.loads((home / "fits.json").read_bytes()).values()
    [peaks] = fits.values()
    assert all(200 << 20 < peak < memory for peak in peaks.values())
    again, said = find(room, home, memory)
    assert (again, said) == (found, [])
    plenty, said = find(room, home, 8 << 30)
    assert said == [], "an estimate far below the limit is believed"
    assert plenty.fit.engine == "torch"


def test_a_run_that_is_too_large_is_refused_in_words(tmp_path: Path) -> None:
    room = make_room(tmp_path)
    with pytest.raises(fitting.TooLarge, match=r"^This PC has 0\.2 GB free; the run needs at least 0\.5 GB there"):
        find(room, tmp_path, 200 << 20)


def test_a_trainer_that_runs_out_of_memory_starts_with_less_and_the_round_closes(tmp_path: Path) -> None:
    async def story() -> None:
        async with FakeCoordinator(tmp_path / "host").up() as host:
            home = homes.joined(tmp_path / "ana" / "node", host)
            job, model = _run(tmp_path, home, host.blobs)
            words = {"trainer": "tests.node.starving_trainer", "ranks": 1, "threads": 1, "micro_batch": 8}
            (home / "settings.json").write_text(json.dumps({**words, "engine": "torch", "dtype": "fp32"}))
            work = home / "runs" / RUN / "work"
            work.mkdir(parents=True)
            (work / "room").write_text(str(ROOM))
            host.tell(pb.Duty(kind=pb.Duty.KIND_TRAIN, run=RUN, round=1, rounds=1, job=job, model=model))
            with _agent(home) as screen:
                await homes.until(lambda: host.updates, 240, screen.read_text)
                status = homes.status(home)
                said = screen.read_text()
            update = host.updates[RUN, 1]
            assert (update.share, update.steps, update.tokens) == (1.0, 1, 8 * 256)
            assert status["cuts"] in (1, 2, 3)
            assert said.count("there was not enough memory; starting again with less") == status["cuts"]
            assert "the trainer failed" not in said

    asyncio.run(story())


def _run(folder: Path, home: Path, blobs: Blobs) -> tuple[Digest, Digest]:
    """A run of one round of one step, its files among the host's blobs, its text on this PC: job and first model."""
    (folder / "wide").mkdir()
    save_byte_tokenizer(folder / "wide")
    (folder / "wide" / "config.json").write_text(json.dumps(WIDE))
    base = folder / "base"
    base.mkdir()
    fresh.make_from_config(folder / "wide" / "config.json", base)
    (home / "data").mkdir()
    (home / "pki" / "group.key").write_bytes(KEY)
    make_text(folder).rename(home / "data" / "prose")
    files = {path.name: homes.keep(blobs, path.read_bytes()) for path in base.iterdir()}
    tensors = trainables(WIDE, {"kind": "full"})
    job = make_job(tensors, None, sequence=256, batch=8 * 256, steps=1, rounds=1, files=files)
    job = replace(job, run=RUN)
    room = Room(folder, base, home / "data" / "prose", job)
    room.write(room.model, dict(initial(base, {"kind": "full"}, tensors, seed=1)))
    return _put(blobs, job), homes.keep(blobs, room.model.read_bytes())


def _put(blobs: Blobs, job: Job) -> Digest:
    return homes.keep(blobs, dump(job))


@contextmanager
def _agent(home: Path) -> Iterator[Path]:
    """The real agent; yields what it shows."""
    screen = home / "screen.txt"
    environment = {**os.environ, "POTLUCK_HOME": str(home.parent), "POTLUCK_CACHE": str(home.parent / "cache")}
    with open(screen, "ab") as log:
        agent = subprocess.Popen(
            [sys.executable, "-m", "node", "run"], env=environment, cwd=REPOSITORY, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield screen
    finally:
        agent.terminate()
        try:
            agent.wait(30)
        finally:
            agent.kill()
            agent.wait()
