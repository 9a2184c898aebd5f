"""The agent's papers: told in words when they are no good, and looked at without weighing on the agent."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from node import membership, renewal
from node.connection import connect
from shared import identity
from shared.errors import OwnerMustAct
from tests.node import homes
from tests.node.fake_coordinator import FakeCoordinator

LOOK = """
import asyncio, sys
from pathlib import Path
import node.agent
from node import renewal
from node.connection import connect

async def live(home):
    line = await connect(home)
    renewal.due(home, 0.5)
    await renewal.renew(home)
    await (await connect(home)).close()
    await line.close()

asyncio.run(live(Path(sys.argv[1])))
assert "cryptography" not in sys.modules
"""


def with_host(folder: Path, act: Callable[[Path, FakeCoordinator], object]) -> None:
    async def run() -> None:
        async with FakeCoordinator(folder / "host").up() as host:
            answer = act(homes.joined(folder / "node", host), host)
            if asyncio.iscoroutine(answer):
                await answer

    asyncio.run(run())


def test_connecting_and_renewing_leave_cryptography_out_of_the_agent(tmp_path: Path) -> None:
    async def act(home: Path, host: FakeCoordinator) -> None:
        before = (home / "pki" / "node.crt").read_bytes()
        agent = await asyncio.create_subprocess_exec(sys.executable, "-c", LOOK, str(home))
        assert await asyncio.wait_for(agent.wait(), 60) == 0
        assert (home / "pki" / "node.crt").read_bytes() != before
        assert not (home / "pki" / "coming.crt").exists()

    with_host(tmp_path, act)


@pytest.mark.parametrize("name", ["node.crt", "ca.crt", "node.key"])
def test_a_damaged_file_is_told_in_words(tmp_path: Path, name: str) -> None:
    async def act(home: Path, host: FakeCoordinator) -> None:
        (home / "pki" / name).write_bytes(b"something else")
        for look in (connect(home), renewal.renew(home)):
            with pytest.raises(OwnerMustAct, match="is damaged"):
                await look

    with_host(tmp_path, act)


def test_a_certificate_for_another_key_is_told_before_dialling(tmp_path: Path) -> None:
    async def act(home: Path, host: FakeCoordinator) -> None:
        assert membership.papers(home).fit
        identity.save_key(identity.new_key(), home / "pki" / "node.key")
        with pytest.raises(OwnerMustAct, match="was not made by this group's host for this PC's key"):
            await connect(home)

    with_host(tmp_path, act)
