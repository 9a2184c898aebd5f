"""What trainer tests need: a small odd-shaped Llama, some text, a job, and real rank processes to give orders to."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from node.data.collection import Wish, add
from shared.codec import safe
from shared.ids import Digest, RunId
from shared.job import Job, TensorSpec, dump
from shared.models import fresh
from shared.models.trainables import Recipe, initial, trainables
from shared.models.vocabulary import save_byte_tokenizer
from tests.node.train.processes import start

Words = dict[str, Any]
KEY = b"k" * 32  # the group's
PATIENCE = 120.0  # seconds for any one fact, on a busy machine
# Nothing here divides by 3, and few things by 2: shards of 3 ranks are padded.
ODD_LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 20, "intermediate_size": 35,
    "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 10, "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "tie_word_embeddings": True, "hidden_act": "silu", "initializer_range": 0.05,
}  # fmt: skip


@dataclass(frozen=True)
class Room:
    """Files on disk for one job."""

    folder: Path
    base: Path
    data: Path
    job: Job

    @property
    def model(self) -> Path:
        return self.folder / "model-1.safetensors"

    def open_words(self, work: str = "work", **fit: object) -> Words:
        job = self.folder / f"{work}.job.json"
        job.write_bytes(dump(self.job))
        return {
            "op": "open", "job": str(job), "base": str(self.base), "data": [str(self.data)],
            "work": str(self.folder / work),
            "tensorboard": str(self.folder / work / "tensorboard"), "fit": {"dtype": "fp32", **fit},
        }  # fmt: skip

    def train_words(
        self, model: Path | None = None, round_number: int = 1, out: str = "update", **config: object
    ) -> Words:
        model = model or self.model
        return {
            "op": "train", "node": "a" * 16, "round": round_number, "config": config,
            "model": str(model), "model_digest": digest_of(model),
            "out": str(self.folder / f"{out}.update"),
        }  # fmt: skip

    def changed(self, **changes: Any) -> Room:
        return replace(self, job=replace(self.job, **changes))

    def read(self, path: Path, codec: Any = "fp32") -> dict[str, NDArray[np.float32]]:
        return dict(safe.read(path, safe.check(path, self.job.tensors, codec, safe.origin_of(path))))

    def write(self, path: Path, tensors: dict[str, NDArray[np.float32]]) -> Path:
        safe.write(path, sorted(tensors.items()), safe.layout(self.job.tensors, "fp32"))
        return path

    def noise(self, seed: int, name: str = "noise.safetensors", scale: float = 0.05) -> Path:
        """A model file of random values, a minus zero among them."""
        draw = np.random.default_rng(seed)
        tensors = {t.name: (draw.standard_normal(t.shape) * scale).astype(np.float32) for t in self.job.tensors}
        for values in tensors.values():
            values.flat[0] = -0.0
        return self.write(self.folder / name, tensors)


def digest_of(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_room(folder: Path, lora: int | None = None, **changes: Any) -> Room:
    """A room with the odd Llama, prose to train on, and a short job."""
    base = folder / "base"
    base.mkdir(parents=True)
    (folder / "odd").mkdir()
    (folder / "odd" / "config.json").write_text(json.dumps(ODD_LLAMA))
    save_byte_tokenizer(folder / "odd")
    words = {**ODD_LLAMA, "vocab_size": fresh.BYTE_WORDS}
    (folder / "odd" / "config.json").write_text(json.dumps(words))
    fresh.make_from_config(folder / "odd" / "config.json", base)
    data = make_text(folder)
    recipe: Recipe = {"kind": "full"} if lora is None else {"kind": "lora", "rank": lora, "alpha": 2 * lora}
    config = json.loads((base / "config.json").read_text())
    job = make_job(trainables(config, recipe), lora, **changes)
    room = Room(folder, base, data, job)
    room.write(room.model, dict(initial(base, recipe, job.tensors, seed=1)))
    return room


def make_job(tensors: tuple[TensorSpec, ...], lora: int | None, **changes: Any) -> Job:
    job = Job(
        run=RunId("test-aaaaaa"), name="test", rounds=2, base="odd", files={"config.json": Digest("0" * 64)}, lora=lora,
        lora_alpha=2 * (lora or 0), tensors=tensors, sequence=16, batch=64, steps=4, seconds=None, lr=1e-2,
        schedule="cosine",
        warmup=0.1, betas=(0.9, 0.95), weight_decay=0.1, clip=1.0, update="difference", codec="fp32",
        evaluate_tokens=200,
    )  # fmt: skip
    return replace(job, **changes)


def make_text(folder: Path) -> Path:
    """A small collection, a tenth of it held out."""
    texts = folder / "texts"
    texts.mkdir()
    for number in range(12):
        lines = [
            f"Paragraph {number}.{line} says that {line * number} apples were cooked on day {line}."
            for line in range(30)
        ]
        (texts / f"text-{number:02d}.txt").write_text("\n\n".join(lines))
    add(Wish(folder, texts, "prose", hold_out=("text-11.txt",)), group_key=KEY)
    return folder / "data" / "prose"


class Trainer:
    """Real rank processes. Speaks JSON lines with rank 0."""

    def __init__(self, folder: Path, world: int = 1, **environment: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        rendezvous = folder / f"rendezvous-{time.monotonic_ns()}"
        self.log = folder / f"{rendezvous.name}.log"
        words = ["--world", str(world), "--rendezvous", str(rendezvous)]
        self.processes = [
            start("node.train", [*words, "--rank", str(rank)], environment, self.log, bare=folder, spoken_to=rank == 0)
            for rank in range(world)
        ]
        self._facts: queue.SimpleQueue[Words | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def tell(self, words: Words) -> None:
        stdin = self.processes[0].stdin
        assert stdin is not None
        stdin.write(json.dumps(words) + "\n")
        stdin.flush()

    def until(self, *names: str, patience: float = PATIENCE) -> Words:
        """The next fact of one of these names; a failure fails the test."""
        deadline = time.monotonic() + patience
        while True:
            fact = self._facts.get(timeout=max(0.1, deadline - time.monotonic()))
            assert fact is not None, f"the trainer ended:\n{self.log.read_text()[-3000:]}"
            if fact["fact"] in names:
                return fact
            assert fact["fact"] != "failed", f"{fact}\n{self.log.read_text()[-3000:]}"

    def ask(self, words: Words, *names: str) -> Words:
        self.tell(words)
        answers = {"open": "opened", "train": "trained", "evaluate": "evaluated", "alone": "alone"}
        return self.until(*(names or (answers[words["op"]],)))

    def close(self) -> list[int]:
        """End standard input and wait; the exit codes of all ranks."""
        stdin = self.processes[0].stdin
        assert stdin is not None
        if not stdin.closed:
            stdin.close()
        return [process.wait(timeout=PATIENCE) for process in self.processes]

    def kill(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None and not pipe.closed:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        continue

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _read(self) -> None:
        stdout = self.processes[0].stdout
        assert stdout is not None
        for line in stdout:
            self._facts.put(json.loads(line))
        self._facts.put(None)


def fits(*names: str) -> Iterator[Words]:
    """torch, zero-1 ... as `fit` entries."""
    for name in names:
        yield {"engine": "torch"} if name == "torch" else {"engine": "deepspeed", "zero": int(name[-1])}


def closest(a: dict[str, NDArray[np.float32]], b: dict[str, NDArray[np.float32]]) -> float:
    """The largest difference between two models."""
    assert a.keys() == b.keys()
    return max(float(np.abs(a[name] - b[name]).max()) for name in a)


def same_bits(a: dict[str, NDArray[np.float32]], b: dict[str, NDArray[np.float32]]) -> Sequence[str]:
    """Names of tensors that differ in any bit."""
    assert a.keys() == b.keys()
    return [name for name in a if a[name].tobytes() != b[name].tobytes()]
