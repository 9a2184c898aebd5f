"""A source that was begun, and what begins after it: neither spoils the other."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from node.data import __main__ as command
from node.data.building import build as building
from node.data.building.build import Progress, Wish, build
from node.data.building.choices import PLAIN, Choices
from node.data.building.finding import Found
from node.data.building.journal import Journal
from node.data.building.refining import Refiner, Work
from node.data.building.trying import try_out
from node.data.building.worker import refine
from node.data.collection import counted, read_meta
from node.data.tokens import tokenise
from node.home import data_counts
from shared.errors import OwnerMustAct
from tests.node.data.building.command import KEY, adding, digests, prose


class Killed(BaseException):
    """As a kill would, at a chosen moment."""


def begin(wish: Wish, key: bytes = KEY, share: float = 0.4) -> None:
    """Make that much of a source, and be killed."""

    def tell(progress: Progress) -> None:
        if progress.done > share * progress.total:
            raise Killed

    with pytest.raises(Killed):
        build(wish, key, 0, tell)


@pytest.fixture
def wish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wish:
    """A folder of several units, each committed."""
    monkeypatch.setattr(building, "COMMIT_SECONDS", 0.0)
    return Wish(tmp_path / "home", prose(tmp_path / "notes", files=16, paragraphs=30), "t", PLAIN)


@pytest.fixture
def undisturbed(wish: Wish, tmp_path: Path) -> dict[str, str]:
    build(replace(wish, home=tmp_path / "undisturbed"), KEY)
    return digests(tmp_path / "undisturbed")


def kept(wish: Wish) -> int:
    """Bytes of input that going on need not read again."""
    told: list[Progress] = []
    build(wish, KEY, 0, told.append)
    return told[0].kept


def test_a_worker_that_outlived_its_parent_cannot_write_into_the_next_plan(wish: Wish) -> None:
    begin(wish)
    beside = wish.home / "data" / ".t.new"
    with Journal(beside / ".state.db") as journal:
        label, unit = str((journal.plan() or {})["label"]), [*journal.units(0)][-1]
    blanking = replace(wish, choices=replace(PLAIN, licence="mine"))
    begin(blanking)
    for folder in (beside, beside / "elsewhere"):
        folder.mkdir(exist_ok=True)
        with pytest.raises(FileNotFoundError):
            refine(Refiner(Work(wish.folder, KEY, KEY, PLAIN)), folder, label, unit, [])


def test_other_choices_that_make_no_sense_cost_nothing_of_what_was_begun(wish: Wish, undisturbed: object) -> None:
    begin(wish)
    for nonsense in (Choices(no_rules=("no such rule",)), replace(PLAIN, hold_out=("no such file",))):
        with pytest.raises(OwnerMustAct):
            build(replace(wish, choices=nonsense), KEY)
    with pytest.raises(OwnerMustAct):
        build(replace(wish, folder=wish.folder / "not here"), KEY)
    assert kept(wish) > 0
    assert digests(wish.home) == undisturbed


def test_killed_while_another_plan_is_made_it_can_still_begin(
    wish: Wish, undisturbed: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(wish)
    with monkeypatch.context() as patched:
        patched.setattr(Found, "parts", lambda self: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            build(replace(wish, choices=replace(PLAIN, licence="mine")), KEY)
    build(wish, KEY)
    assert digests(wish.home) == undisturbed


def test_with_another_groups_key_it_begins_anew(wish: Wish, tmp_path: Path) -> None:
    begin(wish, key=b"o" * 32)
    build(wish, KEY)
    build(replace(wish, home=tmp_path / "other"), KEY)
    assert digests(wish.home) == digests(tmp_path / "other")


def test_killed_when_all_but_tidying_was_done_nothing_is_left_over(wish: Wish, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(source: Path) -> None:
        if source.exists():
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(building, "tidy", killed)
        with pytest.raises(Killed):
            build(wish, KEY)
    build(wish, KEY)
    left = {path.name for path in (wish.home / "data" / "t").iterdir()}
    assert not [name for name in left if name.startswith(("units", ".marks", ".poison"))]


@pytest.mark.parametrize("again", [(), ("--replace",)])
def test_killed_while_counting_tokens_the_same_words_count_them(
    wish: Wish, tokenizer_json: Path, again: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build(wish, KEY)  # as a kill leaves it when the shards stand
    assert made["tokens"] is None
    words = ["data", *adding(wish.home, wish.folder), "--cores", 0, "--tokenizer", tokenizer_json]

    def typed(*more: str) -> dict[str, object]:
        monkeypatch.setattr(sys, "argv", [*map(str, words), *more])
        return command.add(command._options())

    counted = typed(*again)
    assert isinstance(counted["tokens"], int)
    kept = read_meta(wish.home / "data" / "t")
    assert kept == {**made, "tokens": counted["tokens"]}  # nothing was read again
    with pytest.raises(OwnerMustAct, match="already"):  # it is a new wish now, for a name that is taken
        typed()
    assert typed("--replace")["label"] != made["label"]


def test_tokens_that_nobody_counted_are_counted_by_the_first_run(wish: Wish, tokenizer_json: Path) -> None:
    build(wish, KEY)
    assert data_counts(wish.home, ("t",))[0].tokens == 0
    tokenise(wish.home / "data" / "t", tokenizer_json)
    assert data_counts(wish.home, ("t",))[0].tokens > 0


def test_other_words_for_a_name_whose_tokens_are_not_counted_are_refused(wish: Wish, tmp_path: Path) -> None:
    build(wish, KEY)
    for other in (replace(wish, choices=replace(PLAIN, licence="mine")), replace(wish, folder=tmp_path / "other")):
        with pytest.raises(OwnerMustAct, match="already"):
            build(other, KEY)


def test_what_a_killed_dry_run_left_goes_with_the_next_one(wish: Wish) -> None:
    left = wish.home / "data" / ".dry-run-abc"
    left.mkdir(parents=True)
    (left / "00000000").write_text("somebody's own words")
    assert try_out(wish, KEY, 0, lambda progress: None)["documents"] == 16
    assert not [*(wish.home / "data").glob(".dry-run-*")]


def test_who_replaces_a_source_changes_only_the_choices_they_give(wish: Wish, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Choices(me=("Ana",), leave_out=("Cy",), blank_list=("Di",))
    build(replace(wish, choices=before), KEY)
    counted(wish.home / "data" / "t")

    def chosen(*more: str) -> Choices:
        words = ["data", *map(str, adding(wish.home, wish.folder)), "--choices", '{"leave_out": ["Bo"]}', *more]
        monkeypatch.setattr(sys, "argv", words)
        return command._choices(command._options())

    assert chosen("--replace") == replace(before, leave_out=("Bo",))
    assert chosen() == Choices(leave_out=("Bo",))
