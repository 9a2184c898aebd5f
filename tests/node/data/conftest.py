"""What the tests of an owner's text share."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.models.vocabulary import save_byte_tokenizer


@pytest.fixture
def tokenizer_json(tmp_path: Path) -> Path:
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    save_byte_tokenizer(folder)
    return folder / "tokenizer.json"
