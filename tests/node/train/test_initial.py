"""What a trainer holds before its first step is spread as it should be: no library has drawn it anew on the way.

DeepSpeed's `zero.Init` around a transformers constructor gives embeddings of deviation 1.0 instead of 0.02, silently
(../shared/research/deepspeed.md, 9). So we look at what the engines really hold, loaded and built from a config alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.node.train.room import make_room
from tests.node.train.trials import perform

ENGINES = ("torch", "zero-3")


@pytest.fixture(scope="module")
def deviations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("initial")
    perform("tests.node.train.test_initial", 1, folder)
    found: dict[str, Any] = json.loads((folder / "found.json").read_bytes())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("how", ["loaded", "from a config alone"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_holds_weights_as_widely_spread_as_the_configuration_says(
    deviations: dict[str, Any], engine: str, how: str
) -> None:
    found = deviations[f"{engine} {how}"]
    assert len(found) == 2 * 9 + 2  # seven matrices and two norms a block, the embeddings, the last norm
    for name, (mean, deviation) in found.items():
        if name.endswith("norm.weight"):
            assert (mean, deviation) == (1.0, 0.0), name
        else:
            assert deviation == pytest.approx(0.05, rel=0.15), name
    assert found["model.embed_tokens.weight"][1] == pytest.approx(0.05, rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_the_tables_of_positions_stay_in_fp32(deviations: dict[str, Any], engine: str) -> None:
    """In bf16, position 1,000 would be turned by a radian too much or too little."""
    assert deviations[f"{engine} tables"] == ["torch.float32"]


def main(folder: Path) -> None:
    """In a process of its own: DeepSpeed leaves traces."""
    import torch

    from node.logic.fit import Fit
    from node.train import weights
    from node.train.engine import Engine
    from node.train.engine.deepspeed_engine import DeepSpeedEngine
    from node.train.engine.torch_engine import TorchEngine
    from node.train.job import deal
    from node.train.model import build
    from node.train.ranks import Ranks

    room = make_room(folder / "room")  # its configuration asks for a deviation of 0.05
    bare = folder / "bare"
    bare.mkdir()
    (bare / "config.json").write_bytes((room.base / "config.json").read_bytes())
    ranks, cpu = Ranks(0, 1, folder / "rendezvous"), torch.device("cpu")
    found: dict[str, Any] = {}
    for name in ENGINES:
        for how, base in (("loaded", room.base), ("from a config alone", bare)):
            fit = Fit(engine="torch") if name == "torch" else Fit(engine="deepspeed", zero=3)
            share = deal(room.job, fit, 1, on_card=False)
            model = build(base, room.job, torch.float32 if name == "torch" else torch.bfloat16, cpu, "sdpa")
            engine: Engine
            if name == "torch":
                engine = TorchEngine(model, room.job, fit, ranks, cpu, "bf16")
            else:
                engine = DeepSpeedEngine(model, room.job, fit, share, ranks, cpu, "bf16")
            if how == "loaded":
                engine.load_weights(weights.read(room.model, room.job))
            found[f"{name} {how}"] = {n: (float(v.mean()), float(v.std())) for n, v in engine.read_weights()}
            found[f"{name} tables"] = sorted({str(b.dtype) for b in model.buffers() if b.is_floating_point()})
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[3]))
