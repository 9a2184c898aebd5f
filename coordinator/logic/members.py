"""Who may be in the group: invites, the PCs that used them, and those that were removed.

    open --Joined--> used            an invite is bound to the first key that used it; that key may ask again
      |--5 x InviteFailed--> burnt
      |--InviteWithdrawn--> withdrawn
      '--its time passes--> expired

Repeated facts change nothing. A revoked key never comes back; its PC makes a new key and needs a new invite.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from shared.clock import moment
from shared.errors import Refusal, Refused
from shared.ids import NodeId

TRIES = 5  # wrong secrets that burn an invite
_SHORT_ID = 6  # characters of an id, as tables show it
_NAME = 64  # characters of a PC's name


@dataclass(frozen=True, slots=True)
class InviteMade:
    at: float  # UTC seconds, as in every fact
    id: str  # hex
    name: str  # whom it is for
    secret_hash: str  # hex
    expires: float  # UTC seconds


@dataclass(frozen=True, slots=True)
class InviteFailed:
    """Somebody named this invite with a wrong secret, for the `tries`th time (so that a repeated fact counts once)."""

    at: float
    id: str
    tries: int


@dataclass(frozen=True, slots=True)
class Joined:
    at: float
    invite: str  # id, hex
    node: NodeId
    name: str
    public_key: str  # SubjectPublicKeyInfo, DER, hex


@dataclass(frozen=True, slots=True)
class Revoked:
    at: float
    node: NodeId


@dataclass(frozen=True, slots=True)
class InviteWithdrawn:
    """The host took back an invite that nobody had used."""

    at: float
    id: str


MemberFact = InviteMade | InviteFailed | Joined | Revoked | InviteWithdrawn


@dataclass(frozen=True, slots=True)
class Invited:
    """An invite and what became of it."""

    name: str
    secret_hash: str
    expires: float
    tries: int = 0  # wrong ones
    node: NodeId | None = None  # who used it
    used: float = 0.0  # when
    withdrawn: float | None = None  # when the host took it back


@dataclass(frozen=True, slots=True)
class Member:
    """A PC that joined."""

    name: str
    public_key: str
    joined: float
    revoked: float | None = None


@dataclass(frozen=True, slots=True)
class Members:
    invites: dict[str, Invited] = field(default_factory=dict)  # by id
    nodes: dict[NodeId, Member] = field(default_factory=dict)


class InviteState(StrEnum):
    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    BURNT = "burnt"
    WITHDRAWN = "withdrawn"


def apply(members: Members, fact: MemberFact) -> Members:
    """The members after `fact`. Repeated or impossible facts change nothing."""
    match fact:
        case InviteMade():
            new = Invited(fact.name, fact.secret_hash, fact.expires)
            return members if fact.id in members.invites else _with_invite(members, fact.id, new)
        case InviteFailed():
            invite = members.invites.get(fact.id)
            if invite is None or fact.tries <= invite.tries:
                return members
            return _with_invite(members, fact.id, replace(invite, tries=fact.tries))
        case Joined():
            return _joined(members, fact)
        case Revoked():
            member = members.nodes.get(fact.node)
            if member is None or member.revoked is not None:
                return members
            return replace(members, nodes={**members.nodes, fact.node: replace(member, revoked=fact.at)})
        case InviteWithdrawn():
            invite = members.invites.get(fact.id)
            if invite is None or invite.node is not None or invite.withdrawn is not None:
                return members
            return _with_invite(members, fact.id, replace(invite, withdrawn=fact.at))
        case _:
            assert_never(fact)


def join(
    members: Members, *, invite_id: str, secret_hash: str, node: NodeId, public_key: str, name: str, now: float
) -> tuple[MemberFact | None, Refused | None]:
    """Whether this key may come in with this invite: the fact to record, if any, and the refusal, if any.

    (None, None) is the answer for a key that has used this invite already: it gets the same answer again.
    Only who knows the secret is told what became of the invite.
    """
    invite = members.invites.get(invite_id)
    if invite is None:
        return None, Refused(Refusal.INVITE_UNKNOWN, "This host did not make this invite. Ask it for a new one.")
    phase = state(invite, now)
    if phase is InviteState.BURNT:
        return None, _burnt()
    if not hmac.compare_digest(invite.secret_hash, secret_hash):
        return _wrong_secret(invite_id, invite, phase, now)
    if invite.withdrawn is not None:
        sentence = f"The host withdrew this invite on {moment(invite.withdrawn)}. Ask the host for a new one."
        return None, Refused(Refusal.INVITE_EXPIRED, sentence)
    if phase is InviteState.USED and invite.node != node:
        return None, _used(members, invite)
    if (member := members.nodes.get(node)) is not None and member.revoked is not None:
        return None, _revoked(member, member.revoked)
    if phase is InviteState.USED:
        return None, None
    if phase is InviteState.EXPIRED:
        sentence = f"This invite was good until {moment(invite.expires)}. Ask the host for a new one."
        return None, Refused(Refusal.INVITE_EXPIRED, sentence)
    return Joined(now, invite_id, node, clean(name) or clean(invite.name) or node, public_key), None


def renewable(members: Members, public_key: str) -> NodeId | Refused:
    """Whose key this is, if it may have another certificate."""
    node = next((node for node, member in members.nodes.items() if member.public_key == public_key), None)
    if node is None:
        return _unknown()
    return standing(members, node, public_key) or node


def standing(members: Members, node: NodeId, public_key: str) -> Refused | None:
    """Why a node that shows a certificate of ours may not come in; None when it may."""
    member = members.nodes.get(node)
    if member is None or member.public_key != public_key:
        return _unknown()
    return _revoked(member, member.revoked) if member.revoked is not None else None


def remove(members: Members, who: str, now: float) -> tuple[Revoked | InviteWithdrawn, ...] | Refused:
    """What `revoke WHO` means: the PC with this id or name goes, and so do the open invites of that name."""
    open_ = [id_ for id_, invite in members.invites.items() if state(invite, now) is InviteState.OPEN]
    invites = tuple(InviteWithdrawn(now, id_) for id_ in open_ if members.invites[id_].name == clean(who))
    match revoke(members, who, now):
        case Revoked() as revoked:
            return (revoked, *invites)
        case _ if invites and not _present(members, who):
            return invites
        case refused:
            return refused


def namesakes(members: Members, name: str, now: float) -> str:
    """Who has this name already, in words; nothing when nobody does."""
    if _present(members, name):
        return f"A PC called {name} is in the group already."
    if any(invite.name == name and state(invite, now) is InviteState.OPEN for invite in members.invites.values()):
        return f"There is an open invite for {name} already."
    return ""


def revoke(members: Members, who: str, now: float) -> Revoked | Refused:
    """Remove the PC with this id (or its beginning) or name, if only one has it. Twice is the same removal."""
    if (member := members.nodes.get(NodeId(who))) is not None:
        return Revoked(now if member.revoked is None else member.revoked, NodeId(who))
    match _present(members, who):
        case [node]:
            return Revoked(now, node)
        case []:
            sentence = f"No PC and no open invite here is called {who!r}. `potluck coordinator nodes` lists them."
            return Refused(Refusal.NOT_REGISTERED, sentence)
        case named:
            sentence = f"{len(named)} PCs are called {who!r}: {', '.join(sorted(named))}. Give the id of one."
            return Refused(Refusal.NOT_REGISTERED, sentence)


def is_member(members: Members, node: NodeId) -> bool:
    """Joined, and not revoked."""
    member = members.nodes.get(node)
    return member is not None and member.revoked is None


def state(invite: Invited, now: float) -> InviteState:
    """What can be done with the invite now. Being used comes first: whoever used it may ask again for ever."""
    if invite.node is not None:
        return InviteState.USED
    if invite.tries >= TRIES:
        return InviteState.BURNT
    if invite.withdrawn is not None:
        return InviteState.WITHDRAWN
    return InviteState.EXPIRED if now > invite.expires else InviteState.OPEN


def clean(name: str) -> str:
    """A name fit for tables and logs: one line, nothing that moves a terminal's cursor, at most 64 characters."""
    return " ".join("".join(character if character.isprintable() else " " for character in name).split())[
        :_NAME
    ].strip()


def _present(members: Members, who: str) -> list[NodeId]:
    """The PCs of that name that were not removed, or else those whose id begins so."""
    present = {node: member for node, member in members.nodes.items() if member.revoked is None}
    named = [node for node, member in present.items() if member.name == who]
    if not named and len(who) >= _SHORT_ID:
        named = [node for node in present if node.startswith(who)]
    return named


def _joined(members: Members, fact: Joined) -> Members:
    """The first key to use an invite has it. A PC that joins again keeps its place, under its new name."""
    invite = members.invites.get(fact.invite)
    before = members.nodes.get(fact.node)
    if invite is None or invite.node is not None or invite.withdrawn is not None:
        return members
    if before is not None and before.revoked is not None:
        return members
    member = replace(before, name=fact.name) if before is not None else Member(fact.name, fact.public_key, fact.at)
    members = replace(members, nodes={**members.nodes, fact.node: member})
    return _with_invite(members, fact.invite, replace(invite, node=fact.node, used=fact.at))


def _with_invite(members: Members, id_: str, invite: Invited) -> Members:
    return replace(members, invites={**members.invites, id_: invite})


def _wrong_secret(id_: str, invite: Invited, phase: InviteState, now: float) -> tuple[InviteFailed | None, Refused]:
    """Only an open invite can be burnt: with any other there is nothing left to guess."""
    if phase is not InviteState.OPEN:
        return None, Refused(Refusal.INVITE_UNKNOWN, "The secret in this invite is wrong. Ask the host for a new one.")
    fact = InviteFailed(now, id_, invite.tries + 1)
    if fact.tries >= TRIES:
        return fact, _burnt()
    left = TRIES - fact.tries
    sentence = (
        "The secret in this invite is wrong. Copy the invite again from the host's message "
        f"({left} more wrong {'try' if left == 1 else 'tries'} and it is void)."
    )
    return fact, Refused(Refusal.INVITE_UNKNOWN, sentence)


def _burnt() -> Refused:
    sentence = f"This invite was tried {TRIES} times with a wrong secret and is void now. Ask the host for a new one."
    return Refused(Refusal.INVITE_BURNT, sentence)


def _used(members: Members, invite: Invited) -> Refused:
    assert invite.node is not None
    by = members.nodes[invite.node].name
    return Refused(
        Refusal.INVITE_USED,
        f"This invite was used on {moment(invite.used)} by another PC ({by}). "
        "Ask for a new one; if that PC is not yours, tell the host at once.",
    )


def _revoked(member: Member, at: float) -> Refused:
    return Refused(
        Refusal.REVOKED,
        f"The host removed this PC ({member.name}) from the group on {moment(at)}. "
        "If it should come back: `potluck node leave` here, then join with a new invite.",
    )


def _unknown() -> Refused:
    return Refused(
        Refusal.NOT_REGISTERED,
        "The host does not know this PC's key (was the host set up anew?). "
        "Ask for a new invite, then `potluck node leave` and join again.",
    )
