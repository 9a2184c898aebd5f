"""Invites survive chat apps, and say in words what is wrong with them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import invite
from shared.errors import OwnerMustAct
from shared.invite import Invite

ADDRESSES = ("192.168.1.20:7444", "[2001:db8::7]:7444", "home.example.org:7444")
ONE = Invite(bytes(range(32)), bytes(8), bytes(range(16)), 1_800_000_000, ADDRESSES)


def test_an_invite_comes_back_as_it_was() -> None:
    assert invite.parse(invite.word(ONE)) == ONE


def test_one_address_makes_a_word_of_about_a_hundred_characters() -> None:
    assert len(invite.word(Invite(ONE.pin, ONE.id, ONE.secret, ONE.expires, ("192.168.1.20:7444",)))) <= 112


@pytest.mark.parametrize(
    "mangle",
    [
        lambda word: f"  {word}\n",
        lambda word: f'"{word}"',
        lambda word: f"“{word}”.",
        lambda word: f"`{word}`",
        lambda word: f"potluck node join {word}",
        lambda word: f"$ potluck node join '{word}'\n",
        lambda word: "\n".join(word[start : start + 40] for start in range(0, len(word), 40)),
        lambda word: "> potluck node join " + "\n   ".join((word[:60], word[60:])),
        lambda word: "\u200b" + word + "\u200e",
        lambda word: f"Hi Ana! Type this: potluck node join {word}",
    ],
)
def test_what_chat_apps_do_to_a_word_does_no_harm(mangle) -> None:  # type: ignore[no-untyped-def]
    assert invite.parse(mangle(invite.word(ONE))) == ONE


@pytest.mark.parametrize("kept", [5, 20, 60, 100, -1, -4, -12])
def test_a_cut_invite_is_called_cut(kept: int) -> None:
    with pytest.raises(OwnerMustAct, match="cut or mistyped"):
        invite.parse(invite.word(ONE)[:kept])


def test_a_mistyped_invite_is_called_mistyped() -> None:
    word = invite.word(ONE)
    with pytest.raises(OwnerMustAct, match="mistyped"):
        invite.parse(word[:30] + ("A" if word[30] != "A" else "B") + word[31:])
    with pytest.raises(OwnerMustAct, match="does not belong in it"):
        invite.parse(word[:30] + "§" + word[31:])


@pytest.mark.parametrize("text", ["", "hello", "https://example.org/join", "K10abc::server:secret"])
def test_something_else_is_called_something_else(text: str) -> None:
    with pytest.raises(OwnerMustAct, match="not an invite"):
        invite.parse(text)


def test_an_invite_of_a_newer_kind_asks_for_an_update() -> None:
    with pytest.raises(OwnerMustAct, match="Update potluck"):
        invite.parse("pl2-abcdef")


def test_neither_repr_nor_errors_show_the_secret() -> None:
    one = invite.fresh(bytes(32), 1_800_000_000, ADDRESSES)
    assert repr(one.secret) not in repr(one)
    assert "secret" not in repr(one)
    with pytest.raises(OwnerMustAct) as error:
        invite.parse(invite.word(one)[:-3])
    assert invite.word(one)[70:90] not in str(error.value)
    assert error.value.__suppress_context__ or error.value.__context__ is None


def test_two_fresh_invites_share_nothing() -> None:
    one, other = (invite.fresh(bytes(32), 1_800_000_000, ADDRESSES) for _ in range(2))
    assert one.secret != other.secret
    assert one.id != other.id
    assert invite.secret_hash(one.secret) != invite.secret_hash(other.secret)


@given(st.text(max_size=300))
@settings(deadline=None)
def test_any_text_at_all_is_read_or_refused_in_words(text: str) -> None:
    for typed in (text, "pl1-" + text):
        with pytest.raises(OwnerMustAct):
            invite.parse(typed)


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**32 - 1),
)
def test_every_invite_comes_back(pin: bytes, id_: bytes, secret: bytes, expires: int) -> None:
    one = Invite(pin, id_, secret, expires, ("h:1",))
    assert invite.parse(f"potluck node join {invite.word(one)}") == one
