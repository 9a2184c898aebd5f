"""Who may be in the group: the rules, and promises that hold for any order of facts."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.logic import members as rules
from coordinator.logic.members import (
    TRIES,
    InviteFailed,
    InviteMade,
    InviteState,
    InviteWithdrawn,
    Joined,
    MemberFact,
    Members,
    Revoked,
)
from shared.errors import Refusal, Refused
from shared.ids import NodeId

MADE = InviteMade(at=100.0, id="i1", name="ana", secret_hash="good", expires=1000.0)
INVITED = rules.apply(Members(), MADE)
ANA, BO = NodeId("ana-node"), NodeId("bo-node")


def ask(members: Members, **changes: Any) -> tuple[MemberFact | None, Refused | None]:
    """Ana's PC asks with the right secret, unless `changes` say otherwise."""
    usual: dict[str, Any] = {
        "invite_id": "i1",
        "secret_hash": "good",
        "node": ANA,
        "public_key": "aa",
        "name": "ana-pc",
        "now": 200.0,
    }
    return rules.join(members, **(usual | changes))


def step(members: Members, **changes: Any) -> tuple[Members, Refusal | None]:
    """Ask, and record what came of it."""
    fact, refused = ask(members, **changes)
    return (rules.apply(members, fact) if fact else members), (refused.refusal if refused else None)


def joined() -> Members:
    return step(INVITED)[0]


def test_a_good_invite_lets_one_pc_in() -> None:
    members, refusal = step(INVITED)
    assert refusal is None
    assert rules.is_member(members, ANA)
    assert members.nodes[ANA].name == "ana-pc"
    assert rules.state(members.invites["i1"], 200.0) is InviteState.USED


def test_the_same_key_asking_again_gets_the_same_answer_even_after_the_expiry() -> None:
    assert ask(joined(), now=300.0) == (None, None)
    assert ask(joined(), now=5000.0) == (None, None)


def test_another_key_hears_when_and_by_which_pc_the_invite_was_used() -> None:
    used = rules.apply(INVITED, Joined(1_777_842_240.0, "i1", ANA, "ana-pc", "aa"))
    fact, refused = ask(used, node=BO, public_key="bb", now=1_777_900_000.0)
    assert fact is None
    assert refused is not None
    assert refused.refusal is Refusal.INVITE_USED
    assert "used on 3 May 2026 at 21:04 UTC by another PC (ana-pc)" in refused.sentence


def test_an_expired_invite_lets_nobody_in() -> None:
    fact, refused = ask(INVITED, now=1000.5)
    assert fact is None
    assert refused is not None
    assert refused.refusal is Refusal.INVITE_EXPIRED
    assert "1 Jan 1970 at 00:16 UTC" in refused.sentence


def test_an_unknown_invite_is_refused() -> None:
    assert step(INVITED, invite_id="i9") == (INVITED, Refusal.INVITE_UNKNOWN)


def test_five_wrong_tries_burn_an_invite_even_for_the_right_secret() -> None:
    members = INVITED
    for left in range(TRIES - 1, 0, -1):
        fact, refused = ask(members, secret_hash="bad")
        assert fact is not None
        assert refused is not None
        assert f"({left} more wrong" in refused.sentence
        members = rules.apply(members, fact)
    members, refusal = step(members, secret_hash="bad")
    assert refusal is Refusal.INVITE_BURNT
    assert step(members) == (members, Refusal.INVITE_BURNT)


def test_four_wrong_tries_do_not_burn_it() -> None:
    members = INVITED
    for _ in range(TRIES - 1):
        members, _ = step(members, secret_hash="bad")
    assert step(members)[1] is None


def test_wrong_secrets_cannot_burn_what_was_used() -> None:
    members = joined()
    for _ in range(2 * TRIES):
        members, refusal = step(members, secret_hash="bad", node=BO, public_key="bb")
        assert refusal is Refusal.INVITE_UNKNOWN
    assert ask(members) == (None, None)


def test_who_does_not_know_the_secret_learns_nothing_about_the_invite() -> None:
    _, refused = ask(joined(), secret_hash="bad", node=BO, public_key="bb")
    assert refused is not None
    assert "ana" not in refused.sentence


def test_a_revoked_key_never_comes_back() -> None:
    members = rules.apply(joined(), Revoked(300.0, ANA))
    members = rules.apply(members, InviteMade(400.0, "i2", "ana", "good", 2000.0))
    for id_ in ("i1", "i2"):
        fact, refused = ask(members, invite_id=id_, now=500.0)
        assert fact is None
        assert refused is not None
        assert refused.refusal is Refusal.REVOKED
        assert "potluck node leave" in refused.sentence
    assert rules.apply(members, Joined(600.0, "i2", ANA, "ana-pc", "aa")) == members
    renewed = rules.renewable(members, "aa")
    assert isinstance(renewed, Refused)
    assert renewed.refusal is Refusal.REVOKED
    standing = rules.standing(members, ANA, "aa")
    assert standing is not None
    assert standing.refusal is Refusal.REVOKED


def test_a_registered_key_may_renew_and_any_other_may_not() -> None:
    assert rules.renewable(joined(), "aa") == ANA
    unknown = rules.renewable(joined(), "bb")
    assert isinstance(unknown, Refused)
    assert unknown.refusal is Refusal.NOT_REGISTERED
    assert rules.standing(joined(), ANA, "aa") is None
    wrong_key = rules.standing(joined(), ANA, "bb")
    assert wrong_key is not None
    assert wrong_key.refusal is Refusal.NOT_REGISTERED


def test_a_pc_that_joins_again_keeps_its_place_under_its_new_name() -> None:
    members = rules.apply(joined(), InviteMade(400.0, "i2", "ana", "good", 2000.0))
    members, refusal = step(members, invite_id="i2", name="tower", now=500.0)
    assert refusal is None
    assert members.nodes[ANA].name == "tower"
    assert members.nodes[ANA].joined == 200.0
    assert step(members, invite_id="i2", node=BO, public_key="bb")[1] is Refusal.INVITE_USED


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("  ana\tpc\n", "ana pc"), ("\x1b[2Jevil", "[2Jevil"), ("", "ana"), ("\u202e\u200b", "ana"), ("x" * 99, "x" * 64)],
)
def test_names_are_fit_for_a_terminal(typed: str, kept: str) -> None:
    assert step(INVITED, name=typed)[0].nodes[ANA].name == kept


def test_a_pc_is_revoked_by_id_or_by_a_name_that_only_one_has() -> None:
    members = rules.apply(joined(), InviteMade(0.0, "i2", "bo", "good", 2000.0))
    assert rules.revoke(members, "ana-pc", 300.0) == Revoked(300.0, ANA)
    assert rules.revoke(members, ANA, 300.0) == Revoked(300.0, ANA)
    members, _ = step(members, invite_id="i2", node=BO, public_key="bb", name="ana-pc")
    twice, nobody = rules.revoke(members, "ana-pc", 300.0), rules.revoke(members, "zoe", 300.0)
    assert isinstance(twice, Refused)
    assert str(ANA) in twice.sentence
    assert str(BO) in twice.sentence
    assert isinstance(nobody, Refused)
    assert "potluck coordinator nodes" in nobody.sentence


def test_an_open_invite_of_that_name_is_withdrawn_and_lets_nobody_in() -> None:
    facts = rules.remove(INVITED, "ana", 300.0)
    assert facts == (InviteWithdrawn(300.0, "i1"),)
    members = rules.apply(INVITED, facts[0])
    assert rules.state(members.invites["i1"], 400.0) is InviteState.WITHDRAWN
    fact, refused = ask(members, now=400.0)
    assert fact is None
    assert refused is not None
    assert "The host withdrew this invite on 1 Jan 1970" in refused.sentence
    assert isinstance(rules.remove(members, "ana", 500.0), Refused)


def test_a_pc_and_the_open_invites_of_its_name_go_together() -> None:
    members = rules.apply(step(INVITED, name="ana")[0], InviteMade(250.0, "i2", "ana", "good", 2000.0))
    assert rules.remove(members, "ana", 300.0) == (Revoked(300.0, ANA), InviteWithdrawn(300.0, "i2"))


def test_a_name_that_is_taken_is_told() -> None:
    assert rules.namesakes(Members(), "ana", 200.0) == ""
    assert "open invite for ana" in rules.namesakes(INVITED, "ana", 200.0)
    assert "PC called ana" in rules.namesakes(step(INVITED, name="ana")[0], "ana", 200.0)


TIMES = (0.0, 300.0, 700.0, 1600.0)
NODES = (ANA, BO, NodeId("zoe-node"))
POOL: list[MemberFact] = [
    *(InviteMade(at, id_, "x", "good", expires) for at in TIMES for id_ in ("i1", "i2") for expires in (500.0, 1500.0)),
    *(InviteFailed(at, id_, tries) for at in TIMES for id_ in ("i1", "i2") for tries in range(1, TRIES + 2)),
    *(Joined(at, id_, node, "x", node + "-key") for at in TIMES for id_ in ("i1", "i2") for node in NODES),
    *(Revoked(at, node) for at in TIMES for node in NODES),
    *(InviteWithdrawn(at, id_) for at in TIMES for id_ in ("i1", "i2")),
]
KINDS = [[fact for fact in POOL if isinstance(fact, kind)] for kind in get_args(MemberFact)]
FACTS = st.sampled_from(KINDS).flatmap(st.sampled_from)  # each kind as often as the others


ASKS = st.tuples(st.sampled_from(["i1", "i2"]), st.sampled_from(NODES), st.booleans(), st.sampled_from(TIMES))


def fold(facts: list[MemberFact]) -> Members:
    members = Members()
    for fact in facts:
        members = rules.apply(members, fact)
    return members


@given(st.lists(FACTS, max_size=12))
@settings(max_examples=1000, deadline=None)
def test_repeated_facts_change_nothing(facts: list[MemberFact]) -> None:
    members = fold(facts)
    assert fold([*facts, *facts[-1:]]) == members
    assert fold([twin for fact in facts for twin in (fact, fact)]) == members


@given(st.lists(FACTS, max_size=12), FACTS)
@settings(max_examples=1000, deadline=None)
def test_who_is_revoked_stays_revoked_and_an_invite_keeps_its_first_user(
    facts: list[MemberFact], more: MemberFact
) -> None:
    before, after = fold(facts), fold([*facts, more])
    for node, member in before.nodes.items():
        if member.revoked is not None:
            assert after.nodes[node].revoked == member.revoked
            assert not rules.is_member(after, node)
    for id_, invite in before.invites.items():
        if invite.node is not None:
            assert after.invites[id_].node == invite.node
        assert after.invites[id_].tries >= invite.tries


@given(
    st.lists(ASKS, max_size=15),
    st.lists(st.tuples(st.integers(0, 14), st.sampled_from(NODES)), max_size=3),
)
@settings(max_examples=1000, deadline=None)
def test_no_order_of_asking_lets_two_keys_in_with_one_invite(
    asks: list[tuple[str, NodeId, bool, float]], revocations: list[tuple[int, NodeId]]
) -> None:
    members = fold([InviteMade(0.0, "i1", "x", "good", 1500.0), InviteMade(0.0, "i2", "x", "good", 500.0)])
    let_in: dict[str, set[NodeId]] = {"i1": set(), "i2": set()}
    for place, (id_, node, knows, now) in enumerate(sorted(asks, key=lambda one: one[3])):
        for when, whom in revocations:
            if when == place:
                members = rules.apply(members, Revoked(now, whom))
        before = members
        secret = "good" if knows else "bad"
        fact, refused = ask(members, invite_id=id_, node=node, public_key=node + "-key", secret_hash=secret, now=now)
        members = rules.apply(members, fact) if fact else members
        if refused is None:
            assert knows
            assert rules.is_member(members, node)
            let_in[id_].add(node)
            if before.invites[id_].node is None:
                assert now <= before.invites[id_].expires
                assert before.invites[id_].tries < TRIES
    assert all(len(nodes) <= 1 for nodes in let_in.values())
