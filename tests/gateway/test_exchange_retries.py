"""What is sent to a live market a second time, and what never is."""

import logging
from collections.abc import Generator
from dataclasses import replace

import httpx2
import pytest
import stamina

from market_mcp.gateway.exchange import TRIES
from rig import Rig, Worker, sandbox_accounts

pytestmark = pytest.mark.anyio

TASK = {"task": {"id": "1", "title": "A task", "status": "available"}}
POSTED = {"reply": {"id": "2", "body": "x"}}
LIVE = [replace(account, sandbox=False) for account in sandbox_accounts()]


@pytest.fixture(autouse=True)
def no_pauses() -> Generator[None]:
    with stamina.set_testing(True, attempts=TRIES):
        yield


class Scripted(httpx2.AsyncBaseTransport):
    """A market that does in turn what it is told to; what it does last, it does from then on."""

    def __init__(self, *script: "httpx2.Response | Exception") -> None:
        self._script = list(script)
        self.asked = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        now = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(now, Exception):
            raise now
        return httpx2.Response(now.status_code, headers=now.headers, content=now.content)


def busy(status: int = 503, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, headers=[(name.replace("_", "-"), value) for name, value in headers.items()])


def well(content: object) -> httpx2.Response:
    return httpx2.Response(200, json=content)


async def read(worker: Worker) -> str:
    return (await worker.call("get_task", task_id="polt:1"))["task"]["title"]


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_read_of_one_thing_gets_over_a_passing_trouble(rig: Rig, status: int) -> None:
    market = Scripted(busy(status), busy(status), well(TASK))
    async with rig.open(LIVE, market=market) as worker:
        assert await read(worker) == "A task"
    assert market.asked == 3


async def test_after_three_tries_the_last_answer_counts(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    market = Scripted(busy(503))
    async with rig.open(LIVE, market=market) as worker:
        assert "HTTP 503" in (await worker.refused("get_task", task_id="polt:1")).text
    assert market.asked == TRIES
    assert not caplog.records


@pytest.mark.parametrize(
    "trouble", [busy(500), busy(503, retry_after="1"), busy(429), busy(429, retry_after="6"), busy(404)]
)
async def test_a_trouble_that_does_not_pass_soon_is_told_at_once(rig: Rig, trouble: httpx2.Response) -> None:
    market = Scripted(trouble, well(TASK))
    async with rig.open(LIVE, market=market) as worker:
        await worker.refused("get_task", task_id="polt:1")
    assert market.asked == 1


async def test_a_feed_gets_one_try(rig: Rig) -> None:
    market = Scripted(busy(503), well({"tasks": []}))
    async with rig.open(LIVE, market=market) as worker:
        await worker.refused("list_tasks", market="polt")
    assert market.asked == 1


@pytest.mark.parametrize("trouble", [busy(429), busy(503), httpx2.ReadError("reset"), httpx2.ReadTimeout("late")])
async def test_a_write_that_may_have_arrived_is_not_sent_again(rig: Rig, trouble: httpx2.Response | Exception) -> None:
    market = Scripted(trouble, well(POSTED))
    async with rig.open(LIVE, market=market) as worker:
        await worker.refused("add_reply", post_id="polt:1", body="x")
    assert market.asked == 1


async def test_a_write_that_cannot_have_arrived_is_sent_again(rig: Rig) -> None:
    market = Scripted(httpx2.ConnectError("refused"), httpx2.ConnectTimeout("late"), well(POSTED))
    async with rig.open(LIVE, market=market) as worker:
        assert (await worker.call("add_reply", post_id="polt:1", body="x"))["reply_id"] == "polt:2"
    assert market.asked == 3


async def test_what_cannot_be_sent_at_all_is_the_callers_mistake_and_tried_once(rig: Rig) -> None:
    market = Scripted(well({}))
    async with rig.open(LIVE, market=market) as worker:
        pay = {"budget_amount": "1e400", "budget_currency": "USDC"}
        refusal = await worker.refused("create_task", title="A task", description="Well described.", **pay)
    assert refusal.content["error"] == "bad_call" and "cannot be sent this" in refusal.text and market.asked == 0


async def test_a_question_that_may_have_been_claimed_is_not_asked_for_again(rig: Rig) -> None:
    market = Scripted(well({"data": {}}), busy(503), well({"data": {}}))
    async with rig.open(LIVE, market=market) as worker:
        refusal = await worker.refused("get_next_task", wait_seconds=0)
    assert refusal.content["error"] == "outcome_unknown" and market.asked == 2
