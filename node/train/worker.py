"""Rank 0's side of a round: a Flower message in, an update file and a fact out. The other ranks follow in `follow`.

The order is told to the other ranks inside the ClientApp's train and evaluate functions, after all mods on the way in
and before the first collective: a mod that refuses a message must not leave them waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from node.train import finished, weights
from node.train.bench import Bench
from node.train.client_app import client_app
from node.train.loop import Round, Trained, train_round
from node.train.measure import measure
from shared.blobs import digest_of
from shared.codec.layout import Origin
from shared.errors import OwnerMustAct, PeerMisbehaved
from shared.ids import Digest, NodeId
from shared.job import Job

ROUND = "server-round"  # Flower's own word for it in a message's configuration
Words = dict[str, Any]


class Stopped(Exception):
    """The round was stopped before there was anything to send."""


@dataclass(frozen=True, slots=True)
class Order:
    """A `train` or `evaluate` order."""

    node: NodeId  # this PC; an evaluation needs no name
    round: int
    model: Path
    model_digest: Digest
    config: Words
    out: Path
    done: int = 0  # rounds of the run committed before this one
    lost: tuple[int, ...] = ()  # earlier rounds whose update did not count

    def made_by(self, job: Job) -> Origin:
        return Origin(self.node, job.run, self.round)


class RoundWorker:
    """Implements `client_app.Worker` on rank 0, for the order in hand."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._app = client_app(self, bench.job.mods)
        self._order: Order | None = None
        self._trained: Trained | None = None
        if TaskIdentity._run_id is None:  # a process-wide stamp on every Flower message
            for name in ("task_id", "run_id", "node_id"):
                setattr(TaskIdentity, name, 1)

    def run_train(self, order: Order) -> Words:
        """The fact `trained`. A round whose update lies finished on the disk is answered at once."""
        if done := finished.recall(order.out, order.round, order.model_digest):
            return done
        job = self._bench.job
        digest = order.model_digest
        arrays = _digest_record(digest) if job.update == "difference" else _array_record(weights.read(order.model, job))
        try:
            reply = self._call("train", order, arrays)
        except Stopped:
            return {"fact": "halted", "round": order.round}
        assert self._trained is not None
        answer = next(iter(reply.content.array_records.values()))
        if job.update == "weights":
            final = ((name, array.numpy().astype(np.float32, copy=False)) for name, array in sorted(answer.items()))
            digest = weights.write(order.out, job, "fp32", final, order.made_by(job))
        else:
            digest = weights.array_digest(next(iter(answer.values())).numpy())
        size = order.out.stat().st_size
        metrics = _metrics(reply)
        shown = {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}
        shown |= {"bytes": float(size), "share": self._trained.share, "tokens": float(self._trained.tokens)}
        self._bench.monitor.show_round(order.round, "train", shown)
        fact = {
            "fact": "trained", "round": order.round, "update": str(order.out), "digest": digest, "size": size,
            "tokens": self._trained.tokens, "steps": self._trained.steps, "share": self._trained.share,
            "metrics": metrics,
        }  # fmt: skip
        finished.remember(order.out, order.model_digest, fact)
        return fact

    def run_evaluate(self, order: Order) -> Words:
        """The fact `evaluated`."""
        reply = self._call("evaluate", order, _digest_record(order.model_digest))
        metrics = _metrics(reply)
        shown = {name: float(metrics[name]) for name in ("loss", "perplexity", "bits_per_byte")}
        self._bench.monitor.show_round(order.round, "held_out", shown)
        return {"fact": "evaluated", "round": order.round, "metrics": metrics}

    def train(self, arrays: ArrayRecord, config: ConfigRecord) -> tuple[ArrayRecord, MetricRecord]:
        """Called by the ClientApp: train from what the message brought."""
        bench, order = self._bench, self._order
        assert order is not None
        assert config[ROUND] == order.round
        model, digest = order.model, order.model_digest
        if bench.job.update == "weights":
            model = bench.work / "incoming.safetensors"
            values = ((name, array.numpy()) for name, array in sorted(arrays.items()))
            digest = weights.write(model, bench.job, "fp32", values)
        mu = pull(config)
        words = {
            "op": "train", "round": order.round, "done": order.done, "model": str(model), "model_digest": digest,
            "pull": mu, "lost": list(order.lost),
        }  # fmt: skip
        bench.ranks.announce(words)
        self._trained = train_round(bench, _round(words))
        if self._trained is None:
            raise Stopped
        if bench.job.update == "weights":
            record = _array_record(bench.engine.read_weights())
        else:
            after = weights.differences(model, bench.engine.read_weights(), bench.job)
            made_by = order.made_by(bench.job)
            record = _digest_record(weights.write(order.out, bench.job, bench.job.codec, after, made_by))
        metrics: dict[str, int | float] = {
            "num-examples": self._trained.tokens, "share": self._trained.share, "steps": self._trained.steps,
            **self._trained.metrics,
        }  # fmt: skip
        return record, MetricRecord(metrics)

    def evaluate(self, arrays: ArrayRecord, config: ConfigRecord) -> MetricRecord:
        """Called by the ClientApp: measure the model whose digest the message brought."""
        assert self._order is not None
        words = {"op": "evaluate", "round": self._order.round, "model": str(self._order.model)}
        self._bench.ranks.announce(words)
        metrics = evaluate_here(self._bench, self._order.model)
        return MetricRecord({"num-examples": int(metrics["tokens"]), **metrics})

    def _call(self, kind: str, order: Order, arrays: ArrayRecord) -> Message:
        self._order, self._trained = order, None
        config = ConfigRecord({**order.config, ROUND: order.round})
        message = Message(
            RecordDict({"arrays": arrays, "config": config}),
            dst_node_id=1,
            message_type=kind,
            group_id=str(order.round),
        )
        context = Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={})
        reply = self._app(message, context)
        if reply.has_error():
            raise PeerMisbehaved(f"The run's settings do not fit together: {reply.error.reason}")
        return reply


def pull(config: ConfigRecord) -> float:
    """FedProx's mu. Raises PeerMisbehaved when it is not a number from 0 on."""
    said = config.get("proximal-mu", 0.0)
    if not isinstance(said, int | float) or not 0 <= said < 1e6:
        raise PeerMisbehaved(f"The run asks for a proximal term of {said!r}; it must be a number from 0 on.")
    return float(said)


def follow(bench: Bench, words: Words) -> None:
    """The other ranks: take part in what rank 0 announced."""
    match words["op"]:
        case "train":
            if train_round(bench, _round(words)) is not None:
                weights.take_part(bench.engine.read_weights())
        case "evaluate":
            evaluate_here(bench, Path(words["model"]))
        case other:
            raise AssertionError(other)


def _round(words: dict[str, Any]) -> Round:
    model, digest = Path(words["model"]), Digest(words["model_digest"])
    return Round(words["round"], words["done"], model, digest, words["pull"], tuple(words["lost"]))


def evaluate_here(bench: Bench, model: Path) -> dict[str, float]:
    """Collective. The model in that file, on this PC's held-out text."""
    bench.engine.load_weights(weights.read(model, bench.job))
    return measure(bench)


def order_from(words: Words) -> Order:
    """Raises OwnerMustAct when the order names a file that is not there."""
    model = Path(words["model"])
    if not model.exists():
        raise OwnerMustAct(f"The model {model} is missing on this PC; it must be fetched again.")
    digest = Digest(words.get("model_digest") or digest_of(model))
    out = Path(words.get("out") or model.with_name("unused"))
    node = NodeId(words.get("node", ""))
    number, lost = int(words["round"]), tuple(int(round_) for round_ in words.get("lost") or ())
    done = int(words.get("done", max(0, number - 1)))
    return Order(node, number, model, digest, dict(words.get("config") or {}), out, done, lost)


def _digest_record(digest: Digest) -> ArrayRecord:
    return ArrayRecord({"digest": Array(weights.digest_array(digest))})


def _array_record(tensors: Any) -> ArrayRecord:
    return ArrayRecord({name: Array(values) for name, values in tensors})


def _metrics(reply: Message) -> dict[str, float]:
    return dict(next(iter(reply.content.metric_records.values())))
