"""A folder to fill, and everything that reading makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from node.data.document import Document, Unreadable
from node.data.reading.read import AS_FOUND, Entry, Options, Part, documents, inventory

Read = Callable[..., list[Document | Unreadable]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Everything in the test's folder, read."""

    def everything(options: Options = AS_FOUND) -> list[Document | Unreadable]:
        found: list[Document | Unreadable] = []
        for entry in inventory(tmp_path):
            found += documents(tmp_path, Part(entry), options) if isinstance(entry, Entry) else [entry]
        return found

    return everything
