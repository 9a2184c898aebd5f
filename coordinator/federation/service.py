"""What a federation child answers to each request: prepare, open, configure, merge, evaluated.

The same request always gets the same digests: nothing is remembered between requests but what `open` was told.
"""

from __future__ import annotations

import math
import random
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flwr.app import ConfigRecord, MessageType, MetricRecord, RecordDict
from flwr.serverapp.exception import AggregationError, InconsistentMessageReplies

from coordinator.federation import rot
from coordinator.federation.carrier import Carrier, Store
from coordinator.federation.choose import carrier
from coordinator.federation.diloco import WEIGHT
from coordinator.federation.export import export
from coordinator.federation.grid import RoundGrid
from coordinator.federation.monitor import Monitor
from coordinator.federation.prepare import prepare
from shared.blobs import Blobs
from shared.ending import owners_trouble
from shared.errors import DiskFull, OwnerMustAct, PotluckError
from shared.ids import Digest, NodeId, RunId
from shared.job import Job, parse

Words = dict[str, Any]
COUNTS = ("tokens", "bytes", "steps")  # summed; everything else a node measures is averaged


@dataclass(frozen=True, slots=True)
class _Open:
    """The run that this child serves."""

    job: Job
    carrier: Carrier
    grid: RoundGrid


class Service:
    """Answers requests, one after the other."""

    def __init__(self, blobs: Path, work: Path, cache: Path) -> None:
        self._blobs, self._work, self._cache = Blobs(blobs), work, cache
        self._monitor = Monitor(work / "tensorboard")
        self._open: _Open | None = None

    def answer(self, request: Words) -> Words:
        """One fact, always: what cannot be done is `failed` with a sentence."""
        try:
            return self._perform(request)
        except DiskFull as error:
            return {"fact": "full", "sentence": error.sentence}
        except PotluckError as error:
            sentence = error.sentence
        except (InconsistentMessageReplies, AggregationError) as error:
            sentence = f"Flower's strategy could not use the replies: {error}"
        except MemoryError:
            sentence = "This PC ran out of memory while merging. Close other programs, or use the DiLoCo strategy."
        except Exception as error:  # noqa: BLE001  the edge of the process; the log keeps it whole
            if isinstance(trouble := owners_trouble(error), DiskFull):
                return {"fact": "full", "sentence": trouble.sentence}
            traceback.print_exc(file=sys.stderr)
            sentence = f"The run's strategy hit a bug ({type(error).__name__}: {error}); the run's log tells more."
        return {"fact": "failed", "op": request.get("op"), "sentence": sentence}

    def close(self) -> None:
        self._monitor.close()

    def _perform(self, request: Words) -> Words:
        match request["op"]:
            case "prepare":
                ready = prepare(
                    RunId(request["run"]), request["spec"], request["folder"], self._cache, self._blobs
                )  # fmt: skip
                self._begin(ready.job, request["spec"])
                return {"fact": "prepared", "job": ready.job, "model": ready.model, "state": None}
            case "open":
                self._begin(Digest(request["job"]), request["spec"])
                if request.get("state"):
                    self._blobs.require(Digest(request["state"]))
                return {"fact": "opened"}
            case "configure":
                mended = self._look(request)
                return {**self._configure(*_place(request), request["nodes"]), **mended}
            case "merge":
                if damaged := rot.damaged(self._blobs, request["updates"]):
                    return {"fact": "damaged", "updates": damaged, "sentence": rot.ROTTEN_UPDATE}
                mended = self._look(request)
                return {**self._merge(*_place(request), request["updates"]), **mended}
            case "evaluated":
                return self._evaluated(int(request["round"]), request["replies"])
        raise OwnerMustAct(f"There is no request {request['op']!r}; the coordinator and this child differ in version.")

    def _begin(self, digest: Digest, spec: Words) -> None:
        job = parse(self._blobs.read(digest))
        store = Store(self._blobs, job.run, job.tensors, job.codec)
        store.sweep()
        self._open = _Open(job, carrier(spec, store), RoundGrid(job.run))

    def _configure(self, round_: int, model: Digest, state: Digest | None, nodes: Sequence[NodeId]) -> Words:
        run = self._opened()
        run.carrier.enough(len(nodes))
        run.carrier.restore(round_, model, state)
        run.grid.present(nodes)
        random.seed(f"{run.job.run}/{round_}")  # Flower samples with it: so the same again after a crash
        messages = run.carrier.strategy.configure_train(round_, run.carrier.arrays(model), ConfigRecord(), run.grid)
        return {"fact": "configured", "round": round_, "who": run.grid.configured(messages)}

    def _merge(self, round_: int, model: Digest, state: Digest | None, updates: Sequence[Words]) -> Words:
        run = self._opened()
        tokens = sum(int(update["tokens"]) for update in updates)
        if tokens <= 0:
            raise OwnerMustAct(f"Round {round_} has nothing to merge: nobody trained on any token.")
        told = _common({NodeId(update["node"]): update.get("metrics", {}) for update in updates})
        contents = {
            NodeId(update["node"]): RecordDict({
                "arrays": run.carrier.reply(Digest(update["digest"])),
                "metrics": MetricRecord({**told[update["node"]], WEIGHT: int(update["tokens"])}),
            })
            for update in updates
        }  # fmt: skip
        run.carrier.restore(round_, model, state)
        replies = run.grid.replies(round_, MessageType.TRAIN, contents)
        arrays, averaged = run.carrier.strategy.aggregate_train(round_, replies)
        if arrays is None:
            raise OwnerMustAct(f"The strategy could not merge round {round_}: it had no usable reply.")
        outcome = run.carrier.outcome(round_, model, arrays)
        metrics = {
            **_plain(averaged),
            "tokens": tokens,
            "nodes": len(updates),
            "bytes": sum(self._blobs.size(Digest(update["digest"])) for update in updates),
            "update_norm": outcome.norm,
        }
        self._monitor.write("train", round_, metrics)
        folder = export(run.job, self._blobs, outcome.model, self._work, {**metrics, "round": round_})
        return {
            "fact": "merged", "round": round_, "model": outcome.model, "delta": outcome.delta, "state": outcome.state,
            "metrics": metrics, "folder": str(folder),
        }  # fmt: skip

    def _evaluated(self, round_: int, replies: Sequence[Words]) -> Words:
        run = self._opened()
        measured = {NodeId(r["node"]): r["metrics"] for r in replies if r["metrics"].get("tokens", 0) >= 1}
        told = _common(measured)
        contents = {
            node: RecordDict({"metrics": MetricRecord({**told[node], WEIGHT: int(metrics["tokens"])})})
            for node, metrics in measured.items()
        }
        metrics: dict[str, float] = {"nodes": len(contents)}
        if contents:
            messages = run.grid.replies(round_, MessageType.EVALUATE, contents)
            metrics |= _plain(run.carrier.strategy.aggregate_evaluate(round_, messages))
            for name in COUNTS:
                if all(name in one for one in measured.values()):
                    metrics[name] = sum(one[name] for one in measured.values())
        self._monitor.write("held_out", round_, metrics)
        return {"fact": "evaluated", "round": round_, "metrics": metrics}

    def _look(self, request: Words) -> Words:
        """Read whole what the round starts from, so that no damaged byte goes on. `mended`: what was made again."""
        _, model, state = _place(request)
        sentence = rot.look(self._blobs, self._opened().job, model, state, request.get("parent"), request.get("delta"))
        return {"mended": sentence} if sentence else {}

    def _opened(self) -> _Open:
        if self._open is None:
            raise OwnerMustAct("This run was not opened: the coordinator must say `open` first.")
        return self._open


def _place(request: Words) -> tuple[int, Digest, Digest | None]:
    """Where a round begins: its number, the model, and what the strategy remembered then."""
    return int(request["round"]), Digest(request["model"]), Digest(request["state"]) if request["state"] else None


def _common(metrics: Mapping[NodeId, Mapping[str, Any]]) -> dict[NodeId, dict[str, float]]:
    """The finite numbers that every node measured: Flower averages nothing else. Counts are summed elsewhere."""
    names = [
        name
        for name in sorted(set.intersection(*(set(one) for one in metrics.values())) if metrics else ())
        if name not in (*COUNTS, WEIGHT) and all(_is_number(one[name]) for one in metrics.values())
    ]
    return {node: {name: float(one[name]) for name in names} for node, one in metrics.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _plain(record: MetricRecord | None) -> dict[str, float]:
    """Flower's averages; the perplexity is that of the mean loss, which the mean of perplexities is not."""
    values = {name: float(value) for name, value in (record or {}).items() if _is_number(value)}
    if "loss" in values:
        values["perplexity"] = math.exp(min(values["loss"], 100.0))
    return values
