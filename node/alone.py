"""The baseline: train on this PC's own text only, with the steps and the schedule the whole run has. Hidden command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from node import bases, fitting, membership
from node.blobs_link import BlobsLink, in_thread
from node.connection import connect
from node.home import cache, collections, held_out_for_others, settings
from node.logic import bounds
from node.logic.report import for_another_group
from node.newest import Progress, fetch_all, find_run
from node.ranks import Bench, opening, start_ranks, stop_all
from node.sent import Sent
from node.store.database import connect as open_database
from shared import job as job_
from shared.blobs import Blobs
from shared.children import Child, Words
from shared.disk import HomeLock, private_folder
from shared.errors import OwnerMustAct
from shared.ids import Digest
from shared.result import furnish


async def train_alone(home: Path, run: str, progress: Progress) -> Words:
    """Measure before and after. Returns {"before", "final", "tail": metrics, "best": "final" or "tail"}.

    Starts from the newest committed model of the run: from its initial one before its first round. The agent must not
    be running.
    """
    chosen = settings(home)
    membership.load(home)
    with HomeLock(home):
        if not collections(home):
            if foreign := held_out_for_others(home):
                raise OwnerMustAct(for_another_group(foreign[0]))
            raise OwnerMustAct("There is no data to train on yet: potluck node data add FOLDER --name NAME")
        blobs = Blobs(home / "blobs")
        run, model, job = await _fetch(home, run, blobs, progress)
        bench = Bench(private_folder(home / "runs" / run / "alone"))
        read = job_.parse(blobs.read(job))
        if read.app is not None:
            raise OwnerMustAct("This run trains with a Flower app, which has no way to train alone here.")
        await in_thread(lambda: furnish(bench.base, read, blobs))
        log = home / "log" / "trainer.log"
        found = await fitting.find(home, bench, chosen, read, 0)
        ranks = await start_ranks(bench, chosen, log)
        try:
            await ranks[0].tell(opening(home, bench, chosen, blobs.path(job), found.fit))
            return await _train(ranks[0], blobs.path(model), progress, log)
        finally:
            await stop_all(ranks)


def in_words(answer: Words) -> str:
    best = answer[answer["best"]]
    before, after = answer["before"].get("bits_per_byte"), best.get("bits_per_byte")
    return f"Alone: {before:.3f} -> {after:.3f} bits per byte ({answer['best']} weights)."


async def _fetch(home: Path, run: str, blobs: Blobs, progress: Progress) -> tuple[str, Digest, Digest]:
    """The run's id, model and job, with all the files of its base."""
    database = open_database(home / "state.db")
    line = await connect(home)
    try:
        sent = Sent(database)
        link = BlobsLink(blobs, sent)
        found = await find_run(line, run, sent)
        model, job = Digest(found.model), Digest(found.job)
        await fetch_all(link, line, {job: bounds.JOB}, progress)
        read = job_.parse(blobs.read(job))
        await bases.provide(read, blobs, cache(), home / "log" / "models.log")
        await fetch_all(link, line, bounds.of_run(read, model), progress)
        return found.run, model, job
    finally:
        await line.close()
        database.close()


async def _train(lead: Child, model: Path, progress: Progress, log: Path) -> Words:
    said = ""
    async for words in lead.facts():
        match words.get("fact"):
            case "opened":
                await lead.tell({"op": "alone", "model": str(model)})
            case "progress":
                share: Any = words["share"]
                progress(float(share) * 0.999, f"step {words['step']} of {words['steps']}, loss {words['loss']:.3f}")
            case "alone":
                progress(1.0, "")
                return {key: words[key] for key in ("before", "final", "tail", "best")}
            case "failed":
                said = str(words["sentence"])
                break
    raise OwnerMustAct(f"Training alone failed: {said or f'the trainer ended (exit code {lead.returncode})'} ({log})")
