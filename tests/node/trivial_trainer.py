"""A real trainer child that trains nothing much: the same words on the same pipes as `node.train`, in no time.

Its update is a digest repeated, so the same round of the same model always gives the same bytes. What makes it slow, or
die, is asked for by files in its levers' folder (its work folder): `slow` (seconds a step), `hold` (the last
step that may be done while it lies there), `die-once`, `die-always`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS = 4
Words = dict[str, Any]
Write = Callable[[Words, int, Path], None]  # orders to open and to train in one, steps done, where the update goes


class Orders:
    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[Words] = queue.SimpleQueue()
        self.halt = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            words = json.loads(line)
            if words["op"] == "halt":
                self.halt.set()
            self.waiting.put(words)
        self.halt.set()
        self.waiting.put({"op": "stop"})


def a_digest_repeated(words: Words, done: int, out: Path) -> None:
    out.write_bytes(hashlib.sha256(f"{words['model_digest']} {words['round']} {done}".encode()).digest() * 100_000)


def main(write: Write = a_digest_repeated, levers_of: Callable[[Path], Path] = lambda work: work) -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--rank", type=int)
    options.add_argument("--world", type=int)
    options.add_argument("--rendezvous", type=Path)
    levers = levers_of(options.parse_args().rendezvous.parent)
    orders, opened = Orders(), Words()
    while True:
        words = orders.waiting.get()
        match words["op"]:
            case "stop":
                return 0
            case "open":
                opened = words
                assert Path(words["base"], "config.json").exists()
                assert json.loads(Path(words["job"]).read_bytes())["run"]
                if (levers / "die-always").exists():
                    print("The card is on fire.", file=sys.stderr)
                    return 7
                say("opened", parameters=1, trainable=1, engine="trivial", dtype="fp32", step_seconds=slowness(levers))
            case "train":
                orders.halt.clear()
                train({**opened, **words}, levers, orders, write)
            case "evaluate":
                loss = len(Path(words["model"]).read_bytes()) / 1000
                say("evaluated", round=words["round"], metrics={"loss": loss, "bits_per_byte": loss})
            case _:
                pass


def train(words: Words, levers: Path, orders: Orders, write: Write) -> None:
    out, number = Path(words["out"]), words["round"]
    beside = out.with_suffix(".json")
    if beside.exists():  # finished before: the same answer at once
        print(beside.read_text(), flush=True)
        return
    done = 0
    for step in range(1, STEPS + 1):
        if halted_before(step, levers, orders):
            break
        done = step
        say(
            "progress",
            round=number,
            step=step,
            steps=STEPS,
            share=step / STEPS,
            loss=2.0,
            tokens=8,
            tokens_per_second=9,
        )
        if (levers / "die-once").exists():
            (levers / "die-once").unlink()
            os._exit(9)
    if not done:
        say("halted", round=number)
        return
    write(words, done, out)
    data = out.read_bytes()
    answer = {
        "fact": "trained", "round": number, "update": str(out), "digest": hashlib.sha256(data).hexdigest(),
        "size": len(data), "tokens": 8 * done, "steps": done, "share": done / STEPS, "metrics": {"loss": 2.0},
    }  # fmt: skip
    beside.write_text(json.dumps(answer))
    print(json.dumps(answer), flush=True)


def halted_before(step: int, levers: Path, orders: Orders) -> bool:
    """Take as long as a step takes, and for ever while it is held."""
    if orders.halt.wait(slowness(levers)):
        return True
    while held_after(levers) < step:
        if orders.halt.wait(0.05):
            return True
    return False


def held_after(levers: Path) -> int:
    try:
        return int((levers / "hold").read_text() or STEPS)
    except FileNotFoundError:
        return STEPS


def slowness(levers: Path) -> float:
    try:
        return float((levers / "slow").read_text())
    except FileNotFoundError:
        return 0.01


def say(fact: str, **words: Any) -> None:
    print(json.dumps({"fact": fact, **words}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
