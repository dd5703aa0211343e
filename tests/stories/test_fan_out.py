"""Lists that span markets: all are asked at once, and one that hangs delays the answer by no more than its deadline.

The event loop of these tests has a time of its own, which jumps to what is due next whenever nobody has anything to
do; so seconds are counted exactly and take none.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from clocks import JumpingLoop, LoopClock
from market_mcp.gateway.exchange import READ_TIMEOUT
from market_mcp.sandbox.faults import Fault
from market_mcp.sandbox.world import World
from rig import Json, Rig, Worker

pytestmark = pytest.mark.anyio

SLOWEST = 4.0
"""Seconds that the slowest market takes."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Callable[[], asyncio.AbstractEventLoop]]]:
    return "asyncio", {"loop_factory": JumpingLoop}


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncGenerator[tuple[World, Worker]]:
    """A world in which every list takes its time, and a worker in it."""
    clock = LoopClock()
    world = World(None, clock, pace=1e6, rng=random.Random(7))
    for market, seconds in (("polt", SLOWEST), ("agentjob", 3.5), ("opentask", 3.0)):
        world.faults.add(Fault("latency", market, "GET", times=1000, seconds=seconds))
    async with Rig(world, clock, tmp_path).open() as worker:
        yield world, worker
    world.close()


async def timed(worker: Worker, tool: str, **arguments: Any) -> tuple[float, Json]:
    """How many seconds a call that goes well takes, and what it brings."""
    began = anyio.current_time()
    brought = await worker.call(tool, **arguments)
    return anyio.current_time() - began, brought


@pytest.mark.parametrize(
    ("tool", "markets"), [("list_tasks", {"polt", "opentask"}), ("list_posts", {"polt", "agentjob", "opentask"})]
)
async def test_a_list_over_all_markets_takes_as_long_as_the_slowest_of_them(
    slow: tuple[World, Worker], tool: str, markets: set[str]
) -> None:
    took, brought = await timed(slow[1], tool)
    assert set(brought["feeds"]) == markets
    assert {feed["source"] for feed in brought["feeds"].values()} == {"live"}
    assert SLOWEST <= took <= 1.3 * SLOWEST


async def test_a_market_that_hangs_is_named_and_the_other_is_heard_by_the_deadline(slow: tuple[World, Worker]) -> None:
    world, worker = slow
    world.faults.pending.insert(0, Fault("latency", "opentask", seconds=3600))
    took, brought = await timed(worker, "list_tasks")
    assert READ_TIMEOUT <= took <= READ_TIMEOUT + 0.5
    assert brought["tasks"]
    assert {task["id"].partition(":")[0] for task in brought["tasks"]} == {"polt"}
    assert set(brought["feeds"]) == {"polt"}
    assert set(brought["skipped"]) == {"opentask"}
    assert f"no answer within {READ_TIMEOUT:g} s" in brought["skipped"]["opentask"]


async def test_a_market_that_hung_is_left_alone_for_the_interval_and_costs_no_second_wait(
    slow: tuple[World, Worker],
) -> None:
    world, worker = slow
    world.faults.pending.insert(0, Fault("latency", "opentask", seconds=3600))
    first = await worker.call("list_tasks")
    worker.wire.sent.clear()
    took, again = await timed(worker, "list_tasks")
    assert took < 0.1
    assert again["tasks"] == first["tasks"]
    assert again["feeds"]["polt"]["source"] == "cache"
    assert "retry_after_seconds" in again["skipped"]["opentask"]
    assert worker.wire.sent == []
    await anyio.sleep(60)
    assert set((await worker.call("list_tasks"))["feeds"]) == {"polt", "opentask"}


async def test_markets_that_all_hang_are_all_named_by_the_deadline(slow: tuple[World, Worker]) -> None:
    world, worker = slow
    world.faults.pending.insert(0, Fault("latency", times=2, seconds=3600))
    began = anyio.current_time()
    refusal = await worker.refused("list_tasks")
    assert anyio.current_time() - began <= READ_TIMEOUT + 0.5
    assert (refusal.content["error"], refusal.content["effect"]) == ("unavailable", "none")
    assert "polt:" in refusal.text
    assert "opentask:" in refusal.text
