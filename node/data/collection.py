"""From a friend's folder to a text collection: `HOME/data/NAME/` with train and held tars and a page of counts.

Written in a folder beside and renamed, so that a collection is whole or absent; a replaced one is kept until the new
one stands.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from node.data.heldout import KEY_BYTES
from node.data.reading.kinds import NOT_READ, is_of_unknown_kind
from node.data.shards import ADD_AGAIN
from shared.disk import sync_folder, turn, write
from shared.errors import OwnerMustAct

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
UNCOUNTED = ".uncounted"  # in a collection that is whole, but whose tokens its `add` has not counted yet
LOCK = ".lock"  # in a collection: held by who makes something of it, or takes it away
NAMED = 3  # skipped files named for each reason


@dataclass(frozen=True, slots=True)
class Wish:
    """A folder of text that is clean already."""

    home: Path
    folder: Path
    name: str
    hold_out: Sequence[str] = ()
    replace: bool = False


def add(wish: Wish, group_key: bytes) -> dict[str, Any]:
    """Make a collection of the words as they are, in this process. Owners' text goes through `building.build`."""
    from node.data.building import build
    from node.data.building.choices import PLAIN

    choices = replace(PLAIN, hold_out=tuple(wish.hold_out))
    meta = build.build(build.Wish(wish.home, wish.folder, wish.name, choices, wish.replace), group_key)
    counted(wish.home / "data" / wish.name)
    return meta


def counted(collection: Path) -> None:
    """Nothing of its `add` is left to do: the same words are another wish from now on."""
    (collection / UNCOUNTED).unlink(missing_ok=True)


class NameTaken(OwnerMustAct):
    """There is a collection of that name: replace it, or choose another."""


def read_meta(collection: Path) -> dict[str, Any]:
    """The counts of a collection. Raises OwnerMustAct when the folder is not one."""
    try:
        meta: dict[str, Any] = json.loads((collection / "meta.json").read_bytes())
    except (OSError, ValueError) as error:
        raise OwnerMustAct(f"{collection} is not a text collection. {ADD_AGAIN}") from error
    return meta


def label_of(collection: Path) -> str:
    """What the index of duplicates calls it; "" where there is none."""
    try:
        return str(read_meta(collection).get("label", ""))
    except OwnerMustAct:
        return ""


def write_meta(collection: Path, meta: dict[str, Any]) -> None:
    """Keep a page of counts."""
    write(collection / "meta.json", json.dumps(meta, indent=2, sort_keys=True, ensure_ascii=False).encode())


@contextmanager
def at_rest(collection: Path, meta: Mapping[str, Any]) -> Iterator[None]:
    """Nobody removes or replaces it meanwhile. Raises OwnerMustAct when somebody did since `meta` was read."""
    with ExitStack() as held:
        try:
            held.enter_context(turn(collection / LOCK))
            now = read_meta(collection)
        except (FileNotFoundError, OwnerMustAct):
            now = {}
        if any(now.get(key) != meta.get(key) for key in ("added", "label")) or not now:
            raise OwnerMustAct(f"{collection.name} was removed or replaced while its tokens were counted.")
        yield


def read_group_key(path: Path) -> bytes:
    """The 32 bytes that the group shares. Raises OwnerMustAct before this PC has joined."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise OwnerMustAct(
            "This PC has not joined a group yet, so it cannot know what to hold out. Join first: potluck node join"
        ) from None
    if len(key) != KEY_BYTES:
        raise OwnerMustAct(f"{path} is damaged ({len(key)} bytes, not {KEY_BYTES}). Join again with a new invite.")
    return key


def checked_name(name: str) -> str:
    """The name, if a folder may bear it."""
    if not _NAME.fullmatch(name):
        raise OwnerMustAct(f"A collection cannot be called {name!r}. Use letters, digits, - and _, at most 64 of them.")
    return name


def skipped_words(named: Mapping[str, Sequence[str]], numbers: Mapping[str, int]) -> list[str]:
    """["12 not UTF-8: a.txt, b.txt, c.txt and 9 more"], what can be mended first, then the commonest reason.

    `named`: the first of each.
    """
    lines, unknown = [], {reason: number for reason, number in numbers.items() if is_of_unknown_kind(reason)}
    for reason, number in sorted(numbers.items(), key=lambda item: (is_of_unknown_kind(item[0]), -item[1])):
        if reason in unknown and len(unknown) > NAMED:
            continue
        more = f" and {number - NAMED:,} more" if number > NAMED else ""
        lines.append(f"{number:,} {reason}: {', '.join(named[reason][:NAMED])}{more}")
    if len(unknown) > NAMED:
        kinds = sorted(unknown.items(), key=lambda item: -item[1])
        most = ", ".join(
            f"{number:,} {reason.removesuffix(NOT_READ)[:-2] or 'others'}" for reason, number in kinds[: 2 * NAMED]
        )
        more = f" and {len(kinds) - 2 * NAMED} more" if len(kinds) > 2 * NAMED else ""
        lines.append(f"{sum(unknown.values()):,} of kinds that are not read: {most}{more}")
    return lines


def matches(name: str, glob: str) -> bool:
    return fnmatch.fnmatchcase(name, glob) or fnmatch.fnmatchcase(name.rpartition("/")[2], glob)


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def recover(target: Path) -> None:
    """After a crash between the two renames of `put_in_place`: the old collection comes back."""
    if _old(target).exists() and not target.exists():
        os.replace(_old(target), target)
    for left in halves(target):
        shutil.rmtree(left, ignore_errors=True)


def take_away(target: Path) -> None:
    """At once for whoever looks; then its space. Waits for who counts its tokens."""
    shutil.rmtree(_gone(target), ignore_errors=True)
    with turn(target / LOCK):
        os.replace(target, _gone(target))
    sync_folder(target.parent)
    shutil.rmtree(_gone(target))


def halves(target: Path) -> tuple[Path, Path]:
    """What a crash may leave of one that was replaced or removed."""
    return _old(target), _gone(target)


def _gone(target: Path) -> Path:
    return target.with_name(f".{target.name}.gone")


def put_in_place(beside: Path, target: Path) -> None:
    if target.exists():
        with turn(target / LOCK):
            os.replace(target, _old(target))
    os.replace(beside, target)
    sync_folder(target.parent)
    shutil.rmtree(_old(target), ignore_errors=True)
