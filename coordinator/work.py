"""Performs the coordinator's wishes: asks the federation child, records what came of it, sweeps up old blobs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from coordinator.federations import Federation
from coordinator.logic import cluster as cluster_
from coordinator.logic.deadlines import extension
from coordinator.logic.facts import (
    Configured,
    Elapsed,
    Extended,
    Merged,
    Prepared,
    RunFailed,
    Summarised,
    UpdateRefused,
)
from coordinator.logic.runs import RUN_EDGES, Run
from coordinator.logic.wishes import Configure, Evaluate, Merge, Prepare, Summarise, Train, Wake, Wish
from shared.blobs import Blobs
from shared.children import Words
from shared.errors import OwnerMustAct, TryLater
from shared.ids import Digest, NodeId, RunId

if TYPE_CHECKING:
    from coordinator.doors.transfers import Transfers
    from coordinator.heartbeats import Heartbeats
    from coordinator.ledger import Ledger
    from shared.log import Log

TRIES = 3  # a federation child that dies this often over one question ends its run
PAUSE = 2.0  # seconds before it is started again


class Work:
    """Every method may be called twice for the same wish; the fact that follows is recorded at most once in effect."""

    def __init__(
        self,
        home: Path,
        cache: Path,
        ledger: Ledger,
        blobs: Blobs,
        transfers: Transfers,
        heartbeats: Heartbeats,
        log: Log,
    ) -> None:
        self._home, self._cache, self._log = home, cache, log
        self._ledger, self._blobs, self._transfers, self._heartbeats = ledger, blobs, transfers, heartbeats
        self._federations: dict[RunId, Federation] = {}
        self._writing = 0  # questions whose answers are blobs: what a child has just written is not in the journal yet
        self._written = asyncio.Event()  # when such a question has ended

    async def perform(self, wish: Wish) -> None:
        match wish:
            case Train() | Evaluate():
                return  # told to the node on its control stream
            case Wake():
                await self._wake(wish)
            case Prepare() | Configure() | Merge() | Summarise():
                await self._federate(wish)
            case _:
                assert_never(wish)

    async def close(self) -> None:
        for federation in self._federations.values():
            await federation.close()

    async def keep_tidy(self) -> None:
        """Sweep whenever a model has come to stand or a run has ended, until cancelled.

        Not the last step of a merge: the very fact that ends a merge cancels whoever performs it.
        """
        then: object = None
        async for state in self._ledger.changes():
            now = {name: (run.model, run.phase) for name, run in state.runs.items()}
            if then not in (None, now):
                await self._sweep()
            then = now

    async def _sweep(self) -> None:
        """Drop blobs that no run needs any more, and end the children of runs that are over."""
        runs = self._ledger.durable.runs
        for name in [name for name in self._federations if not RUN_EDGES[runs[name].phase]]:
            await self._federations.pop(name).close()
        while self._writing:
            await self._written.wait()
        states = (self._ledger.durable, self._ledger.state)  # what would survive a crash, and what is to come
        files = {file for state in states for run in state.runs.values() for file in self._files(run)}
        keep = set().union(*map(cluster_.keep, states), files, self._transfers.incoming)
        if gone := self._blobs.keep_only(keep, unfinished=False):
            self._log.info("swept", blobs=len(gone))

    def _files(self, run: Run) -> Iterable[Digest]:
        return self._transfers.job(run.job).files.values() if run.job else ()

    async def _wake(self, wish: Wake) -> None:
        """At a deadline: give those who clearly progress more time, else say that time has passed."""
        while (left := wish.at - self._ledger.now()) > 0:  # noqa: ASYNC110  the wall clock may be set
            await asyncio.sleep(min(left, 60.0))
        at, extended = self._ledger.now(), []
        for run in self._ledger.state.runs.values():
            if run.round is not None and run.round.deadline <= at:
                shares = {node: self._heartbeats.share(node, run.run, run.round.number) for node in run.round.members}
                if (later := extension(run.round, at, shares)) is not None:
                    extended.append(Extended(at, run.run, run.round.number, later))
        await self._ledger.record(*extended, *([] if extended else [Elapsed(max(at, wish.at))]))

    async def _federate(self, wish: Prepare | Configure | Merge | Summarise) -> None:
        run = self._ledger.state.runs[wish.run]
        with self._blobs_coming() if isinstance(wish, Prepare | Merge) else nullcontext():
            try:
                answer = await self._ask(run, request(run, wish))
                if isinstance(wish, Merge) and answer["fact"] == "damaged":
                    await self._lose(wish, answer)
                    return
                if "mended" in answer:
                    self._log.warn("mended", run=run.run, why=answer["mended"])
                if isinstance(wish, Merge):
                    updates, model = len(wish.updates), answer["model"][:12]
                    self._log.info("merged", run=run.run, round=wish.round, updates=updates, model=model)
                await self._ledger.record(fact(self._ledger.now(), wish, answer))
            except OwnerMustAct as error:
                self._log.warn("run failed", run=run.run, why=error.sentence)
                await self._ledger.record(RunFailed(self._ledger.now(), run.run, error.sentence))

    async def _lose(self, wish: Merge, answer: Words) -> None:
        """Updates that rotted on this disk are not merged; their friends read why, and the others' are merged."""
        self._log.warn("damaged", run=wish.run, round=wish.round, why=answer["sentence"])
        at = self._ledger.now()
        lost = [update for update in wish.updates if update.digest in answer["updates"]]
        await self._ledger.record(
            *(UpdateRefused(at, wish.run, wish.round, u.node, u.digest, answer["sentence"]) for u in lost)
        )

    @contextmanager
    def _blobs_coming(self) -> Iterator[None]:
        self._writing += 1
        try:
            yield
        finally:
            self._writing -= 1
            self._written.set()
            self._written.clear()

    async def _ask(self, run: Run, words: Words) -> Words:
        federation = self._federations.setdefault(
            run.run,
            Federation(
                self._home, run.run, self._cache, lambda: opening(self._ledger.state.runs[run.run]),
                lambda why: self._log.warn("waits for room", run=run.run, why=why),
            ),
        )  # fmt: skip
        for attempt in range(1, TRIES + 1):
            try:
                return await federation.ask(words)
            except TryLater as error:
                self._log.warn("strategy process ended", run=run.run, attempt=attempt, why=error.sentence)
                if attempt == TRIES:
                    raise OwnerMustAct(error.sentence) from error
                await asyncio.sleep(PAUSE)
        raise AssertionError("the loop returns or raises")


def opening(run: Run) -> Words | None:
    """What a fresh child must know before its first question."""
    if run.job is None:
        return None
    return {"op": "open", "run": run.run, "job": run.job, "spec": run.spec, "state": run.state}


def request(run: Run, wish: Prepare | Configure | Merge | Summarise) -> Words:
    """The wish as a question to the child."""
    match wish:
        case Prepare():
            return {"op": "prepare", "run": run.run, "spec": run.spec, "folder": run.folder}
        case Configure():
            return {
                "op": "configure", "round": wish.round, "model": run.model, "state": run.state,
                "nodes": list(wish.nodes), "parent": run.parent, "delta": run.delta,
            }  # fmt: skip
        case Merge():
            updates = [
                {"node": u.node, "digest": u.digest, "tokens": u.tokens, "share": u.share, "metrics": dict(u.metrics)}
                for u in wish.updates
            ]
            return {
                "op": "merge",
                "round": wish.round,
                "model": run.model,
                "state": run.state,
                "updates": updates,
                "parent": run.parent,
                "delta": run.delta,
            }
        case Summarise():
            assert run.round is not None
            replies = [{"node": node, "metrics": metrics} for node, metrics in sorted(run.round.evaluations.items())]
            return {"op": "evaluated", "round": wish.round, "replies": replies}
        case _:
            assert_never(wish)


def fact(
    at: float, wish: Prepare | Configure | Merge | Summarise, answer: Words
) -> Prepared | Configured | Merged | Summarised:
    """The child's answer as a fact."""
    match wish:
        case Prepare():
            return Prepared(at, wish.run, answer["job"], answer["model"], answer.get("state"))
        case Configure():
            who = {NodeId(node): json.dumps(config, sort_keys=True) for node, config in answer["who"].items()}
            return Configured(at, wish.run, wish.round, who)
        case Merge():
            return Merged(
                at, wish.run, wish.round, tuple(update.node for update in wish.updates), answer["model"],
                answer.get("delta"), answer.get("state"), dict(answer.get("metrics", {})),
                str(answer.get("folder", "")),
            )  # fmt: skip
        case Summarise():
            return Summarised(at, wish.run, wish.round, dict(answer.get("metrics", {})))
        case _:
            assert_never(wish)
