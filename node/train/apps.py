"""`python -m node.train.apps`: a trainer that runs a Flower app which the owner allowed. Same words as `node.train`.

The app's ClientApp gets a real Message with the model's arrays and the strategy's configuration, and its reply's arrays
are the update. numpy is all it needs. It runs with the owner's rights: that is what the owner was asked.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node import apps
from node.train import finished
from node.train.pipe import Facts, Orders
from shared import job as jobs
from shared.codec.layout import Origin
from shared.errors import OwnerMustAct, PeerMisbehaved, PotluckError
from shared.job import Job

Words = dict[str, Any]
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "HF_HUB_OFFLINE": "1"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m node.train.apps", description=__doc__)
    for name in ("--rank", "--world", "--rendezvous"):
        parser.add_argument(name, help="as every trainer is told; an app has one process")
    parser.parse_args()
    os.environ.update(QUIET)  # read when Flower is imported
    facts, orders = Facts(), Orders(sys.stdin)
    bench: AppBench | None = None
    while (words := orders.next())["op"] != "stop":
        try:
            match words, bench:
                case {"op": "halt"}, _:
                    pass  # an app cannot be stopped in the middle of its work: the agent ends this process
                case {"op": "open"}, None:
                    bench, opened = open_app(words)
                    facts.tell(opened)
                case {"op": "train" | "evaluate"}, AppBench():
                    facts.tell(bench.train(words) if words["op"] == "train" else bench.evaluate(words))
                case _:
                    raise OwnerMustAct(f"A Flower app cannot do this: {words.get('op')}.")
        except PotluckError as error:
            facts.tell({"fact": "failed", "op": words.get("op"), "sentence": error.sentence})
        except Exception as error:  # noqa: BLE001  somebody else's code: whatever it raises becomes a sentence
            traceback.print_exc()
            sentence = (
                f"The Flower app failed ({type(error).__name__}: {str(error)[:200]}); the trainer's log has more."
            )
            facts.tell({"fact": "failed", "op": words.get("op"), "sentence": sentence})
    return 0


def open_app(words: Words) -> tuple[AppBench, Words]:
    """Find the consent, import the app, and the fact `opened`. Raises PotluckError."""
    from flwr.clientapp import ClientApp

    job = jobs.parse(Path(words["job"]).read_bytes())
    assert job.app is not None
    allowed = apps.find(Path(words["work"]).parents[2], job.app)
    module, _, name = allowed.app.client.partition(":")
    sys.path.insert(0, str(allowed.code))
    started = time.monotonic()
    client = getattr(importlib.import_module(module), name, None)
    if not isinstance(client, ClientApp):
        raise OwnerMustAct(f"{allowed.app.client} in {allowed.app.name} is not a Flower ClientApp.")
    values = sum(math.prod(spec.shape) for spec in job.tensors)
    opened = {
        "fact": "opened", "engine": f"Flower app {allowed.app.name}", "parameters": values, "trainable": values,
        "dtype": "fp32", "step_seconds": time.monotonic() - started,
    }  # fmt: skip
    return AppBench(job, client, allowed), opened


@dataclass(slots=True)
class AppBench:
    """The app, ready. Its Context lives as long as this process, as in a SuperNode."""

    job: Job
    client: Any
    allowed: apps.Allowed
    context: Any = None

    def train(self, words: Words) -> Words:
        """The fact `trained`. A round whose update lies finished on the disk is answered at once."""
        out = Path(words["out"])
        if done := finished.recall(out, words["round"], words["model_digest"]):
            return done
        started = time.monotonic()
        content = self._ask("train", words)
        metrics = self._metrics(content)
        digest = self._write(out, content, Origin(words["node"], self.job.run, words["round"]))
        fact = {
            "fact": "trained", "round": words["round"], "update": str(out), "digest": digest, "steps": 1, "share": 1.0,
            "size": out.stat().st_size, "tokens": int(metrics["num-examples"]),
            "metrics": {**metrics, "seconds": time.monotonic() - started},
        }  # fmt: skip
        finished.remember(out, words["model_digest"], fact)
        return fact

    def evaluate(self, words: Words) -> Words:
        """The fact `evaluated`."""
        metrics = self._metrics(self._ask("evaluate", words))
        return {"fact": "evaluated", "round": words["round"], "metrics": {**metrics, "tokens": metrics["num-examples"]}}

    def _ask(self, kind: str, words: Words) -> Any:
        from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
        from flwr.supercore.task_identity import TaskIdentity

        from shared.codec import safe

        if TaskIdentity._run_id is None:  # a process-wide stamp on every Flower message
            for name in ("task_id", "run_id", "node_id"):
                setattr(TaskIdentity, name, 1)
        if self.context is None:
            self.context = Context(
                run_id=1, node_id=1, node_config=dict(self.allowed.config), state=RecordDict(),
                run_config=dict(self.allowed.app.config),
            )  # fmt: skip
        model = Path(words["model"])
        arrays = safe.read(model, safe.check(model, self.job.tensors, "fp32"))
        config = ConfigRecord({**(words.get("config") or {}), "server-round": words["round"]})
        record = RecordDict({"arrays": ArrayRecord({n: Array(v) for n, v in arrays}), "config": config})
        message = Message(record, dst_node_id=1, message_type=kind, group_id=str(words["round"]))
        reply = self.client(message, self.context)
        if reply.has_error():
            raise OwnerMustAct(f"The Flower app {self.allowed.app.name} answered with an error: {reply.error.reason}")
        return reply.content

    def _metrics(self, content: Any) -> dict[str, float]:
        record: Mapping[str, Any] = next(iter(content.metric_records.values()), {})
        metrics = {name: value for name, value in record.items() if isinstance(value, int | float)}
        if not metrics.get("num-examples", 0) >= 1:
            raise OwnerMustAct(
                f"The Flower app {self.allowed.app.name} did not say on how many examples (num-examples)."
            )
        return metrics

    def _write(self, out: Path, content: Any, made_by: Origin) -> str:
        """The reply's arrays as an update. Raises PeerMisbehaved when they are not the run's."""
        import numpy as np

        from shared.codec import safe

        record: Mapping[str, Any] = next(iter(content.array_records.values()), {})
        wanted = {spec.name: spec.shape for spec in self.job.tensors}
        if {name: tuple(array.shape) for name, array in record.items()} != wanted:
            raise PeerMisbehaved(f"The Flower app {self.allowed.app.name} returned other arrays than the run has.")

        def tensors() -> Iterator[tuple[str, Any]]:
            for name in sorted(wanted):
                yield name, record[name].numpy().astype(np.float32, copy=False)

        return safe.write(out, tensors(), safe.layout(self.job.tensors, "fp32", made_by.metadata))


if __name__ == "__main__":
    sys.exit(main())
