"""The other side of the pretend OpenTask acts by itself, a while after what it acts on."""

from collections.abc import AsyncIterator

import pytest

from sandbox.hands import PACE
from sandbox.opentask_desk import Desk, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as desk:
        yield desk


async def test_a_buyer_hires_a_bidder_after_its_pace_and_not_before(desk: Desk) -> None:
    bid = await desk.bid(await desk.task("flaky Playwright"))
    await desk.wait(PACE - 1)
    assert (await desk.ok("GET", f"/api/agent/bids/{bid['id']}"))["bid"]["status"] == "active"
    await desk.wait(1)
    bid = (await desk.ok("GET", f"/api/agent/bids/{bid['id']}"))["bid"]
    assert bid["status"] == "accepted"
    contract = (await desk.ok("GET", f"/api/agent/contracts/{bid['contractId']}"))["contract"]
    assert contract["status"] == "in_progress"
    assert (contract["preferredToken"], contract["paymentNetwork"]) == ("USDC", "base")


async def test_a_seller_without_a_payout_method_is_hired_without_payment_instructions(desk: Desk) -> None:
    await desk.bid(await desk.task("flaky Playwright"), who="other")
    await desk.wait()
    (card,) = (await desk.ok("GET", "/api/agent/contracts", who="other"))["contracts"]
    contract = (await desk.ok("GET", f"/api/agent/contracts/{card['id']}", who="other"))["contract"]
    assert contract["paymentWallet"] == ""
    assert contract["payoutMethodId"] is None


async def test_one_buyer_asks_for_a_better_price_first_and_hires_on_the_agreed_terms(desk: Desk) -> None:
    bid = await desk.bid(await desk.task("Flask service"), priceText="600 USDC")
    at = f"/api/agent/bids/{bid['id']}"
    await desk.wait()
    (offer,) = (await desk.ok("GET", f"{at}/counter-offers"))["counterOffers"]
    assert (offer["status"], offer["priceText"]) == ("pending", "540 USDC")
    assert offer["message"]
    await desk.wait(50 * PACE)
    assert (await desk.ok("GET", at))["bid"]["status"] == "active"
    await desk.ok("POST", f"{at}/counter-offers/{offer['id']}/accept")
    await desk.wait()
    bid = (await desk.ok("GET", at))["bid"]
    assert (bid["status"], bid["priceText"], bid["etaDays"]) == ("accepted", "540 USDC", 2)


async def test_a_buyer_whose_counter_offer_is_refused_rejects_the_bid(desk: Desk) -> None:
    bid = await desk.bid(await desk.task("Flask service"))
    at = f"/api/agent/bids/{bid['id']}"
    await desk.wait()
    (offer,) = (await desk.ok("GET", f"{at}/counter-offers"))["counterOffers"]
    await desk.ok("POST", f"{at}/counter-offers/{offer['id']}/reject", {})
    await desk.wait()
    assert (await desk.ok("GET", at))["bid"]["status"] == "rejected"


async def test_a_withdrawn_bid_is_never_hired(desk: Desk) -> None:
    task = await desk.task("flaky Playwright")
    bid = await desk.bid(task)
    await desk.ok("PATCH", f"/api/agent/bids/{bid['id']}", {"action": "withdraw"})
    await desk.wait(50 * PACE)
    assert (await desk.ok("GET", "/api/agent/contracts"))["contracts"] == []
    assert (await desk.ok("GET", f"/api/tasks/{task['id']}"))["task"]["status"] == "open"


async def test_a_buyer_accepts_what_it_can_open_and_reviews_it_later(desk: Desk) -> None:
    bid = await desk.bid(await desk.task("flaky Playwright"))
    await desk.wait()
    contract = (await desk.ok("GET", "/api/agent/contracts"))["contracts"][0]
    at = f"/api/agent/contracts/{contract['id']}"
    await desk.submitted(contract)
    await desk.wait()
    assert (await desk.ok("GET", at))["contract"]["status"] == "accepted"
    assert (await desk.ok("GET", f"{at}/reviews"))["reviews"] == []
    await desk.wait()
    (review,) = (await desk.ok("GET", f"{at}/reviews"))["reviews"]
    assert (review["rating"], review["subject"]["handle"]) == (5, "sandbox_agent")
    assert [kind for kind, _, _ in await desk.news()] == [
        "bid_accepted",
        "contract_created",
        "submission_accepted",
        "review_created",
    ]
    assert (await desk.news())[0][1:] == ("bid", bid["id"])


async def test_a_buyer_rejects_what_it_cannot_open_and_accepts_the_second_try(desk: Desk) -> None:
    await desk.bid(await desk.task("flaky Playwright"))
    await desk.wait()
    contract = (await desk.ok("GET", "/api/agent/contracts"))["contracts"][0]
    at = f"/api/agent/contracts/{contract['id']}"
    await desk.submitted(contract, "file:///tmp/gulls")
    await desk.wait()
    rejected = (await desk.ok("GET", at))["contract"]
    assert rejected["status"] == "rejected"
    assert "https://" in rejected["rejectionReason"]
    await desk.submitted(contract)
    await desk.wait()
    assert (await desk.ok("GET", at))["contract"]["status"] == "accepted"


async def test_two_sellers_bid_on_a_new_public_task_near_its_budget(desk: Desk) -> None:
    task = await desk.posted(who="you", budgetAmount=500, budgetCurrency="USDC")
    at = f"/api/agent/tasks/{task['id']}/bids"
    await desk.wait(PACE - 1)
    assert (await desk.ok("GET", at))["bids"] == []
    await desk.wait(1)
    bids = (await desk.ok("GET", at))["bids"]
    assert {bid["priceText"] for bid in bids} == {"450 USDC", "525 USDC"}
    assert len({bid["bidder"]["id"] for bid in bids}) == 2
    await desk.wait(50 * PACE)
    assert len((await desk.ok("GET", at))["bids"]) == 2


async def test_no_seller_finds_an_unlisted_task_until_it_is_listed(desk: Desk) -> None:
    task = await desk.posted(who="you", visibility="unlisted")
    await desk.wait(2 * PACE)
    assert (await desk.ok("GET", f"/api/agent/tasks/{task['id']}/bids"))["bids"] == []
    await desk.ok("PATCH", f"/api/tasks/{task['id']}", {"visibility": "public"})
    await desk.wait()
    assert len((await desk.ok("GET", f"/api/agent/tasks/{task['id']}/bids"))["bids"]) == 2


async def test_a_seller_accepts_a_counter_offer_delivers_reworks_and_reviews(desk: Desk) -> None:
    task = await desk.posted(who="you", budgetText="500 USDC")
    await desk.wait()
    bid = (await desk.ok("GET", f"/api/agent/tasks/{task['id']}/bids"))["bids"][0]
    bid_at = f"/api/agent/bids/{bid['id']}"
    await desk.ok("POST", f"{bid_at}/counter-offers", {"priceText": "400 USDC"})
    await desk.wait()
    assert (await desk.ok("GET", bid_at))["bid"]["priceText"] == "400 USDC"
    method = (await desk.ok("GET", f"/api/profiles/{bid['bidder']['id']}/payout-methods"))["payoutMethods"][0]
    hire = {"taskId": task["id"], "bidId": bid["id"], "payoutMethodId": method["id"]}
    contract = (await desk.ok("POST", "/api/agent/contracts", hire))["contract"]
    at = f"/api/agent/contracts/{contract['id']}"
    await desk.wait()
    assert (await desk.ok("GET", at))["contract"]["status"] == "submitted"
    await desk.ok("POST", f"{at}/decision", {"action": "reject", "reason": "Half the gulls are missing."})
    await desk.wait()
    assert len((await desk.ok("GET", f"{at}/submissions"))["submissions"]) == 2
    await desk.ok("POST", f"{at}/decision", {"action": "accept"})
    await desk.wait()
    (review,) = (await desk.ok("GET", f"{at}/reviews"))["reviews"]
    assert review["subject"]["handle"] == "sandbox_agent"


async def test_nobody_acts_for_the_two_identities(desk: Desk) -> None:
    contract = await desk.hired()
    await desk.submitted(contract)
    await desk.wait(100 * PACE)
    assert (await desk.ok("GET", f"/api/agent/contracts/{contract['id']}"))["contract"]["status"] == "submitted"


async def test_what_was_due_while_nobody_looked_happened_when_it_was_due(desk: Desk) -> None:
    task = await desk.posted(who="you", budgetText="500 USDC")
    await desk.wait(1000 * PACE)
    bids = (await desk.ok("GET", f"/api/agent/tasks/{task['id']}/bids"))["bids"]
    assert {bid["createdAt"] for bid in bids} == {"2026-02-25T06:13:30Z"}
    assert task["createdAt"] == "2026-02-25T06:13:20Z"


async def test_a_refused_call_undoes_nothing_that_robots_did(desk: Desk) -> None:
    bid = await desk.bid(await desk.task("flaky Playwright"))
    await desk.wait()
    await desk.refused(404, "GET", "/api/tasks/nowhere")
    assert (await desk.ok("GET", f"/api/agent/bids/{bid['id']}"))["bid"]["status"] == "accepted"
