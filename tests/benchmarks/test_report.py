"""The table of benchmarks, and the line each one ends with."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path

import pytest

from tests.benchmarks import NAMES
from tests.benchmarks.__main__ import MODULES
from tests.benchmarks.report import Figure

HELPERS = {
    "report", "watching", "models", "hosting", "bare_deepspeed", "plain_stream", "two_ranks", "pair", "real_text",
}  # fmt: skip


def test_every_benchmark_is_in_the_table() -> None:
    here = {path.stem for path in Path(__file__).parent.glob("*.py")}
    assert {name for name in here - HELPERS if not name.startswith(("_", "test_"))} == {
        MODULES.get(name, name) for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_each_benchmark_measures_in_a_folder(name: str) -> None:
    measure = importlib.import_module(f"tests.benchmarks.{MODULES.get(name, name)}").measure
    signature = inspect.signature(measure)
    assert next(iter(signature.parameters)) == "folder"
    assert signature.return_annotation == "Figure"


def test_a_line_says_what_was_measured_against_which_bar() -> None:
    line = json.loads(Figure("join", 2.34567, "s", 3, "lower", "three friends").line())
    assert list(line) == ["name", "figure", "unit", "bar", "better", "detail"]
    assert (line["name"], line["figure"], line["bar"], line["better"]) == ("join", 2.346, 3, "lower")
    assert line["detail"].startswith("three friends; load average ")


@pytest.mark.parametrize(("figure", "better", "met"), [(3, "lower", True), (4, "lower", False), (4, "higher", True)])
def test_a_missed_bar_is_said_first(figure: float, better: str, met: bool) -> None:
    found = Figure("join", figure, "s", 3, better, "details").explained("imports")  # type: ignore[arg-type]
    assert found.met is met
    assert found.detail == ("details" if met else "missed the bar: imports; details")
