"""Memory that is lent."""

import asyncio
import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.budget import Budget
from gateway.errors import SlowDown

FOREVER_S = 60.0


async def settle() -> None:
    """Lets every task run until it waits for something."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_is_lent_is_counted_and_given_back() -> None:
    async def scenario() -> None:
        budget = Budget(10)
        async with budget.reserve(4, FOREVER_S), budget.reserve(6, FOREVER_S):
            assert budget.used_bytes == 10
        assert budget.used_bytes == 0

    asyncio.run(scenario())


def test_more_than_there_is_takes_all_there_is() -> None:
    async def scenario() -> None:
        budget = Budget(10)
        async with budget.reserve(1000, FOREVER_S):
            assert budget.used_bytes == 10

    asyncio.run(scenario())


def test_who_waits_too_long_is_told_to_slow_down_and_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        budget = Budget(10)
        async with budget.reserve(8, FOREVER_S):
            with pytest.raises(SlowDown):
                async with budget.reserve(3, 0.0):
                    pytest.fail("there was no room")
            assert (budget.used_bytes, budget.waiting) == (8, 0)
            async with budget.reserve(2, 0.0):
                assert budget.used_bytes == 10

    asyncio.run(scenario())


def test_an_error_in_the_block_gives_back_what_was_lent() -> None:
    async def scenario() -> None:
        budget = Budget(10)
        with suppress(KeyError):
            async with budget.reserve(8, FOREVER_S):
                raise KeyError
        assert budget.used_bytes == 0

    asyncio.run(scenario())


def test_nobody_overtakes() -> None:
    async def scenario() -> list[str]:
        budget, order = Budget(10), []
        release = asyncio.Event()

        async def take(name: str, size_bytes: int) -> None:
            async with budget.reserve(size_bytes, FOREVER_S):
                order.append(name)
                await release.wait()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(take("first", 6))
            await settle()
            tasks.create_task(take("large", 10))
            await settle()
            tasks.create_task(take("small", 1))
            await settle()
            assert order == ["first"]
            release.set()
        return order

    assert asyncio.run(scenario()) == ["first", "large", "small"]


def test_a_waiter_that_leaves_lets_the_next_one_in() -> None:
    async def scenario() -> None:
        budget = Budget(10)

        async def take(size_bytes: int) -> None:
            async with budget.reserve(size_bytes, FOREVER_S):
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as tasks:
            holder = tasks.create_task(take(6))
            await settle()
            large = tasks.create_task(take(8))
            small = tasks.create_task(take(3))
            await settle()
            assert (budget.used_bytes, budget.waiting) == (6, 2)
            large.cancel()
            await settle()
            assert (budget.used_bytes, budget.waiting) == (9, 0)
            small.cancel()
            holder.cancel()
        assert budget.used_bytes == 0

    asyncio.run(scenario())


def test_a_grant_that_meets_its_cancelling_is_given_back() -> None:
    async def scenario() -> None:
        budget = Budget(10)
        entered = asyncio.Event()

        async def take() -> None:
            async with budget.reserve(10, FOREVER_S):
                entered.set()

        async with asyncio.TaskGroup() as tasks:
            async with budget.reserve(10, FOREVER_S):
                waiter = tasks.create_task(take())
                await settle()
            # The grant was made as the block ended; the waiter has not run since.
            assert budget.used_bytes == 10
            waiter.cancel()
        assert not entered.is_set()
        assert (budget.used_bytes, budget.waiting) == (0, 0)

    asyncio.run(scenario())


def test_a_grant_after_a_cancelling_goes_to_the_next() -> None:
    async def scenario() -> None:
        budget = Budget(10)

        async def take() -> None:
            async with budget.reserve(10, FOREVER_S):
                pass

        async with asyncio.TaskGroup() as tasks:
            async with budget.reserve(10, FOREVER_S):
                left, stayed = tasks.create_task(take()), tasks.create_task(take())
                await settle()
                left.cancel()
            await stayed
        assert (budget.used_bytes, budget.waiting) == (0, 0)

    asyncio.run(scenario())


@given(st.integers(0, 2**32))
def test_under_any_traffic_the_limit_holds_and_all_comes_back(seed: int) -> None:
    chance = random.Random(seed)

    async def scenario() -> None:
        budget = Budget(20)
        lent_bytes = 0

        async def visit(size_bytes: int, pauses: int, wait_s: float) -> None:
            nonlocal lent_bytes
            with suppress(SlowDown):
                async with budget.reserve(size_bytes, wait_s):
                    lent_bytes += min(size_bytes, 20)
                    assert lent_bytes <= budget.used_bytes <= 20
                    try:
                        for _ in range(pauses):
                            await asyncio.sleep(0)
                    finally:
                        lent_bytes -= min(size_bytes, 20)

        async with asyncio.TaskGroup() as tasks:
            visits = []
            for _ in range(30):
                wait_s = chance.choice([0.0, FOREVER_S])
                visits.append(tasks.create_task(visit(chance.randint(0, 25), chance.randint(0, 4), wait_s)))
                if chance.random() < 0.3:
                    chance.choice(visits).cancel()
                if chance.random() < 0.5:
                    await asyncio.sleep(0)
        assert (budget.used_bytes, budget.waiting) == (0, 0)

    asyncio.run(scenario())
