"""The agent stays light, and could be imported on Windows."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "numpy", "pydantic", "flwr", "ray", "transformers", "deepspeed", "peft", "safetensors")
POSIX_ONLY = ("fcntl", "resource", "pwd", "grp", "termios", "pty")
CHILDREN = ("node.train.", "node.data.", "node.stage.")

WINDOWS = """
import sys, signal
for name in {blocked!r}:
    sys.modules[name] = None
for name in [n for n in dir(signal) if n.startswith("SIG") and n not in
             ("SIGINT", "SIGTERM", "SIGABRT", "SIGFPE", "SIGILL", "SIGSEGV", "SIG_DFL", "SIG_IGN")]:
    delattr(signal, name)
"""
IMPORT_ALL = """
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
heavy = sorted(set({heavy!r}) & set(sys.modules))
assert not heavy, heavy
"""


def agent_modules() -> list[str]:
    """Every module of the node that is not a child process's, and how the commands are found."""
    found = [module.name for module in pkgutil.walk_packages([str(REPOSITORY / "node")], "node.") if not module.ispkg]
    mine = [name for name in found if not name.startswith(CHILDREN) and not name.endswith("__main__")]
    return [*mine, "shared.entry", "shared.children", "shared.hands", "shared.rpc.dial"]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_the_agent_imports_nothing_heavy() -> None:
    done = python(IMPORT_ALL.format(modules=agent_modules(), heavy=HEAVY))
    assert done.returncode == 0, done.stderr


def test_every_agent_module_is_looked_at() -> None:
    assert {"node.main", "node.link", "node.trainer", "node.cli", "node.logic.duties"} <= set(agent_modules())


def test_the_agent_imports_without_what_windows_lacks() -> None:
    code = WINDOWS.format(blocked=POSIX_ONLY) + IMPORT_ALL.format(modules=agent_modules(), heavy=HEAVY)
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_this_test_would_notice_a_posix_module() -> None:
    done = python(WINDOWS.format(blocked=POSIX_ONLY) + "import fcntl")
    assert "import of fcntl halted" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["node", "--help"]])
def test_help_imports_neither_grpc_nor_cryptography(words: list[str]) -> None:
    code = f"import sys; from shared.entry import main; main({words!r}); print(sorted(sys.modules), file=sys.stderr)"
    done = python(code)
    assert done.returncode == 0
    assert "potluck" in done.stdout.lower()
    for heavy in ("'grpc'", "'cryptography'", "'rich.live'", *(f"'{name}'" for name in HEAVY)):
        assert heavy not in done.stderr


def test_an_unknown_room_is_told_with_those_there_are() -> None:
    done = python("import sys; from shared.entry import main; sys.exit(main(['kitchen']))")
    assert done.returncode == 2
    assert "potluck coordinator" in done.stderr
