"""`python -m node.data ...`: one job on an owner's text. Prints facts, one JSON object a line."""

from __future__ import annotations

import _thread
import argparse
import json
import os
import signal
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any

from node.data import tokens
from node.data.building.build import Progress, Wish, build, cores_here
from node.data.building.choices import choices_from
from node.data.collection import NameTaken, read_group_key, read_meta, write_meta
from shared.ending import owners_trouble
from shared.models import default_cache, usual_tokenizer

Words = dict[str, Any]
STEP = 0.25  # seconds between two words of progress


def main() -> int:
    options = _options()
    _end_with_parent()
    try:
        fact = options.perform(options)
    except KeyboardInterrupt:
        say({"fact": "stopped"})
        return 130
    except Exception as error:
        trouble = owners_trouble(error)
        if trouble is None:
            raise
        code = {"code": "name-taken"} if isinstance(error, NameTaken) else {}
        say({"fact": "failed", "op": options.command, "sentence": trouble.sentence, **code})
        return 1
    say({"fact": "done", **fact})
    return 0


def say(fact: Words) -> None:
    print(json.dumps(fact), flush=True)


def add(options: argparse.Namespace) -> Words:
    choices = choices_from(json.loads(options.choices) | ({"hold_out": options.hold_out} if options.hold_out else {}))
    wish = Wish(options.home, options.folder, options.name, choices, options.replace)
    cores = cores_here() if options.cores is None else options.cores
    meta = build(wish, read_group_key(options.group_key_file), cores, _teller())
    tokenizer = options.tokenizer or usual_tokenizer(default_cache())
    if tokenizer is None:  # counted when the first run brings its tokenizer
        return meta
    collection = options.home / "data" / options.name
    meta |= {"tokens": _tokenised(collection, tokenizer)["tokens"]}
    write_meta(collection, meta)
    return meta


def tokenise(options: argparse.Namespace) -> Words:
    return _tokenised(options.collection, options.tokenizer)


def _tokenised(collection: Path, tokenizer: Path) -> Words:
    say({"fact": "progress", "share": 1.0, "words": "counting tokens"})
    folder = tokens.tokenise(collection, tokenizer)
    counts = json.loads((folder / "meta.json").read_bytes())
    return {"name": read_meta(collection)["name"], **counts}


def _teller() -> Any:
    """Progress a few times a second at most, and at the end."""
    last = 0.0

    def tell(progress: Progress) -> None:
        nonlocal last
        done, total, kept = progress.done, progress.total, progress.kept
        if done in (total, kept) or time.monotonic() - last >= STEP:
            last = time.monotonic()
            say({"fact": "progress", "share": done / max(total, 1), "done": done, "total": total, "kept": kept})

    return tell


def _end_with_parent() -> None:
    """Whoever started us through a pipe and closes it wants us to stop. What was done so far is kept."""
    if stat.S_ISCHR(mode := os.fstat(0).st_mode) or stat.S_ISREG(mode):
        return

    def wait() -> None:
        while sys.stdin.buffer.readline():
            pass
        main_thread = threading.main_thread().ident
        if os.name == "nt" or main_thread is None:
            _thread.interrupt_main()
        else:
            signal.pthread_kill(main_thread, signal.SIGINT)  # wakes it whatever it waits for

    threading.Thread(target=wait, daemon=True).start()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m node.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    adding = commands.add_parser("add", help="a folder -> a collection")
    adding.set_defaults(perform=add)
    adding.add_argument("--home", type=Path, required=True, help="the node's home; the collection goes to data/NAME")
    adding.add_argument("--folder", type=Path, required=True)
    adding.add_argument("--name", required=True)
    adding.add_argument("--hold-out", action="append", default=[], metavar="GLOB", help="test on these files")
    adding.add_argument("--choices", default="{}", metavar="JSON", help="of building/choices.py, where not the usual")
    adding.add_argument("--cores", type=int, help="worker processes (default: one a core; 0: none)")
    adding.add_argument("--group-key-file", type=Path, required=True)
    adding.add_argument("--tokenizer", type=Path, help="tokenizer.json; without it SmolLM2's, where that is installed")
    adding.add_argument("--replace", action="store_true", help="put it in the place of the collection of that name")
    tokenising = commands.add_parser("tokenise", help="a collection -> its tokens for one tokenizer")
    tokenising.set_defaults(perform=tokenise)
    tokenising.add_argument("--collection", type=Path, required=True)
    tokenising.add_argument("--tokenizer", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
