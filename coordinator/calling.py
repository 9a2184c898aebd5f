"""The host's side of the Operator service: one call from the command line to the running coordinator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from coordinator import settings as settings_
from shared.disk import is_locked
from shared.errors import OwnerMustAct
from shared.rpc import refusal, tls
from shared.rpc.v1 import operator_pb2_grpc


@asynccontextmanager
async def calling(home: Path, doing: str) -> AsyncIterator[operator_pb2_grpc.OperatorAsyncStub]:
    """A stub for the coordinator that runs from this home. Failures come out in words, about `doing`."""
    settings = settings_.load(home)
    if not is_locked(home):
        raise OwnerMustAct("The coordinator is not running. Start it in another window: potluck coordinator up")
    pki = home / "pki"
    host = settings.bind if settings.bind not in ("", "0.0.0.0", "::") else "127.0.0.1"  # noqa: S104  compared, not bound
    address = f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"
    channel = tls.channel(
        address,
        (pki / "ca.crt").read_bytes(),
        (pki / "operator.key").read_bytes(),
        (pki / "operator.crt").read_bytes(),
    )
    try:
        async with channel:
            yield operator_pb2_grpc.OperatorStub(channel)
    except grpc.aio.AioRpcError as error:
        raise refusal.in_words(error, doing, address, again="Type the command again.") from error
