"""The index in processes of its own: killed in the middle, and its memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from node.data.duplicates.index import Index
from tests.node.data.duplicates.texts import add, kinds, prose

_KILLED = """
import sys
from pathlib import Path
from node.data.duplicates.index import Index
from tests.node.data.duplicates.texts import add, prose

texts = [" ".join(prose(seed, 40)) for seed in range(60)]
with Index.open(Path(sys.argv[1])) as index:
    add(index, "a", texts[:30])
    index.commit()
    add(index, "a", texts[30:], first=30)
    print("added", flush=True)
    sys.stdin.read()
"""

_LARGE = """
import sys
from pathlib import Path
import numpy as np
from node.data.duplicates.index import Index
from node.data.duplicates.signatures import Signatures
from node.data.duplicates.sizes import BANDS, BINS

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

chance = np.random.default_rng(1)
def batch(many):
    return Signatures(
        chance.integers(0, 2**64, (many, 2), np.uint64), chance.integers(0, 2**32, (many, BANDS), np.uint32),
        chance.integers(1, 256, (many, BINS), np.uint8),
    )

seen = []
with Index.open(Path(sys.argv[1])) as index:
    for number in range(50):
        made = batch(2000)
        assert {verdict.kind for verdict in index.add("a", range(2000), made, [0] * 2000)} == {"new"}
        index.commit()
        seen.append(resident())
    assert {verdict.kind for verdict in index.add("b", range(2000), made, [0] * 2000)} == {"exact"}
print(max(seen) - seen[15])
"""


def test_a_killed_process_leaves_what_it_committed(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdin is not None
    with child.stdout, child.stdin:
        assert child.stdout.readline() == "added\n"
        child.kill()
        child.wait()
    texts = [" ".join(prose(seed, 40)) for seed in range(60)]
    with Index.open(tmp_path) as index:
        assert index.length == 30
        assert kinds(add(index, "a", texts)) == ["exact"] * 30 + ["new"] * 30


def test_a_hundred_thousand_documents_take_no_more_memory_than_thirty_thousand(tmp_path: Path) -> None:
    said = subprocess.run([sys.executable, "-c", _LARGE, str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(said.stdout) < 24  # MB; the files have 73 by then, a batch 1.2
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 102_000 * 730
