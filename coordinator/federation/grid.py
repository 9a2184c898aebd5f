"""Flower's Grid over what the round machine already knows: who is present, and what they answered.

The transport is ours and durable, so nothing is ever sent from here: strategies are driven hook by hook, and a hook
that wants to send by itself is not one we can carry across a crash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from shared.ids import NodeId, RunId, flower_id

SERVER = 1  # the node id Flower gives its own server


def identify(run: RunId) -> int:
    """Set the identity that Flower stamps on every message: once a process, hence one child per run."""
    number = int.from_bytes(hashlib.sha256(run.encode()).digest()[:8], "big") >> 1
    assert TaskIdentity._run_id in (None, number), "this process already belongs to another run"
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, number, SERVER
    return number


class RoundGrid(Grid):  # type: ignore[misc]
    """Who is there in this round."""

    def __init__(self, run: RunId) -> None:
        self._run = Run.create_empty(identify(run))
        self._names: dict[int, NodeId] = {}

    def present(self, nodes: Iterable[NodeId]) -> None:
        """These nodes are here now."""
        self._names = {flower_id(node): node for node in nodes}

    def set_run(self, run: Run) -> None:
        self._run = run

    @property
    def run(self) -> Run:
        return self._run

    def get_node_ids(self) -> list[int]:
        return sorted(self._names)

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def push_messages(self, messages: Iterable[Message]) -> NoReturn:
        raise NotImplementedError("strategies are driven hook by hook; messages travel as duties")

    def pull_messages(self, message_ids: Iterable[str]) -> NoReturn:
        raise NotImplementedError("strategies are driven hook by hook; replies are handed to aggregate_train")

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> NoReturn:
        raise NotImplementedError("strategies are driven hook by hook; they may not wait for replies themselves")

    def configured(self, messages: Iterable[Message]) -> dict[NodeId, dict[str, Any]]:
        """What a strategy's messages tell each node, as plain JSON; their arrays travel as blobs of their own."""
        return {self._names[message.metadata.dst_node_id]: _plain(message.content) for message in messages}

    def replies(self, round_: int, kind: str, contents: Mapping[NodeId, RecordDict]) -> list[Message]:
        """Real replies to real instructions, sorted by Flower's node id, whatever the order they came in."""
        replies = []
        for node in sorted(contents, key=flower_id):
            instruction = self.create_message(RecordDict(), kind, flower_id(node), str(round_))
            name = hashlib.sha256(f"{round_}/{kind}/{node}".encode()).hexdigest()
            instruction.metadata.__dict__["_message_id"] = name  # as the SuperLink does
            replies.append(Message(contents[node], reply_to=instruction))
        return replies


def _plain(content: RecordDict) -> dict[str, Any]:
    """All ConfigRecords of a message in one object. JSON has no bytes: they become {"base64": text}."""
    flat: dict[str, Any] = {}
    for record in content.config_records.values():
        for key, value in record.items():
            flat[key] = [_scalar(item) for item in value] if isinstance(value, list) else _scalar(value)
    return flat


def _scalar(value: int | float | str | bool | bytes) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
