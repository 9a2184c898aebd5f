"""`potluck node data ...`: what a friend types about text. The work is done by a child process (`node/adding.py`)."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from node.home import all_collections, default_home
from shared.errors import OwnerMustAct
from shared.saying import say
from shared.units import count

data = typer.Typer(no_args_is_help=True, help="The text this PC trains on. It never leaves this PC.")

Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Name = Annotated[str, typer.Argument(help="The collection's name.")]
Folder = Annotated[Path, typer.Argument(help="A folder with your files.")]
HoldOut = Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Test on these files (repeatable).")]

LEAST_SHARD = 64 << 10  # bytes
READING, FILTERS, RESULT = "What is read", "What is left out and blanked", "What comes of it"

# What the readers are told.
Me = Annotated[
    list[str] | None, typer.Option(rich_help_panel=READING, help="Your name in chats, in every spelling (repeatable).")
]
OnlyMine = Annotated[bool, typer.Option("--only-mine", rich_help_panel=READING, help="Of chats, only what you wrote.")]
LeaveOut = Annotated[
    list[str] | None,
    typer.Option(metavar="PERSON", rich_help_panel=READING, help="Nothing that PERSON wrote (repeatable)."),
]
KeepNames = Annotated[
    list[str] | None,
    typer.Option(metavar="PERSON", rich_help_panel=READING, help="PERSON agreed to be named (repeatable)."),
]
Field = Annotated[
    str,
    typer.Option(
        "--field", "--column", rich_help_panel=READING, help="Where the text is in JSON or tables (default: found)."
    ),
]
Encoding = Annotated[str, typer.Option(rich_help_panel=READING, help="Of files that are not UTF-8 (default: found).")]

# What the filters are told.
Language = Annotated[str, typer.Option(metavar="en,de", rich_help_panel=FILTERS, help="Keep only these languages.")]
Rule = Annotated[
    list[str] | None,
    typer.Option(metavar="RULE", rich_help_panel=FILTERS, help="Switch a rule on (a wrong name lists them all)."),
]
NoRule = Annotated[
    list[str] | None,
    typer.Option(metavar="RULE", rich_help_panel=FILTERS, help="Switch a rule off, by its name in the report."),
]
WebRules = Annotated[
    str, typer.Option(metavar="WHERE", rich_help_panel=FILTERS, help="Strict web rules on: pages, all, never.")
]
BlankList = Annotated[
    Path | None, typer.Option(metavar="FILE", rich_help_panel=FILTERS, help="Your own words to blank, one a line.")
]
NoBlank = Annotated[bool, typer.Option("--no-blank", rich_help_panel=FILTERS, help="Leave private data as it is.")]
Country = Annotated[
    str, typer.Option(metavar="DE", rich_help_panel=FILTERS, help="Whose phone numbers and ids to expect.")
]
Spacy = Annotated[str, typer.Option(metavar="PATH", rich_help_panel=FILTERS, help="A spaCy model that finds names.")]
Toxicity = Annotated[
    str, typer.Option(metavar="WHAT", rich_help_panel=FILTERS, help="Abuse: off, count (default), cut, drop.")
]
Threshold = Annotated[
    float, typer.Option(rich_help_panel=FILTERS, show_default=False, help="From which score it is abuse.")
]
AbuseList = Annotated[
    Path | None, typer.Option(metavar="FILE", rich_help_panel=FILTERS, help="Your own words that count as abuse.")
]

# What becomes of it.
ShardSize = Annotated[
    str, typer.Option(metavar="SIZE", rich_help_panel=RESULT, help="Of one shard, such as 256m (default 1 GB).")
]
Licence = Annotated[str, typer.Option(rich_help_panel=RESULT, help="What you say of the text's rights; kept with it.")]
Cores = Annotated[int | None, typer.Option(min=1, rich_help_panel=RESULT, help="How many to use (default: all).")]


@data.command("add")
def add(
    folder: Folder,
    name: Annotated[str, typer.Option(help="What to call this collection.")],
    hold_out: HoldOut = None,
    me: Me = None,
    only_mine: OnlyMine = False,
    leave_out: LeaveOut = None,
    keep_names: KeepNames = None,
    field: Field = "",
    encoding: Encoding = "",
    language: Language = "",
    rule: Rule = None,
    no_rule: NoRule = None,
    web_rules: WebRules = "",
    blank_list: BlankList = None,
    no_blank: NoBlank = False,
    country: Country = "",
    spacy_model: Spacy = "",
    toxicity: Toxicity = "",
    toxicity_threshold: Threshold = 0.0,
    abuse_list: AbuseList = None,
    shard_size: ShardSize = "",
    licence: Licence = "",
    cores: Cores = None,
    tell_host: Annotated[
        bool | None, typer.Option("--tell-host/--no-tell-host", help="May the host know the counts? (asked otherwise)")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of the one of that name.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read some of it and tell; keep nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Turn a folder of text into a collection this PC can train on. Stopped or killed? The same words go on."""
    from node import adding, progress, showing_data

    choices = _choices(
        hold_out=hold_out, me=me, only_mine=only_mine, leave_out=leave_out, keep_names=keep_names, field=field,
        encoding=encoding, languages=[code for code in language.split(",") if code], rules=rule, no_rules=no_rule,
        web_rules=web_rules, blank_list=_lines(blank_list), blank=None if not no_blank else False, country=country,
        spacy_model=spacy_model, toxicity=toxicity, toxicity_threshold=toxicity_threshold,
        abuse_list=_lines(abuse_list), shard_bytes=_bytes(shard_size), licence=licence,
    )  # fmt: skip
    job = adding.Job(folder, name, choices, replace=replace, dry_run=dry_run, cores=cores)
    with progress.bar("reading", quiet=as_json) as tell:
        counts = asyncio.run(adding.add(default_home(), job, tell))
    if not dry_run:
        words = adding.counts_words(counts)
        if tell_host is None:
            ask = sys.stdin.isatty() and not as_json
            tell_host = ask and typer.confirm(f'Tell the host that "{name}" has {words}?', default=False)
        adding.agree(default_home(), name, tell_host)
        counts["shared"] = tell_host
    if as_json:
        typer.echo(json.dumps(counts))
    else:
        showing_data.added(counts)


@data.command("list")
def list_(as_json: Json = False) -> None:
    """The collections on this PC."""
    from node import adding, showing

    rows = adding.listed(default_home())
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        showing.show_collections(rows)


@data.command()
def show(
    name: Name,
    count: Annotated[int, typer.Option(help="How many samples.")] = 2,
    seed: Annotated[int, typer.Option(help="Another number, other samples.")] = 0,
    as_json: Json = False,
) -> None:
    """What is in a collection: its counts, and random samples of it."""
    from node import adding, showing_data

    words = asyncio.run(adding.ask(default_home(), "show", "--name", name, "--count", count, "--seed", seed))
    if as_json:
        typer.echo(json.dumps(words))
    else:
        showing_data.collection(words)


@data.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help="Collections to look at (default: all).")] = None,
    as_json: Json = False,
) -> None:
    """Read every byte of a collection and name each damaged file, and what to do about it."""
    from node import adding, progress, showing_data

    with progress.bar("checking", quiet=as_json) as tell:
        words = asyncio.run(adding.check(default_home(), names or [], tell))
    if as_json:
        typer.echo(json.dumps(words))
    else:
        showing_data.checked(words)
    if words["damages"]:
        raise typer.Exit(1)


@data.command()
def preview(
    folder: Folder,
    me: Me = None,
    only_mine: OnlyMine = False,
    leave_out: LeaveOut = None,
    keep_names: KeepNames = None,
    field: Field = "",
    encoding: Encoding = "",
    language: Language = "",
    rule: Rule = None,
    no_rule: NoRule = None,
    web_rules: WebRules = "",
    blank_list: BlankList = None,
    no_blank: NoBlank = False,
    country: Country = "",
    spacy_model: Spacy = "",
    toxicity: Toxicity = "",
    toxicity_threshold: Threshold = 0.0,
    abuse_list: AbuseList = None,
    count: Annotated[int, typer.Option(help="How many samples of each kind.")] = 3,
    seed: Annotated[int, typer.Option(help="Another number, other samples.")] = 0,
    as_json: Json = False,
) -> None:
    """Random samples of what would be blanked, changed and left out. For your eyes: nothing of it is kept."""
    from node import adding, showing_data

    choices = _choices(
        me=me, only_mine=only_mine, leave_out=leave_out, keep_names=keep_names, field=field, encoding=encoding,
        languages=[code for code in language.split(",") if code], rules=rule, no_rules=no_rule, web_rules=web_rules,
        blank_list=_lines(blank_list), blank=None if not no_blank else False, country=country, spacy_model=spacy_model,
        toxicity=toxicity, toxicity_threshold=toxicity_threshold, abuse_list=_lines(abuse_list),
    )  # fmt: skip
    words = asyncio.run(adding.preview(default_home(), folder, choices, count, seed))
    if as_json:
        typer.echo(json.dumps(words))
    else:
        showing_data.preview(words)


@data.command()
def remove(
    name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, as_json: Json = False
) -> None:
    """Remove a collection from this PC: shards, tokens, and what is known of it. Your own files stay."""
    from node import adding, progress, showing_data

    ask = not yes and sys.stdin.isatty() and name in all_collections(default_home())
    if ask and not typer.confirm(f'Remove "{name}"?', default=False):
        raise OwnerMustAct("Nothing was removed.")
    with progress.bar("removing", quiet=as_json) as tell:
        words = asyncio.run(adding.remove(default_home(), name, tell))
    if as_json:
        typer.echo(json.dumps(words))
    else:
        showing_data.removed(words)


@data.command()
def report(
    name: Name,
    words: Annotated[bool, typer.Option("--words", help="Print it here, as Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """What was kept, dropped and blanked, and what that cannot catch: a page for your browser."""
    from node import adding

    found = adding.report(default_home(), name)
    if as_json:
        typer.echo(json.dumps(found))
    elif words:
        typer.echo(Path(found["markdown"]).read_text("utf-8"))
    else:
        say(f"Open this in your browser: {found['page']}")


@data.command()
def tokenizer(
    out: Annotated[Path, typer.Argument(help="The folder for the new tokenizer.json.")],
    names: Annotated[list[str] | None, typer.Argument(help="Collections to learn from (default: all).")] = None,
    words: Annotated[int, typer.Option(help="Size of the vocabulary.")] = 16_384,
    kind: Annotated[str, typer.Option(help="bpe, of bytes; or sentencepiece, of characters.")] = "bpe",
    of: Annotated[Path | None, typer.Option(metavar="FILE", help="Convert this .model or .tiktoken file.")] = None,
) -> None:
    """Learn a tokenizer from this PC's own training text, or make a tokenizer.json of a file of another kind."""
    from node import adding, progress

    if of is not None:
        say(f"Written: {asyncio.run(adding.convert_tokenizer(default_home(), of, out))['file']}")
        return
    with progress.bar("tokenizer") as tell:
        told = asyncio.run(adding.learn_tokenizer(default_home(), names or [], out, words, kind, tell))
    say(f"{told['words']:,} words learnt from {told['documents']:,} documents; {told['dropped']:,} that only one "
        f"document has a use for were left out. Written: {told['file']}")  # fmt: skip
    say(told["sentence"])


def _choices(**given: Any) -> dict[str, Any]:
    """Those that the owner made; the others are left to the child."""
    return {name: value for name, value in given.items() if value or (name == "blank" and value is False)}


def _lines(path: Path | None) -> list[str]:
    """The lines of the owner's list."""
    if path is None:
        return []
    try:
        return [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise OwnerMustAct(f"The list {path} cannot be read. It must be a text file (UTF-8), a word a line.") from error


def _bytes(size: str) -> int | None:
    try:
        asked = count(size) if size else None
    except ValueError as error:
        raise OwnerMustAct(f"--shard-size: {error}") from error
    if asked is not None and asked < LEAST_SHARD:
        raise OwnerMustAct(f"--shard-size {size} would make a file of every few words. Give 64k or more.")
    return asked
