"""Every import contract, seen red: a copy of the house with one wrong import, and the linter's word on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("shared", "coordinator", "node")

# contract: (file that breaks it, the line that does)
WRONG = {
    "shared-knows-neither-side": ("shared/entry.py", "import node.home"),
    "sides-never-meet": ("node/owner.py", "import coordinator.settings"),
    "logic-decides-only": ("node/logic/state.py", "import time"),
    "torch-only-in-the-trainer": ("coordinator/ledger.py", "import torch"),
    "flower-only-in-its-rooms": ("coordinator/logic/rounds.py", "import flwr"),
    "the-agent-is-light": ("node/owner.py", "import numpy"),
    "codec-and-maths-are-pure": ("shared/maths/outer.py", "import asyncio"),
}
# And from another side.
ALSO_WRONG = [
    ("shared-knows-neither-side", "shared/models/__main__.py", "import coordinator.settings"),
    ("sides-never-meet", "coordinator/settings.py", "import node.home"),
    ("logic-decides-only", "coordinator/logic/verdicts.py", "from shared.rpc.v1 import node_pb2"),
    ("logic-decides-only", "coordinator/logic/runs.py", "import sqlite3"),
    ("the-agent-is-light", "node/link.py", "import safetensors"),
    ("the-agent-is-light", "node/bases.py", "import huggingface_hub"),
]


def contracts() -> dict[str, str]:
    """Id -> name, as .importlinter has them."""
    file = ConfigParser()
    file.read(REPOSITORY / ".importlinter")
    return {
        section.removeprefix("importlinter:contract:"): file[section]["name"]
        for section in file.sections()
        if section.startswith("importlinter:contract:")
    }


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the packages that are linted."""
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / ".importlinter", tmp_path)
    return tmp_path


def lint(house: Path) -> tuple[int, set[str]]:
    """The linter's exit code, and the names of the contracts it finds broken."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"], cwd=house, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(house), "COLUMNS": "300"}, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    return done.returncode, {name for name in contracts().values() if f"{name} BROKEN" in done.stdout}


def test_the_house_as_it_is_keeps_every_contract(house: Path) -> None:
    assert lint(house) == (0, set())


def test_each_contract_has_an_import_that_breaks_it() -> None:
    assert contracts().keys() == WRONG.keys()


@pytest.mark.parametrize(
    ("contract", "file", "line"), [*((contract, *wrong) for contract, wrong in WRONG.items()), *ALSO_WRONG]
)
def test_a_wrong_import_breaks_its_contract(house: Path, contract: str, file: str, line: str) -> None:
    source = house / file
    source.write_text(f"{source.read_text()}\n\n{line}\n")
    code, broken = lint(house)
    assert code == 1
    assert broken == {contracts()[contract]}
