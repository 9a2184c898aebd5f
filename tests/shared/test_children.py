"""Children: started, heard, asked to stop, and after a while made to."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from shared.children import Child


async def started(folder: Path) -> Child:
    return await Child.start("tests.shared.a_child", [], folder / "log")


def test_a_child_is_heard_and_its_chatter_is_not(tmp_path: Path) -> None:
    async def story() -> list[dict[str, Any]]:
        child = await started(tmp_path)
        await child.tell({"op": "hello", "text": "größe"})
        heard = []
        async for words in child.facts():
            heard.append(words)
            if words["fact"] == "heard":
                await child.stop()
        return heard

    heard = asyncio.run(story())
    assert [words["fact"] for words in heard] == ["heard", "goodbye"]
    assert heard[0]["what"] == {"op": "hello", "text": "größe"}


def test_a_child_that_was_killed_ends_its_facts(tmp_path: Path) -> None:
    async def story() -> int | None:
        child = await started(tmp_path)
        await child.tell({"op": "hello"})
        async for _ in child.facts():
            os.kill(child.pid, 9)
        await child.tell({"op": "too late"})
        return child.returncode

    assert asyncio.run(story()) == -9


def test_a_stubborn_child_is_ended_all_the_same(tmp_path: Path) -> None:
    async def story() -> int | None:
        child = await started(tmp_path)
        await child.tell({"op": "stubborn"})
        facts = child.facts()
        assert (await anext(facts))["fact"] == "stubborn"
        await child.stop(patience=0.2)
        return child.returncode

    assert asyncio.run(story()) == -9
