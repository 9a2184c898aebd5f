"""E-mail addresses, also with an IDN, in angle brackets, or spelt "anna (at) example (dot) org".

Not addresses: decorators, `git@github.com:them/it.git` (everybody's account), systemd's `getty@tty1.service`,
`icon@2x.png`, and `user@host`, which has no top-level domain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from node.data.privacy.kinds import Hit, Kind

# Not those of scripts that write without blanks: メールはanna@example.jpまで
_LETTERS = "A-Za-z\u00c0-\u024f\u0370-\u052f"
_AT = re.compile(r"@|%40")
_LOCAL_BACKWARDS = re.compile(rf"[{_LETTERS}0-9._%+'&~-]{{1,64}}")
_QUOTED_BACKWARDS = re.compile(r'"[^"\n@]{1,64}"')
_DOMAIN = re.compile(
    rf"(?:\w[\w-]{{0,62}}\.){{1,8}}(?:xn--[A-Za-z0-9-]{{2,59}}|[{_LETTERS}]{{2,24}})(?![{_LETTERS}0-9_]|-\w)"
)
# After user@: units of systemd and files, not domains.
_NO_DOMAIN = re.compile(
    r"""service|socket|timer|mount|automount|swap|target|slice|scope|device|path|png|jpe?g|gif|svg|webp|ico|css|js|json
    |html?|xml|ya?ml|toml|txt|conf|cfg|log|lock|map|min|tar|gz|zip|whl|exe|dll|deb|rpm""",
    re.VERBOSE | re.IGNORECASE,
)
_EVERYBODYS = frozenset(("git", "hg", "svn", "cvs", "ftp", "anonymous", "root", "user", "username"))

_USER = re.compile(r"://[^\s/@:]{0,100}:\Z")
_IN_BRACKETS = r"\s?[(\[{<]\s?(?:%s)\s?[)\]}>]\s?"
_AT_WORDS = "at|ät|arobase|arroba|chiocciola|małpa|malpa|apenstaartje|アット(?:マーク)?|@"
_DOT_WORDS = "dot|punkt|point|punto|ponto|kropka|ドット"
_AT_BRACKETED = _IN_BRACKETS % _AT_WORDS
_DOT_BRACKETED = _IN_BRACKETS % (_DOT_WORDS + r"|\.")
_DOT_SPELT = rf"{_DOT_BRACKETED}|\s(?:{_DOT_WORDS})\s"
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,62}[A-Za-z0-9])?"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_TOP = r"(?:com|org|net|edu|gov|info|biz|io|eu|[a-z]{2})(?![A-Za-z0-9])"
_SPELT = re.compile(
    rf"(?<![A-Za-z0-9._+-]){_NAME}(?:(?:{_DOT_SPELT}){_NAME}){{0,3}}"
    rf"(?:{_AT_BRACKETED}{_LABEL}(?:(?:{_DOT_SPELT}|\.){_LABEL}){{0,4}}(?:{_DOT_SPELT}|\.){_TOP}"
    rf"|\s(?:{_AT_WORDS})\s{_LABEL}(?:(?:{_DOT_SPELT}){_LABEL}){{0,4}}(?:{_DOT_SPELT}){_TOP})",
    re.IGNORECASE,
)
_SPELT_SIGN = re.compile(rf"[(\[{{<]\s?(?:{_AT_WORDS})\s?[)\]}}>]")
_SPELT_DOTS = tuple(f" {word} " for word in _DOT_WORDS.split("|"))
_REACH = 200  # characters to either side of a sign


def mails(text: str, lowered: str) -> Iterator[Hit]:
    """Of a plain text, also given in lower case."""
    for sign in _AT.finditer(text):
        domain = _DOMAIN.match(text, sign.end())
        if domain is None or (local := _local(text, sign.start())) is None:
            continue
        if _is_address(text, sign.start() - len(local), local, domain):
            yield Hit(sign.start() - len(local), domain.end(), Kind.EMAIL)
    for start, end in _near(_signs(lowered)):
        for spelt in _SPELT.finditer(text, start, end):
            yield Hit(spelt.start(), spelt.end(), Kind.EMAIL)


def _signs(lowered: str) -> list[int]:
    """Where an address may be spelt out."""
    signs = [sign.start() for sign in _SPELT_SIGN.finditer(lowered)]
    for dot in _SPELT_DOTS:
        at = lowered.find(dot)
        while at >= 0:
            signs.append(at)
            at = lowered.find(dot, at + len(dot))
    return sorted(signs)


def _near(places: list[int]) -> Iterator[tuple[int, int]]:
    """The parts of a text around the places, apart from each other."""
    start = end = -1
    for place in places:
        if place - _REACH > end:
            if end >= 0:
                yield start, end
            start = max(0, place - _REACH)
        end = place + _REACH
    if end >= 0:
        yield start, end


def _local(text: str, end: int) -> str | None:
    backwards = text[max(0, end - 66) : end][::-1]
    found = _LOCAL_BACKWARDS.match(backwards) or _QUOTED_BACKWARDS.match(backwards)
    return (found[0][::-1].lstrip("'.-%&~") or None) if found else None


def _is_address(text: str, start: int, local: str, domain: re.Match[str]) -> bool:
    top = domain[0].rsplit(".", 1)[1]
    follows = text[domain.end() : domain.end() + 2]
    if _NO_DOMAIN.fullmatch(top) or follows.startswith(("(", "[")):
        return False
    if local.lower() in _EVERYBODYS and (text[start - 3 : start] == "://" or (follows[:1] == ":" and follows != ": ")):
        return False
    if text[start - 1 : start] == ":" and _USER.search(text, max(0, start - 104), start):
        return False  # a password, https://anna:sesame@example.org
    return len(local) > 1 or domain[0].index(".") > 1  # x@w.shape is a product of matrices
