"""The same app, unchanged, under Flower's own deployment and under ours: the same weights, bit for bit.

Two nodes: with more, stock Flower adds replies up in the order in which they happen to come.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from node import apps
from shared import apps as folders
from shared.apps import INITIAL
from tests.cluster.group import Group, group
from tests.equivalence.stock import ROUNDS, namespace

pytestmark = pytest.mark.slow
APP = Path(__file__).parent / "app"
STRATEGIES = ("FedAvg", "FedAdam")
Arrays = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app as its owners have it, with the arrays that a run starts from."""
    folder = tmp_path_factory.mktemp("flower") / "sums"
    shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__"))
    chance = np.random.default_rng(7)
    shapes = {"a.weight": (30, 40), "b.bias": (40,)}
    save_file({n: chance.standard_normal(s).astype(np.float32) for n, s in shapes.items()}, folder / INITIAL)
    return folder


@pytest.fixture(scope="module")
def stock(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flower's own results, one file a strategy."""
    out = tmp_path_factory.mktemp("stock")
    command = [*namespace(), sys.executable, "-m", "tests.equivalence.stock", str(folder), str(folder / INITIAL)]
    done = subprocess.run([*command, str(out), *STRATEGIES], check=False, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def friends(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """Two of our nodes. The second owner has not consented yet."""
    with group(tmp_path_factory.mktemp("ours")) as ours:
        ours.up()
        for name in ("ana", "bo"):
            ours.join(name, threads=1)
        allow(ours, "ana", folder, 0)
        ours.run("ana", "bo")
        yield ours


def allow(ours: Group, name: str, folder: Path, number: int) -> None:
    said = ours.friends[name].potluck("allow-app", str(folder), "--config", f"partition-id={number}", "--yes")
    assert "it can read your files" in said
    assert "client_app.py" in said


def test_nothing_runs_without_consent_and_the_app_gives_flowers_own_weights(
    friends: Group, folder: Path, stock: Path
) -> None:
    choices = {"model": f"app:{folder}", "rounds": ROUNDS, "codec": "fp32", "steps": 1}
    run = friends.start(strategy="{name: FedAvg}", **choices)
    friends.until("bo to say why not", lambda: "allow-app" in str(friends.node("bo")) or None)
    assert friends.phase(run) != "committed"
    allow(friends, "bo", folder, 1)
    compare(friends, run, stock / "FedAvg.safetensors")
    compare(friends, friends.start(strategy="{name: FedAdam}", **choices), stock / "FedAdam.safetensors")


def compare(friends: Group, run: str, expected: Path) -> None:
    friends.finished(run)
    folder = friends.host.home / "coordinator" / "runs" / run / "model"
    got: Arrays = load_file(folder / "model.safetensors")
    wanted = load_file(expected)
    assert got.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(got[name], values.astype(np.float32), f"{run} {name}")


def test_what_changes_while_the_owner_is_asked_is_not_allowed(folder: Path, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from shared.errors import OwnerMustAct

    mine = Path(shutil.copytree(folder, tmp_path / "sums"))
    shown = folders.read(mine)
    (mine / "sums" / "client_app.py").write_text("import os\n")
    with pytest.raises(OwnerMustAct, match="was changed while you were asked"):
        apps.allow(tmp_path, mine, shown, {}, datetime.now(UTC))
    assert apps.listed(tmp_path) == []


def test_a_changed_app_is_another_app(folder: Path, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from shared.errors import OwnerMustAct

    shown = folders.read(folder)
    allowed = apps.allow(tmp_path, folder, shown, {"partition-id": 0}, datetime.now(UTC))
    assert apps.find(tmp_path, allowed.app.digest).config == {"partition-id": 0}
    with (allowed.code / "sums" / "client_app.py").open("a") as file:
        file.write("# changed behind the owner's back\n")
    with pytest.raises(OwnerMustAct, match="not those that were allowed"):
        apps.find(tmp_path, allowed.app.digest)
    assert apps.forget(tmp_path, allowed.app.digest[:8])
    with pytest.raises(OwnerMustAct, match="was not allowed on this PC"):
        apps.find(tmp_path, allowed.app.digest)
