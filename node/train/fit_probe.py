"""`python -m node.train.fit_probe`: does a fit fit? The run's real model takes real steps, and the peak is read.

Started with a trainer's own arguments, one process a card. `open` builds everything as the trainer would, with the fit
in question; `probe` takes two steps at the run's full length (Adam's state is there from the second on) with so many
sequences in a micro-batch. Nothing is learnt (the learning rate is zero), and nothing is written but the log. Running
out of memory is an answer: `failed`, kind `memory`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from typing import Any

import numpy as np
import torch

from node.train import machine
from node.train.__main__ import OPEN, arguments, failure, quiet
from node.train.bench import Bench, Voice, open_bench
from node.train.engine import MicroBatch
from node.train.pipe import Facts, Orders
from node.train.ranks import Ranks

STEPS = 2
Words = dict[str, Any]


def main() -> int:
    chosen = arguments()
    facts = Facts()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quiet()
    ranks = Ranks(chosen.rank, chosen.world, chosen.rendezvous)
    return lead(ranks, Orders(sys.stdin), facts) if ranks.leads else obey(ranks)


def lead(ranks: Ranks, orders: Orders, facts: Facts) -> int:
    """Rank 0: until the last order, or the first that fails."""
    bench: Bench | None = None
    while True:
        words = orders.next()
        try:
            match words, bench:
                case {"op": "open"}, None:
                    told = {name: words[name] for name in OPEN if name in words}
                    ranks.announce(told)
                    bench = open_bench(told, ranks, Voice())
                    facts.tell(bench.opened)
                case {"op": "probe", "micro": int(micro)}, Bench():
                    ranks.announce({"op": "probe", "steps": micro})
                    facts.tell({"fact": "probed", "micro": micro, **probe(bench, micro)})
                case _:
                    ranks.announce({"op": "stop"})
                    return 0
        except Exception as error:  # noqa: BLE001  the edge of the process: every failure becomes a word for the agent
            traceback.print_exc()
            facts.tell(failure(words.get("op"), error))
            return 1


def obey(ranks: Ranks) -> int:
    """The other ranks: what rank 0 announced."""
    bench: Bench | None = None
    while True:
        match ranks.listen(), bench:
            case {"op": "open"} as words, None:
                bench = open_bench(words, ranks, Voice())
            case {"op": "probe", "steps": int(micro)}, Bench():
                probe(bench, micro)
            case _:
                return 0


def probe(bench: Bench, micro: int) -> Words:
    """Collective. {"peak": bytes a rank held at most, "room": what it could have had, on a card, "seconds"}"""
    device = machine.device_for(bench.ranks.rank)
    batches = [_full(bench, micro) for _ in range(bench.deal.micro_batches)]
    machine.reset_peak(device)
    for _ in range(STEPS):
        started = time.monotonic()
        bench.engine.step(batches, micro * bench.deal.length * len(batches) * bench.ranks.world, 0.0)
        seconds = time.monotonic() - started
    room = 0
    if device.type == "cuda":
        room = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    figures = bench.ranks.each([machine.peak_memory(device), room])
    return {
        "peak": int(max(peak for peak, _ in figures)),
        "room": int(min(room for _, room in figures)),
        "seconds": seconds,
    }


def _full(bench: Bench, micro: int) -> MicroBatch:
    """`micro` sequences at the run's full length, of the owner's own text."""
    samples = bench.samples[0]
    windows = samples.at(samples.starts(np.arange(micro)))
    places = None if windows.places is None else torch.from_numpy(windows.places)
    return MicroBatch(torch.from_numpy(windows.ids.astype(np.int64)), micro, places=places)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # see node.train.__main__._end
