"""Answers that differ from those of the documents: what is new and not yet listed, envelopes, numbers for texts."""

import random

import httpx2
import pytest

from market_mcp.sandbox.world import World
from sandbox.hands import Json, ManualClock, at, beat, switch

pytestmark = pytest.mark.anyio


# --- what is new and not yet listed -------------------------------------------------------------------------


async def test_what_is_new_is_listed_only_after_its_time_and_read_by_its_id_at_once(
    http: httpx2.AsyncClient, clock: ManualClock
) -> None:
    await switch(http, visible_after=30)
    agent = at(http, "agentjob")
    await beat(agent)
    made = (await agent.post("/api/tasks", {"title": "A new post", "body": "Long enough to be one."}))["data"]["id"]
    reply = (await agent.post(f"/api/tasks/{made}/replies", {"body": "And a reply."}))["data"]["id"]

    async def listed() -> tuple[bool, bool]:
        posts = (await agent.get("/api/tasks"))["data"]
        replies = (await agent.get(f"/api/tasks/{made}"))["data"]["replies"]
        return made in [post["id"] for post in posts], reply in [one["id"] for one in replies]

    assert await listed() == (False, False)
    await clock.advance(29.5)
    assert await listed() == (False, False)
    await clock.advance(0.5)
    assert await listed() == (True, True)


async def test_a_bid_and_a_commitment_come_into_lists_late(http: httpx2.AsyncClient, clock: ManualClock) -> None:
    await switch(http, visible_after=30)
    seller, agent = at(http, "opentask"), at(http, "polt")
    task = (await seller.get("/api/tasks"))["tasks"][0]["id"]
    bid = (await seller.post(f"/api/agent/tasks/{task}/bids", {"priceText": "5 USDC"}))["bid"]["id"]
    held = (await agent.get("/api/tasks/recent"))["tasks"][0]["id"]
    await agent.post(f"/api/tasks/{held}/commit")

    async def listed() -> tuple[bool, bool]:
        bids = (await seller.get("/api/agent/bids"))["bids"]
        tasks = (await agent.get("/api/agents/sandbox_agent/committed-tasks"))["tasks"]
        return bid in [one["id"] for one in bids], held in [one["id"] for one in tasks]

    assert await listed() == (False, False)
    # The task itself has long been there.
    assert held in [one["id"] for one in (await agent.get("/api/tasks", limit=100))["tasks"]]
    assert (await seller.get(f"/api/agent/bids/{bid}"))["bid"]["id"] == bid
    await clock.advance(30)
    assert await listed() == (True, True)


async def test_without_a_lag_what_is_new_is_listed_at_once(http: httpx2.AsyncClient) -> None:
    agent = at(http, "agentjob")
    await beat(agent)
    made = (await agent.post("/api/tasks", {"title": "A new post", "body": "Long enough to be one."}))["data"]["id"]
    assert (await agent.get("/api/tasks"))["data"][0]["id"] == made


# --- other shapes -------------------------------------------------------------------------------------------

LISTS = {"polt": ("/api/tasks", "tasks"), "agentjob": ("/api/tasks", "data"), "opentask": ("/api/tasks", "tasks")}


@pytest.mark.parametrize("market", LISTS)
async def test_a_list_can_be_bare_and_a_record_stays_what_it_is(http: httpx2.AsyncClient, market: str) -> None:
    (path, name), caller = LISTS[market], at(http, market)
    listed = await caller.get(path)
    record = await caller.get(f"{path}/{listed[name][0]['id']}")
    await switch(http, shapes="bare")
    assert await caller.get(path) == listed[name]
    assert await caller.get(f"{path}/{listed[name][0]['id']}") == record
    assert await caller.refused(404, "GET", f"{path}/nothing")


@pytest.mark.parametrize("market", LISTS)
async def test_everything_good_can_stand_in_an_envelope_and_only_in_one(http: httpx2.AsyncClient, market: str) -> None:
    (path, name), caller = LISTS[market], at(http, market)
    listed = await caller.get(path)
    await switch(http, shapes="enveloped")
    assert await caller.get(path) == ({"data": listed} if name != "data" else listed)
    written = await caller.ok(*WRITES[market])
    assert set(written) == {"data"}
    assert await caller.refused(404, "GET", f"{path}/nothing")
    # A refused login is counted, and so is an answer on the inside.
    login = {"email": "a@b.example", "password": "wrong"}
    assert await at(http, "opentask").refused(401, "POST", "/api/agent/login", login) == "Invalid email or password"


WRITES = {
    "polt": ("PATCH", "/api/agents/me", {"bio": "New."}),
    "agentjob": ("POST", "/api/agents/heartbeat", None),
    "opentask": ("PATCH", "/api/agent/me", {"bio": "New."}),
}


async def test_messages_of_a_protocol_keep_their_form(http: httpx2.AsyncClient) -> None:
    await switch(http, shapes="enveloped")
    assert await at(http, "agentjob").post("/api/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping"}) == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {},
    }


async def test_amounts_can_be_numbers(http: httpx2.AsyncClient, clock: ManualClock) -> None:
    polt, agent = at(http, "polt"), at(http, "agentjob")
    before = (await polt.get("/api/tasks"))["tasks"]
    await switch(http, numeric_pay=True)
    after = (await polt.get("/api/tasks"))["tasks"]
    assert [task["payout"] for task in after] == [float(task["payout"]) for task in before]
    assert all(isinstance(task["payout"], int) for task in after)
    assert [task | {"payout": 0} for task in after] == [task | {"payout": 0} for task in before]
    assert (await polt.ok("PATCH", "/api/agents/me", {"bio": "2024"}))["agent"]["bio"] == "2024"
    earned = (await polt.get("/api/leaderboard"))["leaderboard"][0]["total_earned"]
    assert isinstance(earned, int)
    await beat(agent)
    await clock.advance(60)
    assert (await agent.get("/api/agents/tasks", wait=0))["data"]["task"]["amount_usdc"] == 0.1


@pytest.mark.parametrize(("unit", "times"), [("seconds", 1), ("milliseconds", 1000)])
async def test_times_can_be_numbers_since_1970(
    http: httpx2.AsyncClient, clock: ManualClock, unit: str, times: int
) -> None:
    seller, agent = at(http, "opentask"), at(http, "polt")
    body = {
        "title": "2030-01-01T00:00:00Z",
        "description": "A title that is a time.",
        "deadline": "2026-03-01T00:00:00Z",
    }
    made = (await seller.post("/api/agent/tasks", body))["task"]["id"]
    held = (await agent.get("/api/tasks/recent"))["tasks"][0]["id"]
    await switch(http, epoch_times=unit)
    task = (await seller.get(f"/api/agent/tasks/{made}"))["task"]
    assert (task["createdAt"], task["updatedAt"]) == (int(clock.now()) * times, int(clock.now()) * times)
    assert (task["deadline"], task["title"]) == (1_772_323_200 * times, "2030-01-01T00:00:00Z")
    committed = (await agent.post(f"/api/tasks/{held}/commit"))["task"]
    assert (committed["committed_at"], committed["completed_at"]) == (int(clock.now()) * times, None)


@pytest.mark.parametrize("unit", ["seconds", "milliseconds"])
async def test_a_market_takes_back_the_times_that_it_gives(clock: ManualClock, unit: str) -> None:
    world = World(None, clock, contract="current", rng=random.Random(7))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=world.app), base_url="http://sandbox") as http:
        await switch(http, epoch_times=unit)
        seller = at(http, "opentask")
        task = (await seller.get("/api/tasks"))["tasks"][0]["id"]
        path, told = f"/api/agent/tasks/{task}/bids", (await seller.get(f"/api/tasks/{task}"))["task"]["updatedAt"]
        bid: Json = {"priceText": "5 USDC"}
        await seller.refused(409, "POST", path, bid | {"expectedTaskUpdatedAt": told - 5000})
        for nonsense in (True, -1, 10**400, 1.5):
            await seller.refused(400, "POST", path, bid | {"expectedTaskUpdatedAt": nonsense})
        await seller.post(path, bid | {"expectedTaskUpdatedAt": told})
        await switch(http, epoch_times=None)
        await seller.refused(400, "POST", path, bid | {"expectedTaskUpdatedAt": told})
    world.close()


@pytest.mark.parametrize(
    "settings",
    [{"shapes": "round"}, {"epoch_times": "minutes"}, {"numeric_pay": 1}, {"visible_after": -1}, {"many": None}],
)
async def test_a_shape_that_there_is_not_is_refused(http: httpx2.AsyncClient, settings: Json) -> None:
    refused = await http.put("/_sandbox/settings", json=settings)
    assert (refused.status_code, next(iter(settings)) in refused.json()["error"]) == (400, True)
