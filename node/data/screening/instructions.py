"""Strings that speak to a model instead of a reader: "ignore previous instructions", chat-template marks.

A text may well quote such a thing. It is reported, never cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_BEFORE, _AFTER = 60, 120  # characters around a needle


@dataclass(frozen=True, slots=True)
class Pattern:
    name: str
    needles: tuple[str, ...]  # in lower case; a text without one of them is not searched
    found: re.Pattern[str]


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE | re.MULTILINE)


PATTERNS = (
    Pattern(
        "orders to forget earlier instructions",
        (
            *("ignor", "disregard", "forget", "override", "vergiss", "missachte", "oublie", "olvid"),
            *("dimentica", "esqueça", "negeer", "vergeet"),
            *("игнориру", "забудь", "忽略", "忽視", "无视", "無視", "忘记", "忘れ"),
        ),
        _any(
            r"(?:ignore|disregard|forget|override) (?:all |any )?(?:of )?(?:the |your |my )?"
            r"(?:previous|prior|above|earlier|preceding|system)(?: \w+)? (?:instructions?|prompts?|directions|"
            r"rules|messages)",
            r"(?:ignoriere?n?|vergiss|missachten?) (?:sie )?(?:alle |sämtliche )?(?:die |deine |ihre )?"
            r"(?:vorherigen|vorigen|bisherigen|obigen|früheren) (?:anweisungen|befehle|instruktionen|vorgaben|"
            r"regeln)",
            r"(?:ignore[zr]?|oublie[zr]?) (?:toutes )?(?:les |tes |vos )?(?:instructions|consignes|règles) "
            r"(?:précédentes|antérieures|ci-dessus)",
            r"(?:ignor[ae]|olvid[ae]) (?:todas )?(?:las |tus |sus )?(?:instrucciones|órdenes|reglas) "
            r"(?:anteriores|previas)",
            r"(?:ignora|dimentica) (?:tutte )?(?:le |le tue )?(?:istruzioni|regole) (?:precedenti|anteriori)",
            r"(?:ignore|esqueça) (?:todas )?(?:as )?(?:suas )?(?:instruções|regras) (?:anteriores|prévias|acima)",
            r"(?:negeer|vergeet) (?:alle )?(?:de |je )?(?:vorige|eerdere|bovenstaande) (?:instructies|"
            r"opdrachten|regels)",
            r"(?:игнорируй|забудь)(?:те)? (?:все )?(?:предыдущие|прежние|прошлые) (?:инструкции|указания|"
            r"команды|правила)",
            r"(?:忽略|忽視|无视|無視|忘记).{0,6}(?:之前|以上|先前|前面|上述).{0,6}(?:指令|指示|提示|说明)",
            r"(?:以前|これまで|上記|前)の(?:すべての)?(?:指示|命令|プロンプト)(?:を|は)(?:すべて)?(?:無視|忘れ)",
        ),
    ),
    Pattern(
        "marks of a chat template",
        ("<|", "inst]", "sys>>", "_of_turn>", "### instruction:", "### response:"),
        _any(
            r"<\|(?:im_start|im_end|im_sep|endoftext|end_of_text|begin_of_text|eot_id|eom_id|start_header_id|"
            r"end_header_id|system|user|assistant|end|endofprompt|fim_\w+)\|>",
            r"\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>",
            r"^### (?:Instruction|Response):",
        ),
    ),
    Pattern(
        "talk of the system prompt",
        ("system prompt", "system-prompt"),
        _any(
            r"(?:reveal|print|repeat|show|output|leak|new|your|my) (?:me )?(?:the |your |my )?"
            r"(?:hidden |full |entire )?system prompt",
            r"(?:zeige?|nenne?|verrate?|wiederhole?) (?:mir )?(?:den |deinen )?system[- ]prompt",
        ),
    ),
    Pattern(
        "orders to a model",
        (
            *("language model", "from now on", "do anything now", "developer mode", "are an ai", "an llm", "jailbr"),
            *("you are now", "helpful", "uncensored", "unfiltered", "the user"),
        ),
        _any(
            r"if you are (?:an? )?(?:ai|llm|large language model|language model)\b",
            r"you are (?:now )?(?:an? )?(?:helpful|uncensored|unfiltered|jailbroken) (?:ai |"
            r"language )?(?:assistant|model)",
            r"from now on,? you (?:will|must|are|should) (?:act|answer|respond|reply|obey|ignore|be)\b",
            r"do not (?:tell|inform|reveal (?:this )?to|mention (?:this )?to|warn) the user",
            r"(?:you can |now )do anything now|developer mode (?:enabled|activated)|jailbreak(?:en)? (?:prompt|mode)",
        ),
    ),
)


def matches(text: str) -> Iterator[tuple[str, int, int]]:
    """The name of each pattern with each place where it was found, as (name, start, end).

    Searching all of a text for so many wordings goes at 3 MB/s, so only what stands around a needle is searched.
    """
    lower = text.lower()
    if len(lower) != len(text):  # "İ" is two characters in lower case
        lower = text
    for pattern in PATTERNS:
        for start, end in _windows(lower, pattern.needles):
            for found in pattern.found.finditer(text, start, end):
                yield pattern.name, *found.span()


def _windows(lower: str, needles: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """What stands around the needles, in order; where that overlaps, as one piece."""
    places = []
    for needle in needles:
        place = lower.find(needle)
        while place >= 0:
            places.append(place)
            place = lower.find(needle, place + len(needle))
    if not places:
        return
    places.sort()
    start = previous = places[0]
    for place in places[1:]:
        if place - previous > _BEFORE + _AFTER:
            yield max(0, start - _BEFORE), previous + _AFTER
            start = place
        previous = place
    yield max(0, start - _BEFORE), previous + _AFTER
