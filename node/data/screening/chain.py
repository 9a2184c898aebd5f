"""The screening stages in their order, made from the owner's options."""

from __future__ import annotations

from dataclasses import dataclass

from node.data.screening.toxicity import Action, Toxicity
from shared.errors import OwnerMustAct


@dataclass(frozen=True, slots=True)
class Options:
    """What an owner may choose. By default abuse is counted and nothing is cut: it is the owner's own life."""

    toxicity: Action = "count"  # "off" spares scikit-learn's two seconds a process
    threshold: float = 0.9  # of the model's score
    own_words: tuple[str, ...] = ()  # words and phrases the owner wants found, in any language
    act_on_built_in_list: bool = False  # also cut or drop by better-profanity's list


def stages(options: Options) -> list[Toxicity]:
    """The toxicity stage, or none. Raises OwnerMustAct for a threshold that is no score."""
    if not 0 < options.threshold <= 1:
        raise OwnerMustAct(f"The toxicity threshold is {options.threshold}. Give a score between 0 and 1, such as 0.9.")
    if options.toxicity == "off":
        return []
    return [Toxicity(options.toxicity, options.threshold, options.own_words, options.act_on_built_in_list)]
