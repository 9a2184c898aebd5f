"""Every example run file passes the same check that the host types, against models of the sizes it names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from coordinator import checking, runfile
from shared.models import fresh

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
TIERS = {"1b-full", "1b-lora", "7b-qlora", "125m-scratch", "saturday-notes"}


def test_there_is_one_for_each_tier() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} >= TIERS


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_an_example_is_fine(file: Path, tmp_path: Path) -> None:
    for name in ("my-1b-model", "my-7b-model"):  # what the host would put there
        (tmp_path / name).mkdir()
        fresh.make_size("potluck-tiny", tmp_path / name)
        config = tmp_path / name / "config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "max_position_embeddings": 4096}))
    here = Path(shutil.copy(file, tmp_path))
    spec = runfile.require(here.read_text(), file.name, checking.further(tmp_path))
    assert spec["run"] == file.stem
