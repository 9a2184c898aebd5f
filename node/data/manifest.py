"""`manifest.json` beside a collection's shards: what they hold, what made them, whose they are, and if they are whole.

It stays on the PC like all the rest. Sizes are looked at whenever a run begins, digests when the owner asks
(`potluck node data check`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from node.data.collection import read_meta, write_meta
from node.data.shards import SHARD
from shared.disk import write
from shared.errors import OwnerMustAct

Words = dict[str, Any]
NAME = "manifest.json"
FORMAT = 1
CHUNK = 1 << 20  # bytes read at a time
Read = Callable[[int], None]  # that many bytes more


def files_of(paths: Iterable[Path]) -> Words:
    """Size in bytes and SHA-256 of each file, by its name. Reads them all."""
    found = {}
    for path in sorted(paths):
        with open(path, "rb") as file:
            found[path.name] = {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    return found


def same_sizes(folder: Path, files: Mapping[str, Words]) -> bool:
    """Whether each of them is there and as long as it was."""
    return not any(_wrong(folder / name, known, full=False) for name, known in files.items())


def write_manifest(
    collection: Path, *, counts: Words, filters: Words, licence: str = "", shard_bytes: int = SHARD
) -> Words:
    """Describe the shards as they are now.

    `filters`: name and version of everything that worked on the text, as the builder knows them. `licence`: what the
    owner says of the text's rights.
    """
    words = {
        "format": FORMAT, "counts": counts, "filters": filters, "licence": licence, "shard_bytes": shard_bytes,
        "files": files_of(collection.glob("*.tar")), "tokens": {},
    }  # fmt: skip
    _save(collection, words)
    return words


def read_manifest(collection: Path) -> Words | None:
    """None where there is none: a collection of an earlier version. Raises OwnerMustAct when it cannot be read."""
    try:
        words: Words = json.loads((collection / NAME).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OwnerMustAct(f"{collection / NAME} is damaged. {_again(collection)}") from error
    return words


def note_tokens(collection: Path, folder: str, facts: Words) -> None:
    """Tell of tokens that were made of the shards; if nobody had counted them, their number is the collection's."""
    meta, words = read_meta(collection), read_manifest(collection)
    if meta.get("tokens", 0) is None:
        write_meta(collection, {**meta, "tokens": facts["tokens"]})
    if words is not None:
        kept = {name: known for name, known in words["tokens"].items() if (collection / name).is_dir()}
        _save(collection, words | {"tokens": {**kept, folder: facts}})


def note_counts(collection: Path, counts: Words) -> None:
    """They are told otherwise now."""
    words = read_manifest(collection)
    if words is not None:
        _save(collection, words | {"counts": counts})


def size(collection: Path) -> int:
    """Bytes of all that `damages` looks at."""
    return sum(known["bytes"] for files in _files(collection).values() for known in files.values())


def damages(collection: Path, *, full: bool, read: Read = lambda more: None) -> list[str]:
    """A sentence for each file that is not as it was; with `full` every byte is read."""
    return [
        f"{folder / name} {wrong}. {_again(collection) if folder == collection else _anew(folder)}"
        for folder, files in _files(collection).items()
        for name, known in files.items()
        if (wrong := _wrong(folder / name, known, full=full, read=read))
    ]


def _files(collection: Path) -> dict[Path, Words]:
    """What each file of the shards and of each tokenizer's tokens should be, by its folder."""
    words = read_manifest(collection)
    if words is None:
        return {}
    found = {collection: words["files"]}
    for folder in words["tokens"]:
        try:
            found[collection / folder] = json.loads((collection / folder / "meta.json").read_bytes())["files"]
        except (OSError, ValueError, LookupError):
            continue  # they are made anew when they are needed
    return found


def check(collection: Path) -> None:
    """Quickly, before a run trains on it. Raises OwnerMustAct naming the first damaged file."""
    words = read_manifest(collection)
    if words is None:
        return
    for name, known in words["files"].items():
        if wrong := _wrong(collection / name, known, full=False):
            raise OwnerMustAct(f"{collection / name} {wrong}. {_again(collection)}")


def _wrong(path: Path, known: Words, *, full: bool, read: Read = lambda more: None) -> str:
    """What is the matter with that file; nothing, usually."""
    try:
        size = path.stat().st_size
        if size != known["bytes"]:
            return f"is damaged ({size:,} bytes, not {known['bytes']:,})"
        if full and _digest(path, read) != known["sha256"]:
            return "is damaged (its digest is another)"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""


def _digest(path: Path, read: Read) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            read(len(chunk))
    return digest.hexdigest()


def _again(collection: Path) -> str:
    return f"Add the folder again: potluck node data add FOLDER --name {collection.name} --replace"


def _anew(tokens: Path) -> str:
    return f"Delete the folder {tokens}: it is made anew."


def _save(collection: Path, words: Words) -> None:
    write(collection / NAME, json.dumps(words, indent=2, sort_keys=True, ensure_ascii=False).encode())
