"""How long a step waits for its text: what the trainer tells of itself, on short steps, where it would show most."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.report import Figure
from tests.benchmarks.worker_vs_bare import BATCH, MICRO, MODEL, SEQUENCE, STEPS, prepare
from tests.node.train.room import Trainer

ROUNDS = 4


def measure(folder: Path) -> Figure:
    """Seconds waited over seconds trained, over all rounds but the first."""
    room = prepare(folder)
    rounds: list[dict[str, float]] = []
    with Trainer(folder / "trainer") as trainer:
        opened = trainer.ask(room.open_words(engine="torch", micro_batch=MICRO))
        for number in range(1, ROUNDS + 1):
            rounds.append(trainer.ask(room.train_words(round_number=number, out=f"update-{number}"))["metrics"])
    shares = [round_["data_wait"] for round_ in rounds]
    seconds = sum(round_["seconds"] for round_ in rounds[1:])
    waited = sum(round_["data_wait"] * round_["seconds"] for round_ in rounds[1:])
    detail = (
        f"{opened['parameters'] / 1e6:.0f} M parameters ({MODEL}), {opened['engine']}, {opened['dtype']}, one rank, "
        f"one thread, {STEPS} steps of {BATCH} tokens a round ({SEQUENCE} a sequence); {waited * 1000:.1f} ms in "
        f"{seconds:.1f} s; round by round {', '.join(f'{share:.5f}' for share in shares)}"
    )
    return Figure("data_wait", waited / seconds, "share", 0.02, "lower", detail)
