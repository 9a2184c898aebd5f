"""A network of home lines: slow, cut off, losing and repeating. A stream keeps its order until it breaks; calls do not.

Whoever is cut off does not learn of it at once: what is said into a dead stream is lost without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, TypeVar

from shared.errors import Refused, TryLater
from shared.ids import NodeId
from shared.rpc.v1 import node_pb2 as pb
from tests.faults.schedules.events import Action, Events, Signal, Steps

if TYPE_CHECKING:
    from tests.faults.schedules.host import Host

T = TypeVar("T")

ANSWER_SECONDS = 30.0  # in which a call is answered, or given up
NOTICED_SECONDS = 40.0  # at most, until a side learns that its stream is dead


@dataclass
class Network:
    events: Events
    draw: Random
    faulty: bool = True
    away: set[NodeId] = field(default_factory=set)  # cut off

    def delay(self) -> float:
        slow = self.faulty and self.draw.random() < 0.05
        return self.draw.uniform(2.0, 20.0) if slow else self.draw.uniform(0.01, 0.3)

    def lost(self, node: NodeId) -> bool:
        return node in self.away or (self.faulty and self.draw.random() < 0.03)

    def repeated(self) -> bool:
        return self.faulty and self.draw.random() < 0.05

    def call(self, stream: Stream, host: Host, serve: Callable[[], Steps[T]]) -> Steps[T]:
        """One question and its answer. Raises TryLater when either is lost, Refused when the host says so.

        A question that was given up may still be under way at the host.
        """
        answers: list[T | Refused | TryLater] = []
        answered = Signal()
        stream.closing.append(answered.fire)

        life = host.life

        def answering(wait: float) -> Steps[None]:
            yield wait
            try:
                answer: T | Refused | TryLater = yield from serve()
            except (Refused, TryLater) as error:
                answer = error
            answers.append(answer)
            answered.fire()

        yield self.delay()
        if not self.lost(stream.node) and life is not None and life.alive:
            for wait in (0.0, *([self.delay()] if self.repeated() else [])):
                life.create_task(answering(wait))
        self.events.after(ANSWER_SECONDS, answered.fire)
        yield answered
        yield self.delay()
        if not answers or stream.closed or self.lost(stream.node):
            raise TryLater("No answer came.")
        if isinstance(answers[0], Refused | TryLater):
            raise answers[0]
        return answers[0]


class Stream:
    """One control stream, and the connection under it. Each side has a box of what has come and is not read yet."""

    def __init__(self, network: Network, node: NodeId, host: Host) -> None:
        self.node = node
        self._network, self._host, self._host_life = network, host, host.life
        self.at_host: list[pb.NodeMessage] = []
        self.at_friend: list[pb.CoordinatorMessage | Refused] = []
        self.came_to_host, self.came_to_friend = Signal(), Signal()
        self.dead = False  # nothing passes any more
        self.closed = False  # and the friend knows
        self.closing: list[Action] = []  # calls over this connection
        self._there = self._back = network.events.now  # when what was said last arrives

    def to_host(self, message: pb.NodeMessage) -> None:
        events = self._network.events
        self._there = max(self._there, events.now + self._network.delay())
        events.after(self._there - events.now, lambda: self._arrive(lambda: self._at_host(message)))

    def to_friend(self, message: pb.CoordinatorMessage | Refused) -> None:
        events = self._network.events
        self._back = max(self._back, events.now + self._network.delay())
        events.after(self._back - events.now, lambda: self._arrive(lambda: self._at_friend(message)))

    def break_off(self, at_once: bool = False) -> None:
        """From now on nothing passes; each side finds out by and by."""
        if not self.dead:
            self.dead = True
            self._network.events.after(0.0 if at_once else self._network.draw.uniform(0, NOTICED_SECONDS), self.close)

    def close(self) -> None:
        self.dead = self.closed = True
        for action in (*self.closing, self.came_to_friend.fire, self.came_to_host.fire):
            action()
        self.closing.clear()

    def _arrive(self, action: Action) -> None:
        network = self._network
        if self.dead:
            return
        if self._host.life is not self._host_life:  # the host's program has ended: its PC says so
            self.break_off(at_once=True)
        elif self.node in network.away or (network.faulty and network.draw.random() < 0.004):
            self.break_off()
        else:
            action()

    def _at_host(self, message: pb.NodeMessage) -> None:
        self.at_host.append(message)
        self.came_to_host.fire()

    def _at_friend(self, message: pb.CoordinatorMessage | Refused) -> None:
        self.at_friend.append(message)
        self.came_to_friend.fire()
