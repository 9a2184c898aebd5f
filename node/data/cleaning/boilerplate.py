"""Takes out lines that nobody wrote for a reader: cookie banners, rights notices, navigation, page numbers.

A rule takes a whole line or nothing, so a sentence about cookies stays. Rules that would also hit what people write by
hand hold for pages of the web only. Lines repeated across documents are left to near-duplicates and the poison report:
to cut them, every document would have to be read twice before the first could be kept.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from node.data.cleaning.line_rules import RULES, LineRule
from node.data.cleaning.pages import is_page, is_pdf
from node.data.cleaning.texts import rewritten
from node.data.document import Counts, Document, Dropped

LONGEST = 300  # characters; a longer line is a paragraph
_MARKS = "-–—*•·:.,;!?|<>«»‹›↑←→^[](){}#\"'"


class Boilerplate:
    """Prose and mails without boilerplate lines, which are counted per rule."""

    name = "boilerplate"
    version = "1"

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
    """Rules by the first word of the lines they take, so that most lines cost one look into a table."""

    def __init__(self, rules: list[LineRule]) -> None:
        self.by_start: dict[str, list[LineRule]] = {}
        for rule in rules:
            for start in rule.starts:
                self.by_start.setdefault(start, []).append(rule)
        self.others = [rule for rule in rules if not rule.starts]


def _without(text: str, rules: _Rules, counts: Counts) -> str:
    lower = text.lower() if rules.others else ""
    others = [rule for rule in rules.others if any(needle in lower for needle in rule.needles)]
    kept, removed = [], 0
    for line in text.split("\n"):
        words = line.split(None, 1)
        if words and (candidates := rules.by_start.get(words[0].strip(_MARKS).lower(), []) + others):
            stripped = line.strip()
            rule = len(stripped) <= LONGEST and next((rule for rule in candidates if rule.line.match(stripped)), None)
            if rule:
                counts[f"boilerplate: {rule.name}"] += 1
                removed += 1
                continue
        kept.append(line)
    return re.sub(r"\n\n\n+", "\n\n", "\n".join(kept)).strip("\n") if removed else text
