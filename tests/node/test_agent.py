"""The real agent in its own process, with a real (trivial) trainer, against a coordinator; killed where it hurts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from node import owner, showing
from shared import job
from shared.blobs import CHUNK
from shared.codec import safe
from shared.ids import Digest, RunId
from shared.job import Job, TensorSpec
from shared.rpc.v1 import node_pb2 as pb
from tests.node import homes
from tests.node.fake_coordinator import FakeCoordinator

RUN = RunId("saturday-notes-k3f9qa")
REPOSITORY = Path(__file__).resolve().parents[2]
TENSORS = (TensorSpec("w", (4000,)),)
NOW = datetime(2026, 11, 24, 21, 4, tzinfo=UTC)
ACCEPTED, COUNTED = pb.VerdictReply.VERDICT_ACCEPTED, pb.VerdictReply.VERDICT_COUNTED


class Stage:
    """A coordinator with a job ready, one joined PC with data, and the means to run and kill its agent."""

    def __init__(self, host: FakeCoordinator, home: Path) -> None:
        self.host, self.home = host, home
        self.work = home / "runs" / RUN / "work"
        self.work.mkdir(parents=True)
        (home / "settings.json").write_text(json.dumps({"trainer": "tests.node.trivial_trainer", "ranks": 1}))
        notes = home / "data" / "notes"
        notes.mkdir(parents=True)
        (notes / "meta.json").write_text(json.dumps({"name": "notes", "documents": 3, "bytes": 99, "tokens": 20}))
        self.model = model(host, 1)
        config = host.blobs.put(b'{"model_type": "llama"}')
        weights = homes.keep(host.blobs, b"w" * (3 * CHUNK))
        self.job = host.blobs.put(job.dump(_job({"config.json": config, "model.safetensors": weights})))
        self._agents: list[subprocess.Popen[bytes]] = []

    def start_agent(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ, "POTLUCK_HOME": str(self.home.parent), "POTLUCK_CACHE": str(self.home.parent / "cache"),
        }  # fmt: skip
        with open(self.home / "screen.txt", "ab") as log:
            agent = subprocess.Popen(
                [sys.executable, "-m", "node", "run"], env=environment, cwd=REPOSITORY, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip
        self._agents.append(agent)
        return agent

    def kill_all(self) -> None:
        for agent in self._agents:
            if agent.poll() is None:
                agent.kill()
                agent.wait()

    def duty(self, number: int = 1, kind: pb.Duty.Kind.ValueType = pb.Duty.KIND_TRAIN, model: str = "") -> pb.Duty:
        return pb.Duty(kind=kind, run=RUN, round=number, rounds=3, job=self.job, model=model or self.model)

    async def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        await homes.until(condition, seconds, lambda: self.log)

    @property
    def screen(self) -> str:
        """What the owner sees."""
        return (self.home / "screen.txt").read_text() if (self.home / "screen.txt").exists() else ""

    @property
    def log(self) -> str:
        """That, and all that the log file keeps."""
        kept = self.home / "log" / "agent.log"
        return self.screen + (kept.read_text() if kept.exists() else "")

    def trainers(self) -> list[int]:
        """Process ids of this home's trainers that are alive."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
                if "trivial_trainer" in line and str(self.work) in line:
                    found.append(int(entry.name))
        return found


def model(host: FakeCoordinator, value: float) -> Digest:
    """A model of the run, among the host's blobs."""
    out = host.blobs.root / "partial" / "model"
    safe.write(out, [("w", np.full(TENSORS[0].shape, value, np.float32))], safe.layout(TENSORS, "fp32"))
    return host.blobs.adopt(out)


def _job(files: dict[str, Digest]) -> Job:
    return Job(
        run=RUN, name="saturday-notes", rounds=3, base="tiny", files=files, lora=None, lora_alpha=0,
        tensors=TENSORS, sequence=8, batch=8, steps=4, seconds=None, lr=0.1, schedule="constant",
        warmup=0.0, betas=(0.9, 0.95), weight_decay=0.0, clip=1.0, update="difference", codec="fp32",
    )  # fmt: skip


def on_stage(tmp_path: Path, act: Callable[[Stage], Awaitable[None]]) -> None:
    async def run() -> None:
        async with FakeCoordinator(tmp_path / "host").up() as host:
            stage = Stage(host, homes.joined(tmp_path / "ana" / "node", host))
            with _killing(stage):
                await act(stage)

    asyncio.run(run())


@contextlib.contextmanager
def _killing(stage: Stage) -> Iterator[None]:
    try:
        yield
    finally:
        stage.kill_all()


def test_a_whole_round(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        host = stage.host
        host.tell(stage.duty())
        agent = stage.start_agent()
        await stage.until(lambda: host.updates)
        update = host.updates[RUN, 1]
        assert (update.model, update.share, update.steps, update.tokens) == (stage.model, 1.0, 4, 32)
        merged = model(host, 2)
        host.close_round(RUN, 1, COUNTED)
        host.tell(stage.duty(1, pb.Duty.KIND_EVALUATE, merged), stage.duty(2, model=merged))
        await stage.until(lambda: host.evaluations and (RUN, 2) in host.updates)
        assert host.evaluations[0].metrics["loss"] == pytest.approx(safe.layout(TENSORS, "fp32").size / 1000)
        assert host.greetings[0].data == []  # the owner did not agree to tell
        await stage.until(lambda: "trained" in stage.log and homes.status(stage.home).get("host") == host.address)
        agent.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(agent.wait, 15) == 0
        assert not stage.trainers()
        assert host.availability[-1].state == pb.Availability.STATE_STOPPED

    on_stage(tmp_path, act)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["download", "train", "upload"])
def test_an_agent_killed_at_any_moment_comes_back_and_counts_once(tmp_path: Path, moment: str) -> None:
    async def act(stage: Stage) -> None:
        host = stage.host
        if moment == "train":
            (stage.work / "slow").write_text("0.5")
        if moment == "download":
            host.fault_cut_download_after = 2 * CHUNK
        if moment == "upload":
            host.fault_cut_upload_after = 2 * CHUNK
        host.tell(stage.duty())
        agent = stage.start_agent()
        moments = {
            "download": lambda: host.fault_cut_download_after is None,
            "train": lambda: homes.status(stage.home).get("step"),
            "upload": lambda: host.fault_cut_upload_after is None,
        }
        await stage.until(moments[moment])
        agent.kill()
        agent.wait()
        (stage.work / "slow").unlink(missing_ok=True)
        await stage.until(lambda: not stage.trainers())  # its parent gone, the trainer ends
        stage.start_agent()
        await stage.until(lambda: host.updates)
        assert len({header.digest for header in host.headers}) == 1
        assert len(host.updates) == 1
        assert host.verdicts[RUN, 1].verdict == ACCEPTED
        size = host.updates[RUN, 1].size
        assert host.upload_bytes <= size + CHUNK

    on_stage(tmp_path, act)


def test_a_lost_reply_does_not_send_the_update_twice(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.host.fault_lose_reply = True
        stage.host.tell(stage.duty())
        stage.start_agent()
        await stage.until(lambda: len(stage.host.headers) == 2)
        assert stage.host.upload_bytes == stage.host.headers[0].size

    on_stage(tmp_path, act)


def test_pausing_in_the_middle_sends_what_was_done_and_gives_the_memory_back(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        host = stage.host
        (stage.work / "slow").write_text("0.8")
        host.tell(stage.duty())
        stage.start_agent()
        await stage.until(lambda: homes.status(stage.home).get("step"))
        owner.pause(stage.home, NOW, None)
        await stage.until(lambda: host.updates)
        assert 0 < host.updates[RUN, 1].share < 1
        await stage.until(lambda: not stage.trainers(), 5)
        paused = [able for able in host.availability if able.state == pb.Availability.STATE_PAUSED]
        assert "paused by owner since" in paused[0].sentence
        (stage.work / "slow").unlink()
        owner.resume(stage.home, NOW)
        host.tell(stage.duty(2))
        await stage.until(lambda: (RUN, 2) in host.updates)

    on_stage(tmp_path, act)


@pytest.mark.slow
def test_pausing_offline_keeps_the_partial_update_for_later(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        host = stage.host
        (stage.work / "slow").write_text("0.8")
        host.tell(stage.duty())
        stage.start_agent()
        await stage.until(lambda: homes.status(stage.home).get("step"))
        await host.stop()
        owner.pause(stage.home, NOW, None)
        await stage.until(lambda: "trained" in stage.log and not stage.trainers())
        await host.start()
        await stage.until(lambda: host.updates, 30)
        assert 0 < host.updates[RUN, 1].share < 1

    on_stage(tmp_path, act)


@pytest.mark.slow
def test_a_killed_trainer_is_started_again(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        (stage.work / "slow").write_text("0.5")
        stage.host.tell(stage.duty())
        stage.start_agent()
        await stage.until(lambda: homes.status(stage.home).get("step"))
        (trainer,) = stage.trainers()
        os.kill(trainer, signal.SIGKILL)
        await stage.until(lambda: stage.host.updates)
        assert stage.host.updates[RUN, 1].share == 1.0
        assert "it was killed" in stage.log

    on_stage(tmp_path, act)


@pytest.mark.slow
def test_a_trainer_that_always_dies_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        host = stage.host
        (stage.work / "die-always").touch()
        host.tell(stage.duty())
        stage.start_agent()
        broken = pb.Availability.STATE_BROKEN
        await stage.until(lambda: any(able.state == broken for able in host.availability), 30)
        assert "The card is on fire." in host.availability[-1].sentence
        (stage.work / "die-always").unlink()
        owner.resume(stage.home, NOW)
        await stage.until(lambda: host.updates)

    on_stage(tmp_path, act)


def test_a_removed_pc_ends_with_the_hosts_words(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        agent = stage.start_agent()
        await stage.until(lambda: stage.host.greetings)
        stage.host.say_farewell("revoked", "This PC was removed on 3 May.")
        assert await asyncio.to_thread(agent.wait, 15) == 3
        assert "This PC was removed on 3 May." in stage.log
        assert showing.status(stage.home)["sentence"] == "This PC was removed on 3 May."

    on_stage(tmp_path, act)


def test_an_ended_certificate_is_renewed_by_itself(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        host = stage.host
        homes.joined(stage.home, host, lifetime=-300.0)
        stage.start_agent()
        await stage.until(lambda: host.greetings)
        assert host.renewals == 1
        assert "renewal" in [line.what for line in homes.sent(stage.home).lines()]

    on_stage(tmp_path, act)


def test_a_second_agent_for_the_same_home_is_refused(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.start_agent()
        await stage.until(lambda: stage.host.greetings)
        second = stage.start_agent()
        assert await asyncio.to_thread(second.wait, 15) == 1
        assert "is in use by another potluck process" in stage.log

    on_stage(tmp_path, act)


def test_new_counts_are_told_in_a_new_greeting(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        host = stage.host
        stage.start_agent()
        await stage.until(lambda: host.greetings)
        owner.share(stage.home, "notes", True)
        await stage.until(lambda: host.greetings[-1].data)
        assert host.greetings[-1].data[0].documents == 3
        await stage.until(lambda: host.open_streams == 1)

    on_stage(tmp_path, act)


def test_a_model_of_a_wrong_size_is_refused_and_the_host_hears_why(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        host = stage.host
        huge = homes.keep(host.blobs, b"h" * (4 * CHUNK))
        host.tell(stage.duty(model=huge))
        stage.start_agent()
        await host.until(
            lambda: bool(host.availability) and host.availability[-1].state == pb.Availability.STATE_BROKEN
        )
        assert "offers the model with 4.2 MB; it must have 16.1 kB" in host.availability[-1].sentence
        assert not (stage.home / "blobs" / huge[:2] / huge).exists()
        host.tell(stage.duty())
        await stage.until(lambda: host.updates)

    on_stage(tmp_path, act)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_agent_says_goodbye_once_and_quietly(tmp_path: Path, stop: signal.Signals) -> None:
    async def act(stage: Stage) -> None:
        host = stage.host
        agent = stage.start_agent()
        await stage.until(lambda: homes.status(stage.home).get("host"))
        agent.send_signal(stop)
        assert await asyncio.to_thread(agent.wait, 5) == 0
        stopped = pb.Availability.STATE_STOPPED
        assert [(able.state, able.sentence) for able in host.availability][1:] == [(stopped, "stopped by its owner")]
        assert "not-connected" not in stage.log
        assert re.search(r" stopping \.\.\.\n.* stopped; the host knows\n", stage.screen), stage.screen
        assert [*homes.sent(stage.home).lines()][-1].details == "stopped by its owner"

    on_stage(tmp_path, act)


def test_an_agent_whose_host_is_gone_stops_all_the_same(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        agent = stage.start_agent()
        await stage.until(lambda: homes.status(stage.home).get("host"))
        await stage.host.stop()
        await stage.until(lambda: homes.status(stage.home).get("trouble"))
        agent.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(agent.wait, 5) == 0

    on_stage(tmp_path, act)
