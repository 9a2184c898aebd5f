"""The cleaning stages together."""

from __future__ import annotations

from collections import Counter

import pytest

from node.data import cleaning
from node.data.document import Document
from shared.errors import OwnerMustAct


def test_a_note_goes_through_all_stages() -> None:
    counts: Counter[str] = Counter()
    document = Document("note.md", "\ufeffDear diary,\r\n\r\ntoday it rained.\r\nSent from my iPhone")
    for stage in cleaning.stages(cleaning.Options(languages=("en",))):
        made = stage(document, counts)
        assert isinstance(made, Document)
        document = made
    assert document.text == "Dear diary,\n\ntoday it rained."
    assert counts["boilerplate: sent from a phone"] == 1


def test_every_stage_says_its_name_and_version() -> None:
    made = [(stage.name, stage.version) for stage in cleaning.stages(cleaning.Options())]
    assert [name for name, _ in made] == ["characters", "boilerplate", "language", "quality"]
    assert all(version for _, version in made)


def test_a_rule_that_does_not_exist_is_named() -> None:
    with pytest.raises(OwnerMustAct, match="no cleaning rule 'gopher'"):
        cleaning.stages(cleaning.Options(rules_off=("gopher",)))
