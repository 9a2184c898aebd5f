"""gRPC takes any option name and says nothing: a name it does not know is a limit that does not exist."""

from __future__ import annotations

import importlib
from pathlib import Path

from shared.rpc import tls


def test_grpc_knows_every_option_we_set() -> None:
    """Once it did not: a quiet `rounds --watch` was hung up on after 150 seconds, for pinging too often."""
    core = Path(importlib.import_module("grpc._cython.cygrpc").__file__ or "").read_bytes()
    names = {name for name, _ in (*tls.joining_options(), *tls.client_options())}
    assert {name for name in names if name.encode() + b"\0" not in core} == set()
