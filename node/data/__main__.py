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
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from node.data import packing, tokens
from node.data.building.build import Progress, Wish, build, cores_here
from node.data.building.choices import choices_from
from node.data.collection import NameTaken, read_group_key, read_meta, write_meta
from node.data.shards import SHARD
from node.data.tokenizers import convert, training
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


def train_tokenizer(options: argparse.Namespace) -> Words:
    folders = [options.home / "data" / name for name in options.collections]
    return training.train(folders, options.out, options.words, options.kind, _bytes_teller("learning words"))


def convert_tokenizer(options: argparse.Namespace) -> Words:
    convert.convert(options.file, options.out / "tokenizer.json")
    return {"file": str(options.out / "tokenizer.json")}


def pack(options: argparse.Namespace) -> Words:
    sizes = options.length, options.shard_bytes
    return packing.pack(
        options.collection, options.tokenizer, options.out, *sizes, _bytes_teller("packing", "M tokens")
    )


def _tokenised(collection: Path, tokenizer: Path) -> Words:
    folder = tokens.tokenise(collection, tokenizer, _bytes_teller("counting tokens"))
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


def _bytes_teller(what: str, unit: str = "MB") -> Callable[[int, int], None]:
    """Progress by bytes (or so) done, a few times a second at most, with how many a second."""
    began, first, last = time.monotonic(), -1, 0.0

    def tell(done: int, total: int) -> None:
        nonlocal first, last
        first = done if first < 0 else first
        if time.monotonic() - last >= STEP:
            last = time.monotonic()
            speed = (done - first) / max(last - began, 1e-9)
            say({"fact": "progress", "share": done / max(total, 1), "words": f"{what}, {speed / 1e6:.1f} {unit}/s"})

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
    learning = commands.add_parser("train-tokenizer", help="collections -> a tokenizer.json learnt from them")
    learning.set_defaults(perform=train_tokenizer)
    learning.add_argument("--home", type=Path, required=True)
    learning.add_argument("--out", type=Path, required=True, help="the folder of the new tokenizer.json")
    learning.add_argument("--words", type=int, default=16_384, help="size of the vocabulary (default: 16384)")
    learning.add_argument("--kind", choices=get_args(training.Kind), default="bpe")
    learning.add_argument("collections", nargs="+", metavar="NAME")
    converting = commands.add_parser("convert-tokenizer", help="a SentencePiece or tiktoken file -> tokenizer.json")
    converting.set_defaults(perform=convert_tokenizer)
    converting.add_argument("--out", type=Path, required=True)
    converting.add_argument("file", type=Path)
    packs = commands.add_parser("pack", help="a collection -> WebDataset shards of packed tokens, for other trainers")
    packs.set_defaults(perform=pack)
    packs.add_argument("--collection", type=Path, required=True)
    packs.add_argument("--tokenizer", type=Path, required=True)
    packs.add_argument("--out", type=Path, required=True, help="a new folder")
    packs.add_argument("--length", type=int, default=1024, help="tokens in a sample (default: 1024)")
    packs.add_argument("--shard-bytes", type=int, default=SHARD, help="after which a tar ends (default: 1 GB)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
