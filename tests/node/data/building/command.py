"""The real child process, `python -m node.data`, as tests start it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Words = dict[str, Any]
KEY = b"k" * 32
PATIENCE = 120  # seconds; a machine may be busy


class Command:
    """One job under way."""

    def __init__(self, *arguments: object, environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "node.data", *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})},
        )  # fmt: skip
        self.facts: list[Words] = []

    def until(self, wanted: Callable[[Words], bool]) -> Words | None:
        """The first fact of that kind; None when it ended before."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.facts.append(json.loads(line))
            if wanted(self.facts[-1]):
                return self.facts[-1]
        return None

    def kill(self) -> None:
        """As a power cut would, but for its workers, who notice."""
        self._process.send_signal(signal.SIGKILL)
        self.end()

    def close(self) -> int:
        """Its parent does not want it any more."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.until(lambda fact: False)
        return self.end()

    def end(self) -> int:
        """Wait for its end."""
        code = self._process.wait(PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        return code

    def result(self) -> Words:
        """Its last fact."""
        self.until(lambda fact: False)
        self.end()
        return self.facts[-1]


def adding(home: Path, folder: Path, name: str = "t", **choices: Any) -> list[object]:
    """The words that make a source of `folder`, one core unless told otherwise."""
    (home / "pki").mkdir(parents=True, exist_ok=True)
    (home / "pki" / "group.key").write_bytes(KEY)
    plain = {"clean": False, "blank": False, "toxicity": "off", "poison": False}
    return [
        "add", "--home", home, "--folder", folder, "--name", name, "--group-key-file", home / "pki" / "group.key",
        "--choices", json.dumps({**plain, **choices}),
    ]  # fmt: skip


def digests(home: Path, name: str = "t") -> dict[str, str]:
    """Of every shard."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((home / "data" / name).glob("*.tar"))
    }


def prose(folder: Path, files: int, first: int = 0, paragraphs: int = 40, size: int = 60) -> Path:
    """A folder of texts in which no paragraph is like another."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + files):
        texts = (
            " ".join(hashlib.sha256(f"{number} {at} {word}".encode()).hexdigest()[:5] for word in range(size))
            for at in range(paragraphs)
        )
        (folder / f"{number:04}.txt").write_text("\n\n".join(texts))
    return folder
