"""The weighted mean of many files: exact, in any order, in bounded memory."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.codec import safe
from shared.ids import NodeId, RunId
from shared.job import Codec, TensorSpec
from shared.maths.average import Part, mean, shares
from tests.shared.tensors import SMALL, Values, draw, save


def parts(folder: Path, updates: list[Values], codec: Codec) -> list[Part]:
    for number, values in enumerate(updates):
        save(folder / f"{number}", values, codec)
    tensors = [TensorSpec(name, array.shape) for name, array in updates[0].items()]
    where = safe.layout(tensors, codec)
    return [Part(100 - number, folder / f"{number}", 10.0 * (number + 1), where) for number in range(len(updates))]


def folded(some: list[Part], codec: Codec, tensors: tuple[TensorSpec, ...] = SMALL) -> bytes:
    return b"".join(block.tobytes() for block in mean(some, safe.layout(tensors, codec)))


@pytest.mark.parametrize("codec", ["fp32", "bf16"])
def test_the_order_of_arrival_does_not_matter(tmp_path: Path, codec: Codec) -> None:
    some = parts(tmp_path, [draw(SMALL, seed) for seed in range(4)], codec)
    results = {folded(list(order), codec) for order in itertools.permutations(some)}
    assert len(results) == 1


def test_it_is_the_mean_weighted_by_tokens(tmp_path: Path) -> None:
    tensors = (TensorSpec("a", (3,)), TensorSpec("b", (2, 600_000)))  # more than a block
    updates = [draw(tensors, seed) for seed in range(3)]
    got = np.frombuffer(folded(parts(tmp_path, updates, "fp32"), "fp32", tensors), np.float32)
    flat = [np.concatenate([values[spec.name].ravel() for spec in tensors]).astype(np.float64) for values in updates]
    expected = sum(w * values for w, values in zip((10 / 60, 20 / 60, 30 / 60), flat, strict=True))
    assert np.abs(got - expected).max() < 1e-6


def test_one_update_alone_is_its_own_mean(tmp_path: Path) -> None:
    values = draw(SMALL, 1)
    (only,) = parts(tmp_path, [values], "fp32")
    assert folded([only], "fp32") == b"".join(values[spec.name].tobytes() for spec in SMALL)


def test_files_that_say_who_made_them_are_folded_with_others(tmp_path: Path) -> None:
    """Only their headers differ."""
    updates = [draw(SMALL, seed) for seed in range(2)]
    plain = parts(tmp_path, updates, "fp32")
    named = safe.layout(SMALL, "fp32", safe.Origin(NodeId("a" * 16), RunId("run-1"), 3).metadata)
    safe.write(tmp_path / "named", sorted(updates[1].items()), named)
    assert folded([plain[0], replace(plain[1], path=tmp_path / "named", where=named)], "fp32") == folded(plain, "fp32")


def test_shares_sum_to_one() -> None:
    assert shares([1, 3]) == [0.25, 0.75]


MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np
from shared.codec import safe
from shared.job import TensorSpec
from shared.maths.average import Part, mean
folder, count, values = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
tensors = (TensorSpec("w", (values,)),)
where = safe.layout(tensors, "fp32")
for number in range(count):
    with open(folder / f"{number}", "wb") as file:
        file.write(where.header)
        file.truncate(where.size)
for block in mean([Part(n, folder / f"{n}", 1.0, where) for n in range(count)], where):
    pass
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the high-water mark is read from /proc")
def test_memory_grows_neither_with_the_nodes_nor_with_the_model(tmp_path: Path) -> None:
    peak = {}
    for count, values in ((2, 8 << 20), (8, 8 << 20), (2, 48 << 20)):  # 32 MB and 192 MB each
        folder = tmp_path / f"{count}-{values}"
        folder.mkdir()
        words = [sys.executable, "-c", MEASURE, str(folder), str(count), str(values)]
        out = subprocess.run(words, check=True, capture_output=True, text=True)
        peak[count, values] = int(out.stdout) / 1024  # MB
    smallest = peak[2, 8 << 20]
    assert peak[8, 8 << 20] - smallest < 4, peak
    assert peak[2, 48 << 20] - smallest < 4, peak
