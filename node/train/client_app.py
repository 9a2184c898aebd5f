"""The node's work as a real Flower ClientApp: `train` and `evaluate`, with Flower's own mods by name.

A strategy that wants `update: weights` finds the fp32 arrays of the model in the message; one that wants
`update: difference` finds the model's digest (uint8[32]), and the reply carries the digest of the update's file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import LocalDpMod, adaptiveclipping_mod, fixedclipping_mod
from flwr.clientapp.typing import Mod as FlowerMod

from shared.job import Mod

MODS: dict[str, Callable[..., FlowerMod]] = {
    "fixedclipping_mod": lambda: fixedclipping_mod,
    "adaptiveclipping_mod": lambda: adaptiveclipping_mod,
    "LocalDpMod": LocalDpMod,
}


class Worker(Protocol):
    """Whoever can train and measure."""

    def train(self, arrays: ArrayRecord, config: ConfigRecord) -> tuple[ArrayRecord, MetricRecord]: ...

    def evaluate(self, arrays: ArrayRecord, config: ConfigRecord) -> MetricRecord: ...


def client_app(worker: Worker, mods: Sequence[Mod]) -> ClientApp:
    """The app, its training wrapped in `mods` (a job with a mod that is not on the list is refused when it is read)."""

    def train(message: Message, context: Context) -> Message:
        arrays, metrics = worker.train(_arrays(message), _config(message))
        return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)

    def evaluate(message: Message, context: Context) -> Message:
        metrics = worker.evaluate(_arrays(message), _config(message))
        return Message(RecordDict({"metrics": metrics}), reply_to=message)

    app = ClientApp()
    app.train(mods=[MODS[mod.name](**mod.parameters) for mod in mods])(train)
    app.evaluate()(evaluate)
    return app


def _arrays(message: Message) -> ArrayRecord:
    return next(iter(message.content.array_records.values()))


def _config(message: Message) -> ConfigRecord:
    return next(iter(message.content.config_records.values()), ConfigRecord())
