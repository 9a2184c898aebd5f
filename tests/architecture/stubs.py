"""Are the committed gRPC stubs what `make proto` would write today? Run as a program by `make check`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def stale() -> list[str]:
    """Names of committed stubs that differ from freshly generated ones, or are missing or left over."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        protos = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "proto").rglob("*.proto"))
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", "-Iproto", f"--python_out={fresh}",
             f"--mypy_out=readable_stubs,quiet:{fresh}", f"--grpc_python_out={fresh}",
             f"--mypy_grpc_out=readable_stubs,quiet:{fresh}", *protos],
            cwd=ROOT, check=True, env={"PATH": str(Path(sys.executable).parent)},
        )  # fmt: skip
        made = {str(path.relative_to(fresh)): path.read_bytes() for path in fresh.rglob("*pb2*")}
    here = {str(path.relative_to(ROOT)): path.read_bytes() for path in (ROOT / "shared" / "rpc" / "v1").glob("*pb2*")}
    return sorted(name for name in made.keys() | here.keys() if made.get(name) != here.get(name))


if __name__ == "__main__":
    if names := stale():
        sys.exit(f"These stubs are stale; run `make proto` and commit them: {', '.join(names)}")
    print("Stubs are fresh.")
