"""Names by the owner's spaCy model: a clear word where spaCy is missing, and what is done with what a model says."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.data.document import Document
from node.data.privacy import Options, Privacy, names
from shared.errors import OwnerMustAct

STAND_IN = '''
"""As much of spaCy as is used: a model that takes every capitalised "Anna" for a person."""
import re
class Span:
    def __init__(self, found):
        self.start_char, self.end_char = found.span()
        self.label_ = "PER" if found[0] == "Anna" else "LOC"
class Doc:
    def __init__(self, text):
        self.ents = [Span(found) for found in re.finditer("Anna|Berlin", text)]
class Model:
    meta = {"lang": "de", "name": "tiny", "version": "1.0"}
    def __call__(self, text):
        assert len(text) <= 50_000
        return Doc(text)
def load(path):
    if not path.endswith("good"):
        raise OSError("[E053] Could not read config file\\nand more")
    return Model()
'''


@pytest.mark.skipif(importlib.util.find_spec("spacy") is not None, reason="spaCy is installed here")
def test_without_spacy_the_owner_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OwnerMustAct, match="pip install spacy"):
        Privacy(Options(spacy_model=str(tmp_path)))


@pytest.fixture
def spacy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "spacy.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "spacy", raising=False)
    names.load.cache_clear()
    yield tmp_path
    sys.modules.pop("spacy", None)
    names.load.cache_clear()


def test_people_are_blanked_and_the_model_is_named(spacy: Path) -> None:
    (spacy / "good").mkdir()
    privacy = Privacy(Options(spacy_model=str(spacy / "good")))

    went = privacy(Document("a", "Anna fuhr nach Berlin. " * 4000), Counter())

    assert isinstance(went, Document)
    assert went.text == "[NAME] fuhr nach Berlin. " * 4000
    assert "de_tiny 1.0" in privacy.version


def test_a_folder_without_a_model_is_named(spacy: Path) -> None:
    (spacy / "bad").mkdir()

    with pytest.raises(OwnerMustAct, match=r"cannot load .*Could not read config file$"):
        Privacy(Options(spacy_model=str(spacy / "bad")))
