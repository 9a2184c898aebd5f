"""Other people's names: the same pseudonym everywhere, and never the name."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.data.chats.people import Disguise, Pseudonyms, read_key, same_name
from node.data.chats.said import mention

QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy PC, too
KEY = b"p" * 32


def test_a_person_has_one_pseudonym_in_all_chats() -> None:
    people = Pseudonyms(KEY)
    first, second = people.of(["Ana Müller", "Bo"]), people.of(["~ ana  MÜLLER 🌸", "+49 170 1234567"])
    assert first["Ana Müller"] == second["~ ana  MÜLLER 🌸"]
    assert len({*first.values(), *second.values()}) == 3
    assert Pseudonyms(b"q" * 32).of(["Bo"]) != Pseudonyms(KEY).of(["Bo"])
    assert same_name("+49 (170) 123-4567") == same_name("+491701234567")


@QUIET
@given(st.lists(st.text(min_size=1, max_size=8), max_size=50))
def test_two_people_of_a_chat_are_never_called_the_same(names: list[str]) -> None:
    called = Pseudonyms(KEY).of(names)
    assert len(set(called.values())) == len({same_name(name) for name in names})


def test_colliding_digests_are_told_apart() -> None:
    names = [f"person {n}" for n in range(3000)]  # of their four digits some are the same
    assert len(set(Pseudonyms(KEY).of(names).values())) == 3000


def test_who_agreed_keeps_the_name() -> None:
    called = Pseudonyms(KEY, keep=["ana müller"]).of(["Ana Müller", "Bo Berg"])
    assert called["Ana Müller"] == "Ana Müller"
    assert Disguise(called)(f"Ana, {mention('Ana Müller')} and Bo").startswith("Ana, Ana Müller and ")


CALLED = {"Ana Müller": "Robin-1", "Will Stone": "Kim-2", "Mama": "Alex-3", "+49 170 1234567": "Sam-4",
          "Zoë K.": "Lou-5", "Jean-Luc": "Val-6", "x": "Vic-7", "🌸": "Wynn-8", "李雷": "Noa-9",
          "Bo": "Bo-10"}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Ana Müller said so", "Robin-1 said so"),
        ("ana, ANA, Ana's and anas", "Robin-1, Robin-1, Robin-1's and anas"),
        ("Frau Müller", "Frau Robin-1"),
        ("banana Anabel", "banana Anabel"),
        ("I will ask Will", "I will ask Kim-2"),
        ("mama and Mama", "mama and Mama"),
        ("call +49 170 1234567 or +491701234567", "call Sam-4 or Sam-4"),
        ("@491701234567 look", "Sam-4 look"),
        (f"{mention('Ana Müller')} look, {mention('Someone Else')}", "Robin-1 look, somebody"),
        ("zoë! Zoe\u0308!", "Lou-5! Lou-5!"),
        ("Jean-Luc and jean-luc", "Val-6 and Val-6"),
        ("x marks 🌸", "x marks 🌸"),
        ("李雷来了", "Noa-9来了"),
        ("Bo and bo", "Bo-10 and bo"),
        ("", ""),
    ],
)
def test_names_are_found_in_what_is_said(said: str, meant: str) -> None:
    assert Disguise(CALLED)(said) == meant


def test_the_key_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "people.key"
    key = read_key(path)
    assert len(key) == 32
    assert read_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
