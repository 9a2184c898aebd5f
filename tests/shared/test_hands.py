"""Hands: exactly the wished-for work is under way."""

from __future__ import annotations

import asyncio

from shared.hands import Hands


def test_what_is_wished_for_starts_and_what_is_not_ends() -> None:
    async def story() -> None:
        begun: list[str] = []
        ended: list[str] = []

        async def perform(wish: str) -> None:
            begun.append(wish)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(wish)

        async with asyncio.TaskGroup() as tasks:
            hands = Hands(tasks, perform)
            hands.want(["a", "b"])
            await asyncio.sleep(0)
            hands.want(["b", "c"])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert begun == ["a", "b", "c"]
            assert ended == ["a"]
            hands.want([])
        assert sorted(ended) == ["a", "b", "c"]

    asyncio.run(story())


def test_finished_work_is_not_repeated_while_it_is_still_wished_for() -> None:
    async def story() -> None:
        done: list[str] = []

        async def perform(wish: str) -> None:
            done.append(wish)

        async with asyncio.TaskGroup() as tasks:
            hands = Hands(tasks, perform)
            for _ in range(3):
                hands.want(["once"])
                await asyncio.sleep(0)
            assert done == ["once"]
            hands.want([])
            hands.want(["once"])
        assert done == ["once", "once"]

    asyncio.run(story())
