"""Only what is done counts: limits, watches, claims and keys move on what a market proves, and on nothing else."""

from collections.abc import Callable

import httpx2
import pytest

from rig import Json, Rig, Worker, pay_for, sandbox_accounts

pytestmark = pytest.mark.anyio

Instead = Callable[[httpx2.Request], httpx2.Response | None]

TUNNEL = httpx2.Response(404, headers={"ngrok-error-code": "ERR_NGROK_3200"}, html="<html>The endpoint is offline.")
POST = {"market": "agentjob", "title": "A new post", "body": "With a body that is long enough."}


class Interposed(httpx2.AsyncBaseTransport):
    """Markets in whose place something else answers some requests: `instead`, which a test can exchange."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.instead: Instead = lambda _: None

    def answer(self, method: str, ending: str, response: httpx2.Response) -> None:
        """From now on requests of this method, whose paths end so, are answered so."""

        def instead(request: httpx2.Request) -> httpx2.Response | None:
            return response if request.method == method and request.url.path.endswith(ending) else None

        self.instead = instead

    def stop(self) -> None:
        self.instead = lambda _: None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        given = self.instead(request)
        if given is None:
            return await self._inner.handle_async_request(request)
        return httpx2.Response(given.status_code, headers=given.headers, content=given.content)


async def of_market(worker: Worker, market: str) -> Json:
    """What list_markets says of a market."""
    markets = (await worker.call("list_markets"))["markets"]
    return next(about for about in markets if about["market"] == market)


@pytest.mark.parametrize(
    "no",
    [
        httpx2.Response(200, json={"error": "Too many posts today"}),
        httpx2.Response(200, json={"success": False, "message": "Content filter"}),
        httpx2.Response(202, json={"data": {"id": "1", "status": "pending_review"}}),
        httpx2.Response(200, json={"verification_required": True, "verification": {"challenge": "7 + 3?"}}),
        httpx2.Response(200, json={}),
        httpx2.Response(502, html="<h1>Bad Gateway</h1>"),
        TUNNEL,
    ],
)
async def test_a_post_that_is_not_shown_to_be_there_counts_against_no_limit(rig: Rig, no: httpx2.Response) -> None:
    market = Interposed(rig.market())
    async with rig.open(market=market) as worker:
        before = await of_market(worker, "agentjob")
        market.answer("POST", "/api/tasks", no)
        for _ in range(5):
            well, text, content = await worker.ask("create_post", **POST)
            assert "Post published" not in text
            assert not well or "pending" in content, text
        assert (await of_market(worker, "agentjob"))["quota_left"] == before["quota_left"]
        market.stop()
        assert (await worker.call("create_post", **POST))["message"].startswith("Post published.")


async def test_a_post_that_waits_for_its_author_is_told_with_all_the_market_says(rig: Rig) -> None:
    market = Interposed(rig.market())
    async with rig.open(market=market) as worker:
        asks = {"post": {"id": "1"}, "verification": {"challenge": "7 + 3?", "instructions": "POST /api/verify"}}
        market.answer("POST", "/api/tasks", httpx2.Response(201, json={"success": True, **asks}))
        told = await worker.call("create_post", **POST)
        assert told["pending"] == {"success": True, **asks} and told["effect"] == "pending"
        assert "not done" in told["next"] and told["market"] == "agentjob" and "untrusted" in told


async def test_a_tunnel_that_is_down_for_a_minute_costs_no_news_of_a_review(rig: Rig) -> None:
    market = Interposed(rig.market())
    async with rig.open(sandbox_accounts(["polt"]), market=market) as worker:
        task = (await worker.call("list_tasks", status="available"))["tasks"][0]["id"]
        await worker.call("commit_task", task_id=task)
        await worker.call("submit_work", work_id=task, summary="All is done, as the task asks for it.")
        native = task.partition(":")[2]
        market.answer("GET", f"/api/tasks/{native}", TUNNEL)
        await rig.clock.advance(61)
        assert [item for item in (await worker.call("check_inbox"))["changes"] if item.get("id") == task] == []
        market.stop()
        await rig.clock.advance(61)
        [item] = [item for item in (await worker.call("check_inbox"))["changes"] if item.get("id") == task]
        assert item["what"] == "review of your work"


async def test_a_paid_question_whose_answer_met_a_tunnel_is_still_to_be_answered(rig: Rig) -> None:
    market = Interposed(rig.market())
    async with rig.open(market=market) as worker:
        pay_for(rig.world, "What is a tunnel?")
        chat = (await worker.call("get_next_task", wait_seconds=1))["chat"]
        market.answer("POST", "/response", TUNNEL)
        refusal = await worker.refused("submit_response", task_id=chat["task_id"], text="A way under a hill.")
        assert refusal.content["error"] == "outcome_unknown" and "tunnel" in refusal.text
        assert (await of_market(worker, "agentjob"))["chats_to_answer"] == 1
        market.stop()
        await worker.call("submit_response", task_id=chat["task_id"], text="A way under a hill.")
        assert (await of_market(worker, "agentjob"))["chats_to_answer"] == 0


async def test_a_key_is_called_refused_until_the_market_takes_it(rig: Rig) -> None:
    market = Interposed(rig.market())
    async with rig.open(market=market) as worker:
        assert (await of_market(worker, "opentask"))["key"] == "configured"
        market.answer("GET", "/api/agent/bids", httpx2.Response(401, json={"error": "Token expired"}))
        assert "Token expired" in (await worker.refused("list_bids")).text
        said = (await of_market(worker, "opentask"))["key"]
        assert said.startswith("refused by the market") and "OPENTASK_TOKEN" in said
        market.stop()
        await worker.call("verify_key", market="opentask")
        assert (await of_market(worker, "opentask"))["key"] == "configured"


async def test_a_key_that_only_something_else_than_the_market_refuses_is_not_called_refused(rig: Rig) -> None:
    market = Interposed(rig.market())
    async with rig.open(market=market) as worker:
        market.answer("GET", "/api/agent/bids", httpx2.Response(401, html="<h1>Log in to the hotel</h1>"))
        await worker.refused("list_bids")
        assert (await of_market(worker, "opentask"))["key"] == "configured"


@pytest.mark.parametrize("status", [400, 404, 409, 410])
async def test_a_write_that_shows_things_to_be_otherwise_has_the_lists_asked_anew(rig: Rig, status: int) -> None:
    market = Interposed(rig.market())
    async with rig.open(sandbox_accounts(["polt"]), market=market) as worker:
        page = await worker.call("list_tasks")
        market.answer("POST", "/commit", httpx2.Response(status, json={"error": "Task no longer available"}))
        refusal = await worker.refused("commit_task", task_id=page["tasks"][0]["id"])
        assert "no longer available" in refusal.text and "retry_after_seconds" not in refusal.content
        assert (await worker.call("list_tasks"))["feeds"]["polt"]["source"] == "live"


async def test_a_page_whose_cursor_is_too_old_is_answered_with_where_to_begin(rig: Rig) -> None:
    market = Interposed(rig.market())
    expired = httpx2.Response(400, json={"error": "Cursor expired"})
    first = httpx2.Response(200, json={"tasks": [{"id": "1", "title": "Sort my bookmarks"}], "nextCursor": "c1"})
    market.instead = lambda request: expired if "cursor" in request.url.params else first
    async with rig.open(sandbox_accounts(["opentask"]), market=market) as worker:
        page = await worker.call("list_tasks")
        refusal = await worker.refused("list_tasks", cursor=page["next_cursor"])
        assert "Cursor expired" in refusal.text and "start again without one" in refusal.text
