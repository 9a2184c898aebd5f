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
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node.data import chat, documents, shards
from node.data.chat import Conversation
from node.data.chats.parts import Part, cut, whole
from node.data.document import Message
from node.data.documents import Chats, Document, Skipped
from node.data.heldout import KEY_BYTES, Fate, Sorter
from node.data.shards import ADD_AGAIN
from shared.disk import private_folder, sync_folder, turn, write
from shared.errors import OwnerMustAct

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
NAMED = 3  # skipped files named for each reason
SEPARATOR = "\n\n"  # between the paragraphs of a document
Progress = Callable[[int, int], None]  # files done, files in all


class NameTaken(OwnerMustAct):
    """There is a collection of that name: replace it, or choose another."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the owner asked for."""

    home: Path  # the node's home, which holds data/
    folder: Path
    name: str
    hold_out: Sequence[str] = ()  # globs over relative paths or file names
    replace: bool = False


def add(wish: Wish, group_key: bytes, progress: Progress = lambda done, total: None) -> dict[str, Any]:
    """Make the collection; returns its meta.json. Raises OwnerMustAct (NameTaken) in words, changing nothing."""
    data = private_folder(wish.home / "data")
    target = data / checked_name(wish.name)
    names = documents.files(wish.folder)
    with turn(data / ".lock"):
        _recover(target)
        if target.exists() and not wish.replace:
            raise NameTaken(
                f"There is a collection called {wish.name} already. Choose another name, "
                "or say --replace to put the new one in its place."
            )
        beside = data / f".{wish.name}.new"
        shutil.rmtree(beside, ignore_errors=True)
        private_folder(beside)
        try:
            meta = _fill(beside, wish, names, group_key, progress)
            write_meta(beside, meta)
            _put_in_place(beside, target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return meta


def read_meta(collection: Path) -> dict[str, Any]:
    """The counts of a collection. Raises OwnerMustAct when the folder is not one."""
    try:
        meta: dict[str, Any] = json.loads((collection / "meta.json").read_bytes())
    except (OSError, ValueError) as error:
        raise OwnerMustAct(f"{collection} is not a text collection. {ADD_AGAIN}") from error
    return meta


def write_meta(collection: Path, meta: dict[str, Any]) -> None:
    """Keep a page of counts."""
    write(collection / "meta.json", json.dumps(meta, indent=2, sort_keys=True, ensure_ascii=False).encode())


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


def _fill(beside: Path, wish: Wish, names: list[str], group_key: bytes, progress: Progress) -> dict[str, Any]:
    """Read every file, give every paragraph its fate, write both tars."""
    tests = [name for name in names if any(_matches(name, glob) for glob in wish.hold_out)]
    if wish.hold_out and not tests:
        raise OwnerMustAct(f"No file in {wish.folder} matches --hold-out {' '.join(wish.hold_out)}.")
    sorter = Sorter(group_key, test_files=bool(tests))
    counts: Counter[str] = Counter()
    skipped: dict[str, list[str]] = {}  # reason -> names
    in_tests = set(tests)
    with shards.Shards(beside, "train") as train, shards.Shards(beside, "held") as held:
        for done, name in enumerate([*tests, *(name for name in names if name not in in_tests)], 1):
            match documents.read(wish.folder, name):
                case Skipped(_, reason):
                    skipped.setdefault(reason, []).append(name)
                case Document() as document:
                    fates = _sorted(document, sorter, in_test_file=name in in_tests)
                    counts["documents"] += 1
                    counts.update({f"{fate} paragraphs": len(these) for fate, these in fates.items()})
                    for fate, writer in ((Fate.TRAIN, train), (Fate.TEST, held)):
                        if fates[fate]:
                            text = SEPARATOR.join(fates[fate])
                            writer.write(facts={"file": name, "paragraphs": len(fates[fate])}, text=text)
                            counts[f"{fate} bytes"] += len(text.encode())
                case Chats(_, said):
                    for conversation in said:
                        counts["documents"] += 1
                        counts["conversations"] += 1
                        for part in _parts(conversation, sorter, counts, in_test_file=name in in_tests):
                            to = train if part.fate is Fate.TRAIN else held
                            to.write(facts={"file": name, "messages": part.messages}, text=part.text)
                            counts[f"{part.fate} bytes"] += len(part.text.encode())
            progress(done, len(names))
    if not train.samples and not held.samples:
        raise OwnerMustAct(f"Nothing in {wish.folder} could be used: {'; '.join(skipped_words(skipped))}.")
    return {
        "added": datetime.now(UTC).isoformat(timespec="seconds"),
        "conversations": counts["conversations"],
        "bytes": counts["train bytes"] + counts["test bytes"],
        "documents": counts["documents"],
        "files": len(names),
        "held_out_bytes": counts["test bytes"],
        "held_out_documents": held.samples,
        "hold_out": list(wish.hold_out),
        "name": wish.name,
        "repeated_paragraphs": counts[f"{Fate.REPEATED} paragraphs"],
        "set_aside_paragraphs": counts[f"{Fate.SET_ASIDE} paragraphs"],
        "skipped": {reason: len(names) for reason, names in sorted(skipped.items())},
        "skipped_words": skipped_words(skipped),
        "source_words": f"the folder {wish.folder.resolve()}",
        "tokens": None,  # known once there is a tokenizer
        "train_bytes": counts["train bytes"],
        "train_documents": train.samples,
    }


def skipped_words(skipped: Mapping[str, Sequence[str]]) -> list[str]:
    """["12 not UTF-8: a.txt, b.txt, c.txt and 9 more"], the commonest reason first."""
    lines = []
    for reason, names in sorted(skipped.items(), key=lambda item: -len(item[1])):
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        lines.append(f"{len(names):,} {reason}: {', '.join(names[:NAMED])}{more}")
    return lines


def _sorted(document: Document, sorter: Sorter, *, in_test_file: bool) -> dict[Fate, list[str]]:
    fates: dict[Fate, list[str]] = {fate: [] for fate in Fate}
    for paragraph in document.paragraphs:
        fates[sorter.fate(paragraph, in_test_file=in_test_file)].append(paragraph)
    return fates


def _parts(conversation: Conversation, sorter: Sorter, counts: Counter[str], *, in_test_file: bool) -> Iterator[Part]:
    """What of a conversation is trained on and what is tested, by the fate of each message."""
    if sorter.repeated(chat.words(conversation)):
        counts[f"{Fate.REPEATED} paragraphs"] += 1
        return
    messages = [Message(one["role"], one["content"]) for one in conversation]
    fates = [sorter.message_fate(one.content, in_test_file=in_test_file) for one in messages]
    counts.update(f"{fate} paragraphs" for fate in fates)
    yield from [whole(messages)] if in_test_file else cut(messages, fates)


def _matches(name: str, glob: str) -> bool:
    return fnmatch.fnmatchcase(name, glob) or fnmatch.fnmatchcase(name.rpartition("/")[2], glob)


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _recover(target: Path) -> None:
    """After a crash between the two renames of `_put_in_place`: the old collection comes back."""
    if _old(target).exists() and not target.exists():
        os.replace(_old(target), target)
    shutil.rmtree(_old(target), ignore_errors=True)


def _put_in_place(beside: Path, target: Path) -> None:
    if target.exists():
        os.replace(target, _old(target))
    os.replace(beside, target)
    sync_folder(target.parent)
    shutil.rmtree(_old(target), ignore_errors=True)
