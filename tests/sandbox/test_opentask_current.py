"""What the platform asks today beyond what its document says."""

from collections.abc import AsyncIterator

import pytest

from sandbox.hands import Json
from sandbox.opentask_desk import Desk, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened("current") as desk:
        yield desk


async def _bid(desk: Desk, task: Json) -> Json:
    return await desk.bid(task, expectedTaskUpdatedAt=task["updatedAt"])


async def test_a_bid_names_the_version_of_the_task_that_it_was_made_for(desk: Desk) -> None:
    task = await desk.posted()
    at = f"/api/agent/tasks/{task['id']}/bids"
    await desk.refused(400, "POST", at, {"priceText": "1 ETH"})
    await desk.refused(400, "POST", at, {"priceText": "1 ETH", "expectedTaskUpdatedAt": "recently"})
    changed = await desk.ok("PATCH", f"/api/agent/tasks/{task['id']}", {"title": "Count the terns"}, who="other")
    stale = {"priceText": "1 ETH", "expectedTaskUpdatedAt": task["updatedAt"]}
    await desk.refused(409, "POST", at, stale)
    await _bid(desk, changed["task"])


async def test_only_pitch_tasks_take_bids(desk: Desk) -> None:
    race = await desk.task("Fastest parser")
    assert (race["executionMode"], race["availableActions"]) == ("benchmark", ["submit_entry"])
    assert race["entryDeadline"] == race["deadline"] is not None
    body = {"priceText": "1 ETH", "expectedTaskUpdatedAt": race["updatedAt"]}
    assert "benchmark" in await desk.refused(409, "POST", f"/api/agent/tasks/{race['id']}/bids", body)
    others = (await desk.ok("GET", "/api/tasks", who=""))["tasks"]
    shown = {(t["executionMode"], *t["availableActions"], t["entryDeadline"]) for t in others if t["id"] != race["id"]}
    assert shown == {("pitch", "bid", None)}


async def test_a_contract_says_that_nothing_is_held_for_it_and_when_it_is_to_be_paid(desk: Desk) -> None:
    task = await desk.posted()
    bid = await _bid(desk, task)
    (method,) = (await desk.ok("GET", "/api/agent/me/payout-methods"))["payoutMethods"]
    terms = {"taskId": task["id"], "bidId": bid["id"], "payoutMethodId": method["id"]}
    contract = (await desk.ok("POST", "/api/agent/contracts", terms, who="other"))["contract"]
    assert (contract["fundingStatus"], contract["paymentDueAt"]) == ("not_escrowed", None)
    await desk.submitted(contract)
    at = f"/api/agent/contracts/{contract['id']}"
    await desk.ok("POST", f"{at}/decision", {"action": "accept"}, who="other")
    accepted = (await desk.ok("GET", at))["contract"]
    assert accepted["paymentDueAt"] > accepted["updatedAt"]
    assert [c["paymentDueAt"] for c in (await desk.ok("GET", "/api/agent/contracts"))["contracts"]] == [
        accepted["paymentDueAt"]
    ]


async def test_the_bidder_changes_an_active_bid(desk: Desk) -> None:
    bid = await _bid(desk, await desk.posted())
    at = f"/api/agent/bids/{bid['id']}"
    await desk.refused(403, "PATCH", at, {"action": "update", "priceText": "1 USDC"}, who="other")
    changed = (await desk.ok("PATCH", at, {"action": "update", "priceText": "400 USDC", "etaDays": None}))["bid"]
    assert (changed["priceText"], changed["etaDays"], changed["approach"]) == ("400 USDC", None, "Carefully.")
    await desk.ok("PATCH", at, {"action": "withdraw"})
    await desk.refused(409, "PATCH", at, {"action": "update", "priceText": "1 USDC"})


async def test_the_twenty_first_bid_in_a_day_must_wait(desk: Desk) -> None:
    task = await desk.posted()
    for _ in range(20):
        bid = await _bid(desk, task)
        await desk.ok("PATCH", f"/api/agent/bids/{bid['id']}", {"action": "withdraw"})
        await desk.wait(60)
    body = {"priceText": "1 ETH", "expectedTaskUpdatedAt": task["updatedAt"]}
    answer = await desk.send("POST", f"/api/agent/tasks/{task['id']}/bids", body)
    assert (answer.status_code, answer.json()["error"]) == (429, "Too many requests")
    await desk.wait(int(answer.headers["retry-after"]) - 1)
    await desk.refused(429, "POST", f"/api/agent/tasks/{task['id']}/bids", body)
    await desk.wait(1)
    await _bid(desk, task)


async def test_hiring_takes_a_payout_method_and_nothing_else(desk: Desk) -> None:
    task = await desk.posted()
    bid = await _bid(desk, task)
    (method,) = (await desk.ok("GET", "/api/agent/me/payout-methods"))["payoutMethods"]
    body = {"taskId": task["id"], "bidId": bid["id"]}
    await desk.refused(400, "POST", "/api/agent/contracts", body, who="other")
    wallet = {**body, "payoutMethodId": method["id"], "paymentWallet": "0xabc"}
    await desk.refused(400, "POST", "/api/agent/contracts", wallet, who="other")
    await desk.ok("POST", "/api/agent/contracts", {**body, "payoutMethodId": method["id"]}, who="other")


async def test_a_write_that_is_sent_again_with_its_key_happens_once(desk: Desk) -> None:
    task = await desk.posted()
    at, key = f"/api/agent/tasks/{task['id']}/bids", "k1"
    body = {"priceText": "1 ETH", "expectedTaskUpdatedAt": task["updatedAt"]}
    first = await desk.send("POST", at, body, key=key)
    again = await desk.send("POST", at, body, key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    await desk.refused(409, "POST", at, {**body, "priceText": "2 ETH"}, key=key)
    await desk.refused(409, "POST", at, body, key="k2")
    await desk.refused(403, "POST", at, body, key=key, who="other")
    await desk.wait(86400)
    await desk.refused(409, "POST", at, body, key=key)


async def test_a_refused_write_is_not_remembered_under_its_key(desk: Desk) -> None:
    at, key = "/api/agent/tasks", "k1"
    await desk.refused(400, "POST", at, {"title": "x"}, key=key)
    body = {"title": "Count the gulls", "description": "Every gull in the harbour."}
    await desk.ok("POST", at, body, key=key)


async def test_an_answer_with_a_secret_is_not_kept_for_its_key(desk: Desk) -> None:
    body, key = {"name": "spare", "scopes": ["tasks:read"]}, "k1"
    first = await desk.ok("POST", "/api/agent/me/tokens", body, key=key)
    again = await desk.ok("POST", "/api/agent/me/tokens", body, key=key)
    assert first["tokenValue"] != again["tokenValue"]


async def test_the_document_knows_none_of_this() -> None:
    async with opened("seed") as desk:
        race = await desk.task("Fastest parser")
        assert not {"executionMode", "availableActions", "fundingStatus", "entryDeadline"} & set(race)
        assert "fundingStatus" not in await desk.hired()
        key = "k1"
        at = f"/api/agent/tasks/{race['id']}/bids"
        await desk.ok("POST", at, {"priceText": "1 ETH"}, key=key)
        await desk.refused(409, "POST", at, {"priceText": "1 ETH"}, key=key)
        task = await desk.posted(who="you")
        await desk.refused(404, "PATCH", f"/api/agent/tasks/{task['id']}", {"title": "Count the terns"})
