"""Takes out lines that nobody wrote for a reader: cookie banners, rights notices, navigation, page numbers.

A rule takes a whole line or nothing, so a sentence about cookies stays. Rules that would also hit what people write by
hand hold for pages of the web only. Lines repeated across documents are left to near-duplicates and the poison report:
to cut them, every document would have to be read twice before the first could be kept.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Literal

from node.data.cleaning.line_rules import RULES, LineRule
from node.data.cleaning.pages import is_page, is_pdf
from node.data.cleaning.texts import rewritten
from node.data.document import Counts, Document, Dropped

LONGEST = 300  # characters; a longer line is a paragraph


class Boilerplate:
    """Prose and mails without boilerplate lines, which are counted per rule."""

    name = "boilerplate"
    version = "2"

    def __init__(
        self, off: Collection[str] = (), on: Collection[str] = (), pages: Literal["pages", "all", "never"] = "pages"
    ) -> None:
        rules = [rule for rule in RULES if (rule.default or rule.name in on) and rule.name not in off]
        self._rules = {
            (page, pdf): _Rules([rule for rule in rules if {"anywhere": True, "pages": page, "pdf": pdf}[rule.where]])
            for page in (False, True)
            for pdf in (False, True)
        }
        self._pages = pages

    def __call__(self, document: Document, counts: Counts) -> Document | Dropped:
        if document.kind not in ("prose", "mail"):
            return document
        page = self._pages == "all" or (self._pages == "pages" and is_page(document))
        rules = self._rules[page, is_pdf(document)]
        return rewritten(document, lambda text: _without(text, rules, counts))


class _Rules:
    """Rules, and one pattern that finds the beginnings of all lines that the anchored ones may take."""

    def __init__(self, rules: list[LineRule]) -> None:
        self.anchored = [rule for rule in rules if rule.starts]
        self.others = [rule for rule in rules if not rule.starts]
        starts = sorted({re.escape(start) for rule in self.anchored for start in rule.starts})
        self.beginnings = re.compile(rf"\n[^\w\n]*+(?:(?:{'|'.join(starts)})(?!\w)|\d+ -)") if starts else None


def _without(text: str, rules: _Rules, counts: Counts) -> str:
    lower = text.lower()
    if len(lower) != len(text):  # "İ" is two characters in lower case
        lower = text
    others = [rule for rule in rules.others if any(needle in lower for needle in rule.needles)]
    anchored = {found.start() for found in rules.beginnings.finditer("\n" + lower)} if rules.beginnings else set()
    kept, copied = [], 0
    for start in _line_starts(text) if others else sorted(anchored):
        end = text.find("\n", start) + 1 or len(text)
        line = text[start:end].strip()
        if line and len(line) <= LONGEST:
            candidates = [*rules.anchored, *others] if start in anchored else others
            rule = next((rule for rule in candidates if rule.line.match(line)), None)
            if rule:
                counts[f"boilerplate: {rule.name}"] += 1
                kept.append(text[copied:start])
                copied = end
    if not copied:
        return text
    return re.sub(r"\n\n\n+", "\n\n", "".join([*kept, text[copied:]])).strip("\n")


def _line_starts(text: str) -> Iterator[int]:
    yield 0
    for end in re.finditer("\n", text):
        yield end.end()
