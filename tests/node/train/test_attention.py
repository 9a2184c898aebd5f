"""Block-sparse attention: who sees whom, the same in every family, and only when the run insists."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from node.train import attention
from node.train.attention import BLOCK, GLOBAL, RANDOM, WINDOW, register, sees
from shared.errors import PeerMisbehaved
from shared.job import dump, parse
from tests.node.train.families import CONFIGS, WORDS, model_of
from tests.node.train.room import Trainer, make_job, make_room

BLOCKS = 64


@pytest.fixture(scope="module")
def seen() -> torch.Tensor:
    """[query block, key block] of 4,096 tokens, as the last token of each query block sees it."""
    mask = attention._dense_mask(BLOCKS * BLOCK, torch.device("cpu"))
    return mask.view(BLOCKS, BLOCK, BLOCKS, BLOCK)[:, -1].all(-1)


def test_nobody_sees_what_comes_later() -> None:
    mask = attention._dense_mask(1000, torch.device("cpu"))
    assert not mask.triu(1).any()
    assert mask.diagonal().all()


def test_a_window_and_the_start_are_always_seen(seen: torch.Tensor) -> None:
    for row in range(BLOCKS):
        assert seen[row, max(0, row - WINDOW + 1) : row + 1].all()
        assert seen[row, : min(GLOBAL, row + 1)].all()


def test_a_few_more_blocks_are_seen_and_most_are_not(seen: torch.Tensor) -> None:
    more = seen.sum(1)[16:] - WINDOW - GLOBAL
    assert RANDOM / 2 < more.float().mean() <= RANDOM
    assert more.max() <= 4 * RANDOM
    assert len({tuple(row.nonzero().flatten().tolist()) for row in seen}) == BLOCKS


def test_thirty_two_bits_are_enough() -> None:
    """Cards count in them. The longest sequence a run may have is 1,048,576 tokens."""
    places = torch.randint(0, 1 << 20, (2, 100_000), generator=torch.Generator().manual_seed(0))
    short = sees(0, 0, places[0].int(), places[1].int())
    assert torch.equal(short, sees(0, 0, places[0], places[1]))


@pytest.mark.parametrize("family", CONFIGS)
def test_models_of_every_family_use_it(family: str) -> None:
    """A token changes what its window sees of it, and nothing for a block that does not see it (in one layer)."""
    model = model_of(family, register()).eval()
    for layers in (m for m in model.modules() if isinstance(m, torch.nn.ModuleList)):
        del layers[1:]
    row, column = next((r, c) for r in range(6, 12) for c in range(1, 4) if not _sees_block(r, c))
    ids = torch.randint(0, WORDS, (1, 12 * BLOCK), generator=torch.Generator().manual_seed(1))
    other = ids.clone()
    other[0, column * BLOCK] += 1
    other %= WORDS
    with torch.no_grad():
        changed = (model(input_ids=ids).logits != model(input_ids=other).logits).any(-1)[0].view(-1, BLOCK).any(-1)
    assert changed[column]
    assert not changed[:column].any()
    assert not changed[row]


def test_within_the_window_it_is_ordinary_attention() -> None:
    ids = torch.randint(0, WORDS, (2, WINDOW * BLOCK), generator=torch.Generator().manual_seed(1))
    logits = [model_of("llama", kind)(input_ids=ids).logits for kind in ("sdpa", register())]
    torch.testing.assert_close(*logits)


def test_a_job_must_insist_on_it() -> None:
    job = make_job((), None)
    with pytest.raises(PeerMisbehaved, match="write `attention: block_sparse_anyway` if you want it"):
        parse(dump(make_job(job.tensors, None, attention="block_sparse")))


@pytest.mark.slow
def test_a_trainer_learns_with_it_and_refuses_the_bare_word(tmp_path: Path) -> None:
    room = make_room(tmp_path / "room", lora=3, attention="block_sparse_anyway", sequence=320, batch=320)
    with Trainer(tmp_path / "p") as trainer:
        sentence = trainer.ask(room.changed(attention="block_sparse").open_words("bare"), "failed")["sentence"]
        assert "block_sparse_anyway" in sentence
        trainer.ask(room.open_words("sparse", engine="torch"))
        trained = trainer.ask(room.train_words())
        assert trained["steps"] == 4
        assert trainer.ask({"op": "evaluate", "round": 1, "model": str(room.model)})["metrics"]["loss"] > 0


def _sees_block(row: int, column: int) -> bool:
    return bool(sees(0, 0, torch.tensor(row * BLOCK), torch.tensor(column * BLOCK)))
