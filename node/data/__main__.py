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
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, get_args

from node.data import packing, tokens
from node.data.building import checking, removing, showing
from node.data.building.build import Progress, Wish, build, cores_here
from node.data.building.choices import Choices, choices_from
from node.data.building.refining import Work
from node.data.building.trying import earlier, try_out
from node.data.chats.people import read_key
from node.data.collection import LOCK, NameTaken, at_rest, checked_name, counted, read_group_key, read_meta, write_meta
from node.data.crashes import keep_private
from node.data.shards import SHARD
from node.data.tokenizers import convert, training
from shared.disk import is_taken
from shared.ending import owners_trouble
from shared.errors import DiskFull, OwnerMustAct
from shared.models import default_cache, usual_tokenizer
from shared.units import size_words

Words = dict[str, Any]
_progress: Words = {}  # as it was last told
STEP = 0.25  # seconds between two words of progress
CHOICES = "of building/choices.py, where not the usual; -: the first line of standard input, which nobody else can see"


class BytesTeller(Protocol):
    def __call__(self, done: int, total: int, kept: int = 0, /) -> None: ...


def main() -> int:
    os.umask(0o077)  # all that is written here, and by the workers, is its owner's alone
    options = _options()
    keep_private()
    if getattr(options, "choices", "") == "-":
        options.choices = sys.stdin.buffer.readline()
    _end_with_parent()
    try:
        fact = options.perform(options)
    except KeyboardInterrupt:
        say({"fact": "stopped"})
        return 130
    except Exception as error:
        trouble = owners_trouble(error, getattr(options, "home", None))
        if trouble is None:
            raise
        code = {"code": "name-taken"} if isinstance(error, NameTaken) else {}
        more = _still_to_come() if isinstance(trouble, DiskFull) else ""
        say({"fact": "failed", "op": options.command, "sentence": f"{trouble.sentence}{more}", **code})
        return 1
    say({"fact": "done", **fact})
    return 0


def say(fact: Words) -> None:
    if fact["fact"] == "progress":
        _progress.update(fact)
    print(json.dumps(fact), flush=True)


def _still_to_come() -> str:
    """How much more room the job may need: text takes about as much when it is kept."""
    done, total = _progress.get("done", 0), _progress.get("total")
    return f" {size_words(total - done)} of {size_words(total)} are still to be read." if total else ""


def add(options: argparse.Namespace) -> Words:
    wish = Wish(options.home, options.folder, options.name, _choices(options), options.replace)
    cores = cores_here() if options.cores is None else options.cores
    key = read_group_key(options.group_key_file)
    if options.dry_run:
        return showing.explained(try_out(wish, key, cores, _teller()))
    _wait_for(options.home / "data" / ".lock", "another add")
    meta, collection = build(wish, key, cores, _teller()), options.home / "data" / options.name
    tokenizer = options.tokenizer or usual_tokenizer(default_cache())
    if tokenizer is not None:  # else they are counted when the first run brings its tokenizer
        meta |= {"tokens": _tokenised(collection, tokenizer)["tokens"]}
    with at_rest(collection, meta):
        write_meta(collection, meta)
        counted(collection)
    return showing.explained(meta)


def show(options: argparse.Namespace) -> Words:
    source = options.home / "data" / checked_name(options.name)
    if not source.exists():
        raise OwnerMustAct(f"There is no collection called {options.name}. See: potluck node data list")
    return showing.show(source, options.count, options.seed)


def check(options: argparse.Namespace) -> Words:
    tell = _bytes_teller("checking")
    return checking.check(options.home / "data", options.collections, full=not options.quick, tell=tell)


def preview(options: argparse.Namespace) -> Words:
    keys = read_group_key(options.group_key_file), read_key(options.home / "data" / ".pseudonyms")
    return showing.preview(Work(options.folder, *keys, _choices(options)), options.count, options.seed)


def remove(options: argparse.Namespace) -> Words:
    data = options.home / "data"
    _wait_for(data / ".lock", "an add, which may compare with it")
    _wait_for(data / checked_name(options.name) / LOCK, "who counts its tokens")
    return removing.remove(options.home, options.name)


def _wait_for(lock: Path, whom: str) -> None:
    """Say so if that will take a while; whoever takes the lock does the waiting."""
    if is_taken(lock):
        words = f"waiting for {whom}"
        say({"fact": "progress", "words": words, "share": 0.0, "done": 0, "total": None, "kept": 0})


def _choices(options: argparse.Namespace) -> Choices:
    """Those given; where none are, those of the same source before: what was begun goes on as it began.

    Who replaces it changes the choices they give, and no others: who was left out stays left out.
    """
    words = json.loads(options.choices)
    if options.name is None or (words and not options.replace):
        return choices_from(words)
    before = earlier(options.home / "data", options.name) or Choices()
    return choices_from({**asdict(before), **words})


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
    return packing.pack(options.collection, options.tokenizer, options.out, *sizes, _bytes_teller("packing"))


def _tokenised(collection: Path, tokenizer: Path) -> Words:
    folder = tokens.tokenise(collection, tokenizer, _bytes_teller("counting tokens"))
    counts = json.loads((folder / "meta.json").read_bytes())
    return {"name": read_meta(collection)["name"], **counts}


def _teller() -> Callable[[Progress], None]:
    """Progress in bytes of input, a few times a second at most, and at the end."""
    tell = _bytes_teller("reading")
    return lambda progress: tell(progress.done, progress.total, progress.kept)


def _bytes_teller(what: str) -> BytesTeller:
    """Progress in bytes, a few times a second at most, and at both ends."""
    last = 0.0

    def tell(done: int, total: int, kept: int = 0) -> None:
        nonlocal last
        if done in (total, kept) or time.monotonic() - last >= STEP:
            last = time.monotonic()
            share = done / max(total, 1)
            say({"fact": "progress", "words": what, "share": share, "done": done, "total": total, "kept": kept})

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

    def command(name: str, perform: Callable[[argparse.Namespace], Words], words: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=words)
        made.set_defaults(perform=perform)
        return made

    adding = command("add", add, "a folder -> a collection")
    adding.add_argument("--cores", type=int, help="worker processes (default: one a core; 0: none)")
    adding.add_argument("--tokenizer", type=Path, help="tokenizer.json; without it SmolLM2's, where that is installed")
    adding.add_argument("--replace", action="store_true", help="put it in the place of the collection of that name")
    adding.add_argument("--dry-run", action="store_true", help="read some of it and tell; write nothing")
    previewing = command("preview", preview, "random samples of what the choices would do to a folder")
    for one in (adding, previewing):
        one.add_argument("--folder", type=Path, required=True)
        one.add_argument("--choices", default="{}", metavar="JSON", help=CHOICES)
        one.add_argument("--group-key-file", type=Path, required=True)
    previewing.set_defaults(name=None)
    showing_ = command("show", show, "the counts of a collection and random samples of it")
    for one in (previewing, showing_):
        one.add_argument("--count", type=int, default=3)
        one.add_argument("--seed", type=int, default=0)
    checking_ = command("check", check, "whether the files of collections are as they were written")
    checking_.add_argument("--quick", action="store_true", help="look at their sizes only")
    checking_.add_argument("collections", nargs="*", metavar="NAME")
    removing_ = command("remove", remove, "a collection goes, with all that is known of it")
    for one in (adding, showing_, removing_):
        one.add_argument("--name", required=True)
    learning = command("train-tokenizer", train_tokenizer, "collections -> a tokenizer.json learnt from them")
    learning.add_argument("--out", type=Path, required=True, help="the folder of the new tokenizer.json")
    learning.add_argument("--words", type=int, default=16_384, help="size of the vocabulary (default: 16384)")
    learning.add_argument("--kind", choices=get_args(training.Kind), default="bpe")
    learning.add_argument("collections", nargs="+", metavar="NAME")
    converting = command("convert-tokenizer", convert_tokenizer, "a SentencePiece or tiktoken file -> tokenizer.json")
    converting.add_argument("--out", type=Path, required=True)
    converting.add_argument("file", type=Path)
    for one in (adding, previewing, showing_, checking_, removing_, learning, converting):
        one.add_argument("--home", type=Path, required=True, help="the node's home; collections lie in data/NAME")
    tokenising = command("tokenise", tokenise, "a collection -> its tokens for one tokenizer")
    packing_ = command("pack", pack, "a collection -> WebDataset shards of packed tokens, for other trainers")
    for one in (tokenising, packing_):
        one.add_argument("--collection", type=Path, required=True)
        one.add_argument("--tokenizer", type=Path, required=True)
    packing_.add_argument("--out", type=Path, required=True, help="a new folder")
    packing_.add_argument("--length", type=int, default=1024, help="tokens in a sample (default: 1024)")
    packing_.add_argument("--shard-bytes", type=int, default=SHARD, help="after which a tar ends (default: 1 GB)")
    return parser.parse_args()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the thread that waits for the parent holds standard input, and Python would die of it
