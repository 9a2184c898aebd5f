"""What the owner chose for a source. Kept with it as JSON, so that going on and adding again use the same."""

from __future__ import annotations

import codecs
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from node.data.shards import SHARD
from shared.disk import write
from shared.errors import OwnerMustAct

WebRules = Literal["pages", "all", "never"]
Abuse = Literal["off", "count", "cut", "drop"]


@dataclass(frozen=True, slots=True)
class Choices:
    """Everything that changes what is in the shards. How many cores work on it does not."""

    hold_out: tuple[str, ...] = ()  # globs over relative paths or file names: tested on
    me: tuple[str, ...] = ()  # what the owner is called in chats
    only_mine: bool = False  # of chats, only what the owner wrote
    leave_out: tuple[str, ...] = ()  # people whose messages are left out
    keep_names: tuple[str, ...] = ()  # people in chats who agreed to be named; the others get pseudonyms
    field: str = ""  # of JSON records; "": found by itself
    column: str = ""  # of CSV and Parquet tables; "": found by itself
    clean: bool = True  # invisible characters, boilerplate, rules of quality, languages
    languages: tuple[str, ...] = ()  # ISO 639-1 codes that are kept; none: all
    rules: tuple[str, ...] = ()  # switched on beyond the usual ones
    no_rules: tuple[str, ...] = ()  # switched off
    web_rules: WebRules = "pages"  # where the rules made for pages of the web hold
    blank: bool = True  # replace what is private by placeholders
    blank_list: tuple[str, ...] = ()  # the owner's own words to blank
    country: str = ""  # ISO 3166: whose phone numbers and ids need the least proof
    spacy_model: str = ""  # folder; finds names of people
    toxicity: Abuse = "count"  # what becomes of abuse
    toxicity_threshold: float = 0.9  # of the model's score, 0 to 1
    abuse_list: tuple[str, ...] = ()  # the owner's own words that count as abuse
    poison: bool = True  # look for what may have been planted
    encoding: str = ""  # of files that are not marked; "": found by itself
    shard_bytes: int = SHARD
    licence: str = ""  # the owner's statement, kept in the manifest


PLAIN = Choices(clean=False, blank=False, toxicity="off", poison=False)  # text as it is: whoever prepares it elsewhere


def choices_from(words: dict[str, Any]) -> Choices:
    """From JSON. Raises OwnerMustAct for a key or a word that this version does not know."""
    known = {field.name for field in fields(Choices)}
    if unknown := sorted(set(words) - known):
        raise OwnerMustAct(f"This source was made by a newer Potluck (it knows {', '.join(unknown)}). Update this one.")
    for name, known_words in (("web_rules", get_args(WebRules)), ("toxicity", get_args(Abuse))):
        if words.get(name, known_words[0]) not in known_words:
            option = name.replace("_", "-")
            raise OwnerMustAct(f"--{option} cannot be {words[name]!r}. Say one of: {', '.join(known_words)}.")
    try:
        codecs.lookup(words.get("encoding") or "utf-8")
    except LookupError as error:
        raise OwnerMustAct(
            f"There is no encoding called {words['encoding']}. Known are, for example, cp1252, latin-1 and shift_jis."
        ) from error
    chosen: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in words.items()}
    return Choices(**chosen)


def save(path: Path, choices: Choices) -> None:
    write(path, json.dumps(asdict(choices), indent=2, sort_keys=True, ensure_ascii=False).encode())


def load(path: Path) -> Choices:
    return choices_from(json.loads(path.read_bytes()))
