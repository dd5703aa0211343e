"""A market that wants to be left alone is, by every call and process of the account, and is asked again in time."""

from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest

from rig import Json, Rig, Worker, pay_for, sandbox_accounts

pytestmark = pytest.mark.anyio

POST = {"market": "agentjob", "title": "A new post", "body": "With a body that is long enough."}


class Banning(httpx2.AsyncBaseTransport):
    """Markets of which some requests are refused, while `refusal` says so."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.refusal: Callable[[httpx2.Request], httpx2.Response | None] = lambda _: None
        self.refused = 0

    def ban(self, status: int, headers: dict[str, str], only: str = "") -> None:
        """From now on every request whose method and path end so is refused, all of POLT's where none are named."""

        def refuse(request: httpx2.Request) -> httpx2.Response | None:
            asked = f"{request.method} {request.url.path}"
            hit = asked.endswith(only) if only else "/polt/" in asked
            return httpx2.Response(status, headers=headers, json={"error": "Too many requests"}) if hit else None

        self.refusal = refuse

    def pardon(self) -> None:
        self.refusal = lambda _: None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        refusal = self.refusal(request)
        if refusal is None:
            return await self._inner.handle_async_request(request)
        self.refused += 1
        return refusal


async def of_market(worker: Worker, market: str) -> Json:
    """What list_markets says of a market."""
    markets = (await worker.call("list_markets"))["markets"]
    return next(about for about in markets if about["market"] == market)


async def everything(worker: Worker, task: str) -> list[str]:
    """How calls of all kinds to POLT end."""
    calls: list[tuple[str, Json]] = [
        ("list_tasks", {"market": "polt", "query": "x"}),
        ("list_posts", {"market": "polt"}),
        ("get_task", {"task_id": task}),
        ("commit_task", {"task_id": task}),
        ("check_inbox", {"market": "polt"}),
        ("my_work", {"market": "polt"}),
    ]
    return [(await worker.ask(tool, **given))[1] for tool, given in calls]


@pytest.mark.parametrize("status", [429, 503])
async def test_while_a_market_wants_to_be_left_alone_nothing_is_sent_there(rig: Rig, status: int) -> None:
    market = Banning(rig.market())
    async with rig.open(market=market) as one, rig.open(market=market) as two:
        task = (await one.call("list_tasks", market="polt"))["tasks"][0]["id"]
        market.ban(status, {"retry-after": "600"}, only=f"GET /polt/api/tasks/{task.partition(':')[2]}")
        await one.refused("get_task", task_id=task)
        market.ban(status, {"retry-after": "600"})
        await rig.clock.advance(61)
        sent = len(one.wire.to("polt")) + len(two.wire.to("polt"))
        for worker in (one, two):
            assert all("left alone" in text or "HTTP" in text for text in await everything(worker, task))
            said = (await of_market(worker, "polt"))["left_alone"]
            assert said["seconds"] == 539 and f"HTTP {status}" in said["because"]
        assert len(one.wire.to("polt")) + len(two.wire.to("polt")) == sent
        # The others are none of its business, and a held page can be had.
        assert (await one.call("list_posts", market="agentjob"))["posts"]
        held = await one.call("list_tasks", market="polt")
        assert held["tasks"] and "HTTP" in held["feeds"]["polt"]["note"]
        market.pardon()
        await rig.clock.advance(540)
        assert "left_alone" not in await of_market(two, "polt")
        assert (await two.call("get_task", task_id=task))["task"]["id"] == task


async def test_a_limit_of_one_calls_own_holds_that_call_alone(rig: Rig) -> None:
    market = Banning(rig.market())
    async with rig.open(market=market) as worker:
        market.ban(429, {"retry-after": "600"}, only="POST /agentjob/api/tasks")
        assert (await worker.refused("create_post", **POST)).content["error"] == "refused"
        again = await worker.refused("create_post", **POST)
        assert again.content["error"] == "too_soon" and market.refused == 1
        assert again.content["retry_after_seconds"] == 600
        assert "left_alone" not in await of_market(worker, "agentjob")
        posts = await worker.call("list_posts", market="agentjob")
        await worker.call("add_reply", post_id=posts["posts"][0]["id"], body="I can do this by tomorrow.")


async def test_heartbeats_and_answers_to_claimed_questions_go_all_the_same(rig: Rig) -> None:
    market = Banning(rig.market())
    async with rig.open(sandbox_accounts(["agentjob"]), market=market) as worker:
        pay_for(rig.world, "What is a tide?")
        chat = (await worker.call("get_next_task", wait_seconds=0))["chat"]
        market.ban(429, {"retry-after": "900"}, only="GET /agentjob/api/tasks")
        await worker.refused("list_posts")
        market.pardon()
        before = len(worker.wire.to("agentjob"))
        assert (await worker.call("submit_response", task_id=chat["task_id"], text="The sea, rising."))["submitted"]
        assert "left alone" in (await worker.refused("get_next_task", wait_seconds=0)).text
        await rig.clock.advance(50)
        sent = worker.wire.to("agentjob")[before:]
        assert "POST /api/agents/heartbeat" in sent and "GET /api/agents/tasks" not in sent


async def test_after_an_hour_one_read_finds_out_whether_it_is_still_meant(rig: Rig) -> None:
    market = Banning(rig.market())
    async with rig.open(sandbox_accounts(["polt"]), market=market) as worker:
        market.ban(429, {"retry-after": "80000"})
        await worker.refused("list_tasks")
        await rig.clock.advance(3599)
        await worker.refused("list_posts")
        assert market.refused == 1
        await rig.clock.advance(1)
        for tool in ("list_posts", "list_tasks", "list_posts"):
            await worker.refused(tool)
        assert market.refused == 2
        market.pardon()
        await rig.clock.advance(3600)
        assert (await worker.call("list_tasks"))["tasks"]
        assert (await worker.call("list_posts"))["posts"], "what answers again is asked again"


@pytest.mark.parametrize(("tool", "given"), [("get_task", {"task_id": "polt:1"}), ("list_tasks", {})])
async def test_a_429_costs_one_request_though_it_names_no_time(rig: Rig, tool: str, given: Json) -> None:
    market = Banning(rig.market())
    live = [replace(account, sandbox=False) for account in sandbox_accounts(["polt"])]
    async with rig.open(live, market=market) as worker:
        market.ban(429, {})
        await worker.refused(tool, **given)
        assert market.refused == 1
        assert (await of_market(worker, "polt"))["left_alone"]["seconds"] == 60
