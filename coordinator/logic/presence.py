"""What a node last said of itself, and whether it is there to say more."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from coordinator.logic.facts import Ability, Availability, AvailabilityChanged, DataCount, Greeted, Left, Lost, NodeFact
from coordinator.logic.round_state import Standing
from shared.ids import NodeId


class Link(StrEnum):
    HERE = "here"  # its control stream is open, as far as the journal knows
    LOST = "lost"  # silent past its lease
    STOPPED = "stopped"  # its owner ended its program; it needs no lease to be gone
    LEFT = "left"  # said goodbye


@dataclass(frozen=True, slots=True)
class Presence:
    node: NodeId
    link: Link
    since: float  # UTC seconds: when `link` became so
    availability: Availability
    hardware: str = ""
    data: tuple[DataCount, ...] = ()
    step_seconds: dict[str, float] = field(default_factory=dict)  # run -> seconds a local step


def apply(presence: Presence | None, fact: NodeFact) -> Presence | None:
    """The node's presence after the fact. A node that never greeted stays unknown."""
    match fact:
        case Greeted():
            here = presence is not None and presence.link is Link.HERE
            since = presence.since if presence is not None and here else fact.at
            return Presence(fact.node, Link.HERE, since, fact.availability, fact.hardware, fact.data, fact.step_seconds)
        case _ if presence is None:
            return None
        case AvailabilityChanged() if fact.availability.state is Ability.STOPPED:
            return replace(presence, link=Link.STOPPED, since=fact.at) if presence.link is Link.HERE else presence
        case AvailabilityChanged():
            return replace(presence, availability=fact.availability)
        case Lost():
            return replace(presence, link=Link.LOST, since=fact.at) if presence.link is Link.HERE else presence
        case Left():
            return replace(presence, link=Link.LEFT, since=fact.at) if presence.link is not Link.LEFT else presence
        case _:
            assert_never(fact)


def standing(presence: Presence) -> Standing:
    """What it means for an open round."""
    match presence.link:
        case Link.LOST | Link.STOPPED:
            return Standing.LOST
        case Link.LEFT:
            return Standing.LEFT
        case Link.HERE:
            return _able(presence.availability.state)
        case _:
            assert_never(presence.link)


def ready(presence: Presence) -> bool:
    """It could begin to work now."""
    return standing(presence) is Standing.ASKED


def _able(ability: Ability) -> Standing:
    match ability:
        case Ability.READY:
            return Standing.ASKED
        case Ability.PAUSED:
            return Standing.PAUSED
        case Ability.NO_DATA | Ability.BROKEN | Ability.STOPPED:
            return Standing.UNABLE
        case _:
            assert_never(ability)
