"""`python -m node.train --rank R --world N --rendezvous FILE`: one rank of the trainer, the process with torch in it.

Rank 0 reads orders (JSON lines) from its standard input and answers with facts on its standard output; the other ranks
do what rank 0 announces. The end of standard input means stop. With one rank a failed order leaves the trainer alive;
with several the others may be stuck in a collective, so it ends (exit code 1) and the agent starts it anew.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any, NoReturn

from node.train.pipe import Facts, Orders

Words = dict[str, Any]
OPEN: tuple[str, ...] = ("op", "job", "base", "data", "work", "fit", "tensorboard", "care")


def main() -> int:
    options = arguments()
    facts = Facts()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the agent's to hear; it will tell us
    quiet()
    if options.rank == 0:
        return lead(options, Orders(sys.stdin, leave=lambda: _end(0)), facts)
    return obey(options)


def lead(options: argparse.Namespace, orders: Orders, facts: Facts) -> int:
    """Rank 0: perform orders until the last."""
    from node.train.alone import train_alone
    from node.train.bench import Bench, Voice, open_bench
    from node.train.ranks import Ranks
    from node.train.worker import RoundWorker, order_from

    ranks = Ranks(options.rank, options.world, options.rendezvous)
    voice = Voice(facts.tell, lambda: orders.halted, orders.rest, lambda: orders.ended)
    bench: Bench | None = None
    worker: RoundWorker | None = None
    while True:
        orders.nothing_to_save = False
        words = orders.next()
        orders.nothing_to_save = words.get("op") in ("open", "evaluate", "alone")
        try:
            match words, bench, worker:
                case {"op": "stop"}, _, _:
                    ranks.announce({"op": "stop"})
                    return 0
                case {"op": "halt"}, _, _:
                    pass  # heard by whoever was training
                case {"op": "open"}, None, _:
                    told = {name: words[name] for name in OPEN if name in words}
                    ranks.announce(told)
                    bench = open_bench(told, ranks, voice)
                    worker = RoundWorker(bench)
                    facts.tell(bench.opened)
                case {"op": "train"}, Bench(), RoundWorker():
                    facts.tell(worker.run_train(order_from(words)))
                case {"op": "evaluate"}, Bench(), RoundWorker():
                    facts.tell(worker.run_evaluate(order_from(words)))
                case {"op": "alone"}, Bench(), _:
                    order, steps = order_from({"round": 0, **words}), _run_steps(bench, words)
                    ranks.announce({"op": "alone", "model": str(order.model), "steps": steps})
                    facts.tell(train_alone(bench, order.model, steps) or {"fact": "halted", "round": 0})
                case _:
                    facts.tell(
                        {
                            "fact": "failed",
                            "op": words.get("op"),
                            "sentence": "The trainer does not know this order, or it came before `open`.",
                        }
                    )
        except Exception as error:  # noqa: BLE001  the edge of the process: every failure becomes a sentence for the agent
            traceback.print_exc()
            facts.tell(failure(words.get("op"), error))
            if options.world > 1:
                return 1


def obey(options: argparse.Namespace) -> int:
    """The other ranks: follow rank 0 until it says stop or is gone."""
    from node.train.alone import train_alone
    from node.train.bench import Bench, Voice, open_bench
    from node.train.ranks import Ranks
    from node.train.worker import follow

    ranks = Ranks(options.rank, options.world, options.rendezvous)
    bench: Bench | None = None
    while True:
        words = ranks.listen()
        match words["op"]:
            case "stop":
                return 0
            case "open":
                bench = open_bench(words, ranks, Voice())
            case "alone":
                assert bench is not None
                train_alone(bench, Path(words["model"]), words["steps"])
            case _:
                assert bench is not None
                follow(bench, words)


def _run_steps(bench: Any, words: Words) -> int:
    """As many steps as the whole run has; where rounds are as long as a time, as many as this PC would take."""
    if steps := words.get("steps"):
        return int(steps)
    job = bench.job
    each = job.steps or max(1, round(job.seconds / bench.opened["step_seconds"]))
    return int(job.rounds * each)


def failure(op: Any, error: Exception) -> Words:
    """The fact `failed`. Its `kind` is `memory` when there was too little: then a smaller fit may do."""
    kind = {"kind": "memory"} if out_of_memory(error) else {}
    return {"fact": "failed", "op": op, "sentence": _sentence(error), **kind}


def out_of_memory(error: Exception) -> bool:
    import torch

    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(
        words in str(error) for words in ("can't allocate memory", "Cannot allocate memory", "out of memory")
    )


def _sentence(error: Exception) -> str:
    from shared.errors import PotluckError

    if isinstance(error, PotluckError):
        return error.sentence
    if out_of_memory(error):
        return (
            "There was not enough memory for this model on this PC. Close other programs, "
            "or let it use a smaller micro-batch or a higher ZeRO stage."
        )
    if isinstance(error, FileNotFoundError):
        return f"{error.filename} is missing."
    if isinstance(error, OSError):
        return f"{error.filename or 'The disk'}: {error.strerror or error}."
    if isinstance(error, ModuleNotFoundError):
        return f"The package {error.name} is not installed on this PC; this run needs it."
    if isinstance(error, RuntimeError) and "gloo" in str(error).lower():
        return "One of this PC's training processes died. The trainer is started anew."
    what = f"{type(error).__name__}: {str(error)[:200]}"
    return f"The trainer failed in a way it does not know ({what}). Its log has the details."


def quiet() -> None:
    """Nothing phones home, nothing is compiled, and two thousand warnings a step stay out of the log.

    DeepSpeed and bitsandbytes decorate functions that we never call with `torch.compile`; that alone imports its
    compiler, a third of the time a trainer takes to start.
    """
    os.environ.update(
        HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", FLWR_TELEMETRY_ENABLED="0",
        FLWR_DISABLE_UPDATE_CHECK="1", TOKENIZERS_PARALLELISM="false", TORCHDYNAMO_DISABLE="1",
    )  # fmt: skip
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # DeepSpeed 0.19 calls what torch 2.13 has renamed, once per collective; peft 0.21 does so once with transformers.
    renamed = "all_gather_into_tensor|reduce_scatter_tensor|is_gradient_checkpointing"
    warnings.filterwarnings("ignore", category=FutureWarning, message=f".*({renamed}).*")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m node.train", description=__doc__)
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--world", type=int, default=1)
    parser.add_argument(
        "--rendezvous", type=Path, required=True, help="a file that does not exist yet, the same for all ranks"
    )
    return parser.parse_args()


def _end(code: int) -> NoReturn:
    """Leave at once. Everything is written by now, and taking gloo's groups down while other ranks take down theirs may
    abort a process that has done its work well (exit code -6, seen once in some hundred ends)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _end(main())
