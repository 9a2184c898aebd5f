"""Passwords and keys that are told by what stands before them: `password = ...`, `?token=...`, `https://anna:...@host`.

A word that a program or a manual may have there (`token = next(tokens)`, "password: required") is none. What says
"password" needs less of its value than one that says "token".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import log2

from node.data.privacy.kinds import PLACEHOLDER, Hit, Kind

# Lower case, as they begin and as they may go on.
_PASSWORDS = {
    "pass": r"(?:[_ -]?(?:word|wort|code|phrase)|wd)",
    "pwd": "",
    "kennwort": "",
    "mot de passe": "",
    "mdp": "",
    "contrase": "(?:ñ[ae]|na)",
    "has": "(?:ł[oa]|lo)",
    "senha": "",
    "parola": "",
    "wachtwoord": "",
    "lösenord": "",
    "пароль": "",
    "パスワード": "",
    "暗証番号": "",
    "密码": "",
    "密碼": "",
    "비밀번호": "",
}
_SECRETS = {
    "secret": "",
    "token": "",
    "key": "",
    "credential": "s?",
    "geheimnis": "",
    "schlüssel": "",
    "jeton": "",
    "clé": "",
    "clave": "",
    "klucz": "",
    "シークレット": "",
    "トークン": "",
    "キー": "",
}
_KEY_FOR = re.compile(
    r"(?:api|access|auth|account|encryption|signing|shared|licen[sc]e|private|storage|secret)[_ -]?\Z"
)
_SIGN = (
    r"(?:[\w-]{0,24}[\"'`]?(?P<sign>\s{0,3}(?:=>|:=|[=:])\s{0,3})"
    r"|\s(?:is|was|ist|lautet|war|heißt|est|c'est|es|era|fue|to|auf|jest|to jest|brzmi)\s"
    r"(?:now\s|jetzt\s|also\s)?:?\s?|\s?は\s?)"
)
_NAMES = tuple(
    (start, re.compile(start + rest + _SIGN), password)
    for names, password in ((_PASSWORDS, True), (_SECRETS, False))
    for start, rest in names.items()
)
_QUOTED = re.compile(r"([rbfu]{0,2})(?:\"([^\"\n]{3,200})\"|'([^'\n]{3,200})'|`([^`\n]{3,200})`|「([^」\n]{3,200})」)")
_BARE = re.compile(r"[^\s\"'`,;<>(){}\[\]|。、」]{4,200}")
_WORDS_OF_A_SECRET = re.compile(r"[A-Za-z0-9_-]{0,40}\Z")
_QUERY = re.compile(
    r"[?&#;](?:[A-Za-z_-]{0,20}(?:token|secret|passw(?:or)?d|pwd|signature|api_?key|auth|session_?id)|sig|sid|key|code|pass"
    r"|X-Amz-Credential)=([^\s&#\"'<>)\]]{6,2000})",
    re.IGNORECASE,
)
_WITH_PASSWORD = re.compile(r"://([^\s/:@\"'<>\[\]]{0,100}:[^\s/@\"'<>\[\]]{1,200})@(?=[\w\[])")
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|->|::|-|/)[A-Za-z_$][\w$]*)*\Z")
_STANDS_FOR = re.compile(  # the words only as words: insertcoin99 is somebody's password
    r"\A&|\A~?/[A-Za-z]|\A\$|\$[{(]|\{\{|%[(\w]|<\w|\.\.\.|…|\*{3}|x{4}"
    r"|(?<![^\W_])(?:your|example|change.?me|placeholder|redacted|dummy|here|insert)(?![^\W_])",
    re.IGNORECASE,
)
_PLACEHOLDERS = (":pass", ":password", ":passwd", ":pwd", ":secret")
_ENOUGH_BITS = (
    2.8  # of a character: letters of words that are written with digits have less, random ones have 3 and more
)


def secrets_said(text: str, lowered: str, code: bool) -> Iterator[Hit]:
    """Of a plain text, also given in lower case; `code`: it is a program's."""
    if "://" in text:
        for found in _WITH_PASSWORD.finditer(text):
            if not _stands_for_one(found[1].split(":", 1)[1]) and not found[1].endswith(_PLACEHOLDERS):
                yield Hit(found.start(1), found.end(1), Kind.KEY)
    if "=" in text and ("?" in text or "&" in text):
        for found in _QUERY.finditer(text):
            if _random(found[1], 6) and not _stands_for_one(found[1]):
                yield Hit(found.start(1), found.end(1), Kind.KEY)
    for start, pattern, password in _NAMES:
        at = lowered.find(start)
        while at >= 0:
            name = pattern.match(lowered, at)
            if (
                name
                and (start != "key" or _KEY_FOR.search(lowered, max(0, at - 11), at))
                and (span := _value(text, name, password, code))
            ):
                yield Hit(*span, Kind.KEY)
            at = lowered.find(start, at + len(start))


def _value(text: str, name: re.Match[str], password: bool, code: bool) -> tuple[int, int] | None:
    """Where the value is, if it is one to hide."""
    said = name["sign"] is None
    if quoted := _QUOTED.match(text, name.end()):
        group = next(number for number in (2, 3, 4, 5) if quoted[number] is not None)
        value = quoted[group]
        if _stands_for_one(value):
            return None
        if password:
            good = (
                value == value.strip()
                and (" " not in value or "phrase" in name[0] or _mixed(value))
                and (not said or _mixed(value))
            )
        else:
            good = _random(value, 12)
        return quoted.span(group) if good else None
    bare = _BARE.match(text, name.end())
    if bare is None:
        return None
    value = bare[0].rstrip(".,:?")
    follows = text[bare.end() : bare.end() + 1]
    if not value or _stands_for_one(value) or follows in ("(", "["):
        return None
    if password:
        if code:
            good = len(value) >= 6 and _mixed(value) and not _IDENTIFIER.match(value)
        else:
            good = len(value) >= 5 and (_mixed(value) or _is_setting(text, name, bare))
    else:
        good = _random(value, 16 if code else 12) and not (code and _IDENTIFIER.match(value) and len(value) < 24)
    return (bare.start(), bare.start() + len(value)) if good else None


def _stands_for_one(value: str) -> bool:
    """${PASSWORD}, <your token>, a placeholder of ours."""
    return bool(_STANDS_FOR.search(value) or PLACEHOLDER.search(value) or PLACEHOLDER.match("[" + value + "]"))


def _mixed(value: str) -> bool:
    """Letters, and digits or signs that words do not have: hunter2, Sommer-24!, 4711xy; not "minimum" or 8 or md5."""
    letters, digits = sum(map(str.isalpha, value)), sum(map(str.isdigit, value))
    signs = sum(value.count(sign) for sign in "!#$%*+?@^~")
    return bool((letters and digits) or (letters and signs) or digits >= 5)


def _is_setting(text: str, name: re.Match[str], bare: re.Match[str]) -> bool:
    """DB_PASSWORD=letmein, alone on its line."""
    if name["sign"] != "=" or text[bare.end() : bare.end() + 1] not in ("", "\n"):
        return False
    line = text[text.rfind("\n", max(0, name.start() - 60), name.start()) + 1 : name.start("sign")]
    return bool(_WORDS_OF_A_SECRET.match(line))


def _random(value: str, least: int) -> bool:
    """As no word is: letters and digits, hardly one of them twice."""
    if len(value) < least or not (re.search("[0-9]", value) and re.search("[A-Za-z]", value)):
        return False
    bits = -sum(n / len(value) * log2(n / len(value)) for n in Counter(value).values())
    return bits >= min(_ENOUGH_BITS, log2(len(value)) - 0.9)
