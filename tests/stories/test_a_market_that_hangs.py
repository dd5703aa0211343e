"""One market's trouble stays its own: while forty calls hang there, everything else goes on.

The event loop of these tests has a time of its own, which jumps to what is due next whenever nobody has anything to
do; so what is counted here is calls, and seconds that take none.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.abc import TaskGroup

from clocks import JumpingLoop, LoopClock
from market_mcp.gateway.exchange import USUAL, Timeouts
from market_mcp.gateway.places import PATIENCE, PLACES, WAITING
from market_mcp.sandbox.world import World
from rig import Refusal, Rig, Worker, times

pytestmark = pytest.mark.anyio

HANGING = 40
MARKETS = ("polt", "agentjob", "opentask")
WRITES = {"polt": "add_reply", "agentjob": "upvote_post", "opentask": "add_reply"}
"""A write of each market that is one request."""


class Stuck(httpx2.AsyncBaseTransport):
    """Markets of which one never answers, once it is named."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.market = ""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.market and request.url.path.startswith(f"/{self.market}/"):
            await anyio.sleep_forever()
        return await self._inner.handle_async_request(request)


class Hanging:
    """A worker, and how to make calls of its that hang."""

    def __init__(self, worker: Worker, stuck: Stuck, posts: dict[str, str]) -> None:
        self.worker = worker
        self.posts = posts
        self._stuck = stuck
        self.refusals: list[Refusal] = []

    def stop(self, market: str) -> None:
        """From now on the market does not answer."""
        self._stuck.market = market

    async def write(self, market: str, number: int = 0) -> Refusal:
        body = {"body": f"Reply {number}"} if WRITES[market] == "add_reply" else {}
        refusal = await self.worker.refused(WRITES[market], post_id=self.posts[market], **body)
        self.refusals.append(refusal)
        return refusal

    async def hang(self, group: TaskGroup, market: str, calls: int = HANGING) -> None:
        """Begins so many writes at a market that does not answer."""
        self.stop(market)
        for number in range(calls):
            group.start_soon(self.write, market, number)
        await anyio.wait_all_tasks_blocked()
        assert self.worker.wire.waiting == PLACES


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Callable[[], asyncio.AbstractEventLoop]]]:
    return "asyncio", {"loop_factory": JumpingLoop}


@pytest.fixture
async def hanging(tmp_path: Path) -> AsyncGenerator[Hanging]:
    """A worker who has seen a post of each market."""
    clock = LoopClock()
    world = World(None, clock, pace=1e6, rng=random.Random(7))
    rig = Rig(world, clock, tmp_path)
    stuck = Stuck(rig.market())
    async with rig.open(market=stuck) as worker:
        posts = {name: (await worker.call("list_posts", market=name))["posts"][0]["id"] for name in MARKETS}
        yield Hanging(worker, stuck, posts)
    world.close()


@pytest.mark.parametrize("market", MARKETS)
async def test_calls_to_the_other_markets_and_those_about_none_go_on(hanging: Hanging, market: str) -> None:
    worker = hanging.worker
    async with anyio.create_task_group() as group:
        await hanging.hang(group, market)
        for other in set(MARKETS) - {market}:
            post = hanging.posts[other]
            assert (await worker.call("get_post", post_id=post))["post"]["id"] == post
            assert "reply_id" in await worker.call("add_reply", post_id=post, body="Still here")
        if market != "agentjob":
            assert (await worker.call("get_next_task", wait_seconds=0))["chat"] is None
            assert times("POST /api/agents/heartbeat", worker.wire.to("agentjob")) == 1
        assert len((await worker.call("list_markets"))["markets"]) == 3
        assert worker.wire.waiting == PLACES and hanging.refusals == []
        group.cancel_scope.cancel()
    await anyio.wait_all_tasks_blocked()
    assert worker.wire.waiting == 0


async def test_at_the_market_that_hangs_reads_heartbeats_and_claims_still_leave(hanging: Hanging) -> None:
    worker = hanging.worker
    async with anyio.create_task_group() as group:
        await hanging.hang(group, "agentjob")
        group.start_soon(lambda: worker.ask("get_post", post_id=hanging.posts["agentjob"]))
        group.start_soon(lambda: worker.ask("get_next_task", wait_seconds=0))
        group.start_soon(lambda: worker.ask("submit_response", task_id="agentjob:t-1", text="An answer"))
        await anyio.wait_all_tasks_blocked()
        routes = worker.wire.to("agentjob")[-3:]
        assert sorted(route.rpartition("/")[2] for route in routes) == sorted(
            ["heartbeat", "response", hanging.posts["agentjob"].partition(":")[2]]
        )
        group.cancel_scope.cancel()


async def test_a_hanging_call_that_is_cancelled_ends_and_the_next_takes_its_place(hanging: Hanging) -> None:
    worker = hanging.worker
    before = len(worker.wire.to("polt"))
    async with anyio.create_task_group() as group:
        async with anyio.create_task_group() as first:
            await hanging.hang(first, "polt", PLACES)
            await hanging.hang(group, "polt")
            assert len(worker.wire.to("polt")) == before + PLACES
            first.cancel_scope.cancel()
        await anyio.wait_all_tasks_blocked()
        assert worker.wire.waiting == PLACES
        assert len(worker.wire.to("polt")) == before + 2 * PLACES
        assert hanging.refusals == []
        group.cancel_scope.cancel()


async def test_no_write_is_unknown_but_one_that_the_market_had_all_its_time_to_answer(hanging: Hanging) -> None:
    worker = hanging.worker
    worker.wire.sent.clear()
    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        await hanging.hang(group, "polt", PLACES + WAITING + 1)
        # One more than may wait is told so at once.
        (refusal,) = hanging.refusals
        assert refusal.content["error"] == "unavailable" and refusal.content["effect"] == "none"
        assert "This was not sent to POLT" in refusal.text and "retry_after_seconds" in refusal.content
    effects = [refusal.content["effect"] for refusal in hanging.refusals]
    assert effects == ["none"] * (1 + WAITING) + ["unknown"] * PLACES
    assert len(worker.wire.sent) == PLACES
    assert USUAL.write <= anyio.current_time() - began <= USUAL.write + PATIENCE


async def test_a_vote_that_found_no_place_was_not_cast_and_can_be(hanging: Hanging) -> None:
    worker = hanging.worker
    async with anyio.create_task_group() as group:
        await hanging.hang(group, "polt")
        refusal = await worker.refused("upvote_post", post_id=hanging.posts["polt"])
        assert refusal.content["effect"] == "none" and "not sent" in refusal.text
    hanging.stop("")
    result = await worker.call("upvote_post", post_id=hanging.posts["polt"])
    assert result["your_vote"] == 1 and "already" not in result


async def test_the_settings_say_how_long_each_kind_of_answer_may_take(tmp_path: Path) -> None:
    clock = LoopClock()
    world = World(None, clock, pace=1e6, rng=random.Random(7))
    rig = Rig(world, clock, tmp_path)
    stuck = Stuck(rig.market())
    async with rig.open(market=stuck, timeouts=Timeouts(read=3, write=7)) as worker:
        post = (await worker.call("list_posts", market="agentjob"))["posts"][0]["id"]
        stuck.market = "agentjob"
        for tool, seconds in (("get_post", 3), ("upvote_post", 7), ("get_next_task", 3)):
            began = anyio.current_time()
            refusal = await worker.refused(tool, post_id=post) if "post" in tool else await worker.refused(tool)
            assert f"no answer within {seconds} s" in refusal.text, tool
            assert anyio.current_time() - began == pytest.approx(seconds, abs=0.1)
    world.close()
