"""The cleaning stages in their order, made from the owner's options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from node.data.cleaning.boilerplate import Boilerplate
from node.data.cleaning.characters import Characters
from node.data.cleaning.language import Language
from node.data.cleaning.line_rules import RULES as LINE_RULES
from node.data.cleaning.quality import RULES, Quality
from shared.errors import OwnerMustAct

Cleaner = Characters | Boilerplate | Language | Quality


@dataclass(frozen=True, slots=True)
class Options:
    """What an owner may choose. Names of rules are those that the report shows."""

    languages: tuple[str, ...] = ()  # ISO 639 codes that are kept; none: all
    keep_unknown: bool = True  # too short or too mixed to tell
    rules_off: tuple[str, ...] = ()
    rules_on: tuple[str, ...] = ()  # of those that are off by default
    web_rules: Literal["pages", "all", "never"] = "pages"  # where Gopher's and C4's rules hold


def stages(options: Options) -> list[Cleaner]:
    """Characters, boilerplate, language, quality. Raises OwnerMustAct for a rule or language that does not exist."""
    known = [rule.name for rule in LINE_RULES] + [rule.name for rule in RULES]
    if strange := sorted({*options.rules_off, *options.rules_on} - set(known)):
        raise OwnerMustAct(f"There is no cleaning rule {strange[0]!r}. The rules are: {'; '.join(known)}.")
    return [
        Characters(),
        Boilerplate(options.rules_off, options.rules_on, options.web_rules),
        Language(options.languages, options.keep_unknown),
        Quality(options.rules_off, options.rules_on, options.web_rules),
    ]
