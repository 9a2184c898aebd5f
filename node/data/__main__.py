"""`python -m node.data add|tokenise`: a folder becomes a text collection. Prints facts, one JSON object a line."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from node.data import tokens
from node.data.collection import NameTaken, Wish, add, read_group_key, read_meta, write_meta
from shared.errors import PotluckError
from shared.models import default_cache, usual_tokenizer


def main() -> int:
    options = _options()
    try:
        fact = _add(options) if options.command == "add" else _tokenise(options.collection, options.tokenizer)
    except PotluckError as error:
        code = {"code": "name-taken"} if isinstance(error, NameTaken) else {}
        say({"fact": "failed", "op": options.command, "sentence": error.sentence, **code})
        return 1
    say({"fact": "done", **fact})
    return 0


def say(fact: dict[str, Any]) -> None:
    print(json.dumps(fact), flush=True)


def _add(options: argparse.Namespace) -> dict[str, Any]:
    wish = Wish(options.home, options.folder, options.name, tuple(options.hold_out), options.replace)
    meta = add(wish, read_group_key(options.group_key_file), _sayer())
    tokenizer = options.tokenizer or usual_tokenizer(default_cache())
    if tokenizer is None:  # counted when the first run brings its tokenizer
        return meta
    collection = options.home / "data" / options.name
    meta |= {"tokens": _tokenise(collection, tokenizer)["tokens"]}
    write_meta(collection, meta)
    return meta


def _tokenise(collection: Path, tokenizer: Path) -> dict[str, Any]:
    say({"fact": "progress", "share": 1.0, "words": "counting tokens"})
    folder = tokens.tokenise(collection, tokenizer)
    counts = json.loads((folder / "meta.json").read_bytes())
    return {"name": read_meta(collection)["name"], **counts}


def _sayer() -> Any:
    """Progress four times a second at most, and at the end."""
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= 0.25:
            last = time.monotonic()
            say({"fact": "progress", "share": done / total, "words": f"{done} of {total} files"})

    return progress


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m node.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    adding = commands.add_parser("add", help="a folder -> a collection")
    adding.add_argument("--home", type=Path, required=True, help="the node's home; the collection goes to data/NAME")
    adding.add_argument("--folder", type=Path, required=True)
    adding.add_argument("--name", required=True)
    adding.add_argument("--hold-out", action="append", default=[], metavar="GLOB", help="test on these files")
    adding.add_argument("--group-key-file", type=Path, required=True)
    adding.add_argument("--tokenizer", type=Path, help="tokenizer.json; without it SmolLM2's, where that is installed")
    adding.add_argument("--replace", action="store_true", help="put it in the place of the collection of that name")
    tokenising = commands.add_parser("tokenise", help="a collection -> its tokens for one tokenizer")
    tokenising.add_argument("--collection", type=Path, required=True)
    tokenising.add_argument("--tokenizer", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
