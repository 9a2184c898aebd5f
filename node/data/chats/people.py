"""Other people's names: one pseudonym each in all of the owner's data, in the chats as in what is said there.

A pseudonym is a name that anybody may bear and four digits of a keyed hash of the real one: `Robin-3fa1`. The key never
leaves the PC, so nobody else can tell who it is by trying names. What this cannot know: that two names are one person,
nicknames and misspellings in a message, and people who are spoken of but do not speak in that chat.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from shared.disk import write

KEY_BYTES = 32
_BORNE = """
    Alex Andy Ari Ash Bailey Billie Blair Bo Brook Cameron Casey Charlie Chris Dana Dani Darcy Devon Drew Eden Eli
    Elis Ellis Emery Fenn Finley Flo Frankie Gabi Glenn Harley Hayden Ira Jackie Jade Jamie Jean Jessie Jo Jody
    Jules Kai Kendall Kerry Kim Kris Lane Lee Leslie Lex Lindsay Logan Lou Luca Marlow Max Mika Milan Morgan Nico
    Noa Noel Nour Ola Parker Pat Peyton Quinn Ray Remi Rene Riley Robin Rory Rowan Rudy Sam Sandy Sascha Shannon
    Sidney Sky Stevie Sue Tal Taylor Terry Toby Toni Tracy Val Vic Wynn Yael Yuki Zoe
"""
_KIN = """
    mama mamma mamá maman mami mum mummy mom mommy mutti mãe mae papa papá papi dad daddy vati pai pap oma opa nonna
    nonno abuela abuelo grandma grandpa granny mamie papy papie vovó vovô avó avô tante onkel tía tío zia zio auntie
    uncle schatz love chef boss the der die das von van del della dos das and und dr prof frau herr mr mrs ms home
    work arbeit
"""  # what people are called without its being their name
_WORDS = """
    mark will may june april rose grace hope faith joy art bill rob sue jack drew ray summer autumn dawn eve frank
    grant chase page miles max wolf ernst sonne mai linda bella rosa sol mar luz pilar paz dolores consuelo blanca
    estrella fleur pierre aurore marine claire olive prudence nova gioia vita luna stella alba bruno franco chiara
    leone pia
"""  # names that are words, too: found only as a name is written


_NAMES, _NO_NAMES, _ALSO_WORDS = tuple(_BORNE.split()), frozenset(_KIN.split()), frozenset(_WORDS.split())


def read_key(path: Path) -> bytes:
    """The owner's key for pseudonyms, made when there is none."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = b""
    if len(key) != KEY_BYTES:
        key = secrets.token_bytes(KEY_BYTES)
        write(path, key)
    return key


@lru_cache(maxsize=1 << 12)
def same_name(name: str) -> str:
    """The name without its dress: case, emoji, the ~ of strangers; of a telephone number its digits."""
    name = unicodedata.normalize("NFKC", name).casefold()
    if is_number(name):
        return "".join(filter(str.isdigit, name))
    return " ".join(re.sub(r"[\W_]+", " ", name).split()) or name


def is_number(name: str) -> bool:
    """Whether somebody is called by a telephone number."""
    bare = re.sub(r"[\s\u2068-\u2069\u202a-\u202e\xa0()./~-]+", "", name)
    return re.fullmatch(r"\+?\d{6,15}", bare) is not None


class Pseudonyms:
    """Names to pseudonyms. `keep` are the names of those who agreed to be named."""

    def __init__(self, key: bytes, keep: Collection[str] = ()) -> None:
        assert len(key) == KEY_BYTES
        self._key = key
        self._keep = {same_name(name) for name in keep}

    def of(self, names: Iterable[str]) -> dict[str, str]:
        """What each of these people is called from now on; two of them never the same."""
        given: dict[str, str] = {}
        taken: dict[str, str] = {}  # pseudonym -> whose
        for name in sorted(set(names), key=same_name):
            who = same_name(name)
            if who in self._keep:
                given[name] = name
                continue
            digest = hmac.digest(self._key, who.encode(), hashlib.sha256)
            first = _NAMES[int.from_bytes(digest[:8], "big") % len(_NAMES)]
            digits = 4
            while taken.setdefault(found := f"{first}-{digest[8:].hex()[:digits]}", who) != who:
                digits += 1
            given[name] = found
        return given


class Disguise:
    """Puts pseudonyms for names in what is said in one chat."""

    def __init__(self, called: Mapping[str, str]) -> None:
        """`called`: pseudonyms by name, of all who speak there."""
        self._all = {same_name(name): pseudonym for name, pseudonym in called.items()}
        self._spelt: dict[str, dict[str, str]] = {}  # by their first word, since a server may have thousands of people
        for name, pseudonym in called.items():
            for spelling in _spellings(name) if pseudonym != name else ():
                first = _WORD.search(spelling)
                if first is not None:
                    self._spelt.setdefault(first[0], {}).setdefault(spelling[first.start() :], pseudonym)

    def __call__(self, text: str) -> str:
        if "\u2068" in text:
            text = _MARKED.sub(lambda found: self._all.get(same_name(found[1]), "somebody"), text)
        text = unicodedata.normalize("NFC", text)
        pieces, done = [], 0
        for word in _WORD.finditer(text):
            if word.start() < done or word[0] not in self._spelt:
                continue
            spelt = self._spelt[word[0]]
            fits = [one for one in spelt if text.startswith(one, word.start()) and _ends(text, word.start() + len(one))]
            if fits:
                longest = max(fits, key=len)
                pieces += [text[done : word.start()].removesuffix("@").removesuffix("+"), spelt[longest]]
                done = word.start() + len(longest)
        return "".join([*pieces, text[done:]])


_MARKED = re.compile(r"@\u2068([^\u2069]*)\u2069")
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"  # scripts in which a name runs into what follows
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_WITHIN = re.compile(rf"[^\W{_UNSPACED}]{{2}}")


def _ends(text: str, at: int) -> bool:
    """Whether a word may end there."""
    return _WITHIN.match(text, at - 1) is None


def _spellings(name: str) -> set[str]:
    """How others write somebody's name: whole, the first and the last part, with and without capitals."""
    name = unicodedata.normalize("NFC", name).strip()
    if is_number(name):
        return {name, "".join(filter(str.isdigit, name))}
    parts = [part for part in re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", name) if len(part) > 1]
    found = {name} if len(name) > 1 else set()
    if len(parts) > 1:
        found |= {" ".join(parts), " ".join(parts).lower()}
    for part in (parts[0], parts[-1]) if parts else ():
        found.add(part)
        if len(part) > 2 and part.casefold() not in _ALSO_WORDS:
            found |= {part.lower(), part.upper(), part.capitalize()}
    return {one for one in found if one.casefold() not in _NO_NAMES and not (len(one) < 3 and one.islower())}
