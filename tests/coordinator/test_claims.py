"""What a friend says of an update: bounded, so that nobody's takes all the weight."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coordinator import ledger
from coordinator.doors import inspection
from coordinator.doors.transfers import Transfers
from coordinator.heartbeats import Heartbeats
from coordinator.logic.claims import too_large, too_many_tokens
from coordinator.logic.facts import Prepared, RunStarted
from coordinator.logic.verdicts import Answer
from coordinator.store.memory import MemoryStore
from shared.blobs import Blobs
from shared.codec.layout import Origin
from shared.ids import Digest
from shared.job import Job, dump
from shared.rpc.v1 import node_pb2 as pb
from tests.coordinator.stories import ANA, BO, CEM, RUN, SPEC, configured, greeted, joined
from tests.shared.tensors import draw, save
from tests.shared.test_job import JOB

Facts = dict[str, Any]
SMOLLM2 = 134_515_008  # values
MINUTE = {"steps": None, "batch": 65_536, "values": SMOLLM2, "seconds": 60.0}


@pytest.mark.parametrize(
    ("tokens", "facts", "words"),
    [
        (512, {"steps": 4, "batch": 128}, ""),
        (513, {"steps": 4, "batch": 128}, "513 tokens; a round of 4 steps has 512 at most"),
        (60 * 50_000, {}, ""),  # a fast card
        (60 * 1_000_000, {}, ""),  # many
        (60 * 10_000_000, {}, "no PC trains on more than"),
        (1 << 52, {}, "in 1 min"),
        (65_536, {"seconds": 0.0}, ""),  # one step, however quick
        (128 * 1001, {"values": 0, "batch": 128, "seconds": 1.0}, ""),
        (128 * 1002, {"values": 0, "batch": 128, "seconds": 1.0}, "no PC"),
    ],
)
def test_a_claim_is_at_most_what_could_be(tokens: int, facts: Facts, words: str) -> None:
    said = too_many_tokens(tokens, **{**MINUTE, **facts})
    assert words in said
    assert bool(words) == bool(said)


def test_an_update_has_no_bound_unless_the_host_sets_one() -> None:
    assert too_large(1e6, None) == ""
    assert too_large(1.0, 1.0) == ""
    assert too_large(1.5, 1.0) == "The update changes the model by a norm of 1.5; this run's max_norm is 1."


async def sent(folder: Path, job: Job, spec: Facts, **claimed: Any) -> Answer:
    """Ana's update in the first round of that job, and what the host answers."""
    blobs = Blobs(folder / "blobs")
    base = blobs.adopt(folder / "base", save(folder / "base", draw(job.tensors, 1)))
    job = replace(job, run=RUN, files={})
    digest = save(folder / "update", draw(job.tensors, 2), inspection.codec_of(job), Origin(ANA, RUN, 1))
    data = (folder / "update").read_bytes()
    book = ledger.load(MemoryStore(), lambda: 0.0, lambda: 9.0)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(book.run())
        for friend in (ANA, BO, CEM):
            book.record(*joined(friend), greeted(friend))
        prepared = Prepared(0.0, RUN, blobs.put(dump(job)), base)
        book.record(RunStarted(0.0, RUN, {**SPEC, **spec}, ""), prepared, configured(ANA, BO, CEM))
        honest = {"digest": digest, "size": len(data), "run": RUN, "round": 1, "model": base, "tokens": 128,
                  "steps": 1, "share": 0.25}  # fmt: skip

        async def chunks() -> AsyncIterator[pb.UploadChunk]:
            yield pb.UploadChunk(header=pb.UpdateHeader(**{**honest, **claimed}), data=data, crc32=zlib.crc32(data))

        answer = await Transfers(book, blobs, Heartbeats()).upload(ANA, chunks())
        writing.cancel()
    held = book.state.runs[RUN].round
    assert held is not None
    assert held.members[ANA].sentence == (answer.sentence if answer.verdict == "refused" else "")
    return answer


def test_more_tokens_than_the_round_has_are_refused_by_name(tmp_path: Path) -> None:
    answer = asyncio.run(sent(tmp_path, JOB, {}, tokens=1_000_000))
    assert answer.verdict == "refused"
    assert answer.sentence == "The update claims 1,000,000 tokens; a round of 4 steps has 512 at most."


def test_and_so_are_more_than_time_allows(tmp_path: Path) -> None:
    timed = replace(JOB, steps=None, seconds=600.0)
    assert "no PC trains on more" in asyncio.run(sent(tmp_path, timed, {}, tokens=1 << 52)).sentence


@pytest.mark.parametrize("kind", ["difference", "weights"])
@pytest.mark.parametrize(("bound", "verdict"), [(None, "accepted"), (100.0, "accepted"), (0.5, "refused")])
def test_a_host_may_bound_how_far_an_update_goes(tmp_path: Path, kind: Any, bound: float | None, verdict: str) -> None:
    spec = {} if bound is None else {"max_norm": bound}
    answer = asyncio.run(sent(tmp_path, replace(JOB, update=kind), spec))
    assert answer.verdict == verdict
    assert ("max_norm is 0.5" in answer.sentence) == (verdict == "refused")


def test_of_whole_weights_only_the_change_counts(tmp_path: Path) -> None:
    """Ten values near a thousand are far from zero, and near each other."""
    job = replace(JOB, update="weights")
    blobs = Blobs(tmp_path / "blobs")

    def kept(shift: float) -> Digest:
        values = {name: array + 1000 + shift for name, array in draw(job.tensors, 1).items()}
        return blobs.adopt(tmp_path / "one", save(tmp_path / "one", values, "fp32", ours if shift else None))

    ours = Origin(ANA, RUN, 1)
    base, near, far = kept(0.0), kept(0.25), kept(5.0)
    assert inspection.refuses(blobs, near, job, base, 1.0, ours) == ""
    assert "a norm of 15.8" in inspection.refuses(blobs, far, job, base, 1.0, ours)
