"""Contracts of the pretend OpenTask: hired, delivered, decided, reviewed."""

from collections.abc import AsyncIterator

import pytest

from sandbox.hands import Json
from sandbox.opentask_desk import Desk, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as desk:
        yield desk


async def _own_payout_method(desk: Desk) -> Json:
    (method,) = (await desk.ok("GET", "/api/agent/me/payout-methods"))["payoutMethods"]
    return method


async def test_hiring_closes_the_task_accepts_the_bid_and_rejects_the_others(desk: Desk) -> None:
    task = await desk.posted()
    bid = await desk.bid(task)
    tern = {"email": "tern@example.com", "password": "long enough", "handle": "tern_1"}
    rival = (await desk.ok("POST", "/api/agent/register", tern, who=""))["tokenValue"]
    lost = await desk.bid(task, who=rival)
    method = await _own_payout_method(desk)
    body = {"taskId": task["id"], "bidId": bid["id"], "payoutMethodId": method["id"]}
    contract = (await desk.ok("POST", "/api/agent/contracts", body, who="other"))["contract"]
    assert contract["status"] == "in_progress"
    assert (contract["preferredToken"], contract["paymentWallet"], contract["paymentNetwork"]) == (
        "USDC",
        method["address"],
        "base",
    )
    won = (await desk.ok("GET", f"/api/agent/bids/{bid['id']}"))["bid"]
    assert (won["status"], won["contractId"]) == ("accepted", contract["id"])
    assert (await desk.ok("GET", f"/api/agent/bids/{lost['id']}", who=rival))["bid"]["status"] == "rejected"
    assert (await desk.ok("GET", f"/api/tasks/{task['id']}"))["task"]["status"] == "closed"
    assert task["id"] not in [t["id"] for t in (await desk.ok("GET", "/api/tasks"))["tasks"]]
    assert await desk.news() == [
        ("bid_accepted", "bid", bid["id"]),
        ("contract_created", "contract", contract["id"]),
    ]
    await desk.refused(409, "POST", "/api/agent/contracts", body, who="other")
    await desk.refused(409, "POST", f"/api/agent/tasks/{task['id']}/bids", {"priceText": "1 ETH"}, who=rival)


async def test_terms_and_payment_stay_as_they_were_at_hiring(desk: Desk) -> None:
    task = await desk.posted(acceptanceCriteria=["all of them"])
    bid = await desk.bid(task)
    method = await _own_payout_method(desk)
    body = {"taskId": task["id"], "bidId": bid["id"], "payoutMethodId": method["id"]}
    contract = (await desk.ok("POST", "/api/agent/contracts", body, who="other"))["contract"]
    await desk.ok("DELETE", f"/api/agent/me/payout-methods/{method['id']}")
    shown = (await desk.ok("GET", f"/api/agent/contracts/{contract['id']}"))["contract"]
    assert shown == contract
    assert shown["terms"]["acceptanceCriteria"] == ["all of them"]
    assert (shown["terms"]["priceText"], shown["terms"]["etaDays"]) == ("450 USDC", 2)


async def test_hiring_needs_a_way_to_pay(desk: Desk) -> None:
    task = await desk.posted()
    bid = await desk.bid(task)
    body = {"taskId": task["id"], "bidId": bid["id"]}
    wrong: tuple[dict[str, str], ...] = (
        {},
        {"paymentWallet": "0xabc"},
        {"preferredToken": "ETH"},
        {"payoutMethodId": "of nobody"},
    )
    for fields in wrong:
        await desk.refused(400, "POST", "/api/agent/contracts", {**body, **fields}, who="other")
    method = await _own_payout_method(desk)
    await desk.ok("PATCH", f"/api/agent/me/payout-methods/{method['id']}", {"isActive": False})
    inactive = {**body, "payoutMethodId": method["id"]}
    await desk.refused(400, "POST", "/api/agent/contracts", inactive, who="other")


async def test_only_the_owner_hires_and_only_for_a_bid_on_that_task(desk: Desk) -> None:
    task, elsewhere = await desk.posted(), await desk.posted()
    bid, off = await desk.bid(task), await desk.bid(elsewhere)
    pay = {"paymentWallet": "0xabc", "preferredToken": "ETH"}
    body = {"taskId": task["id"], "bidId": bid["id"], **pay}
    await desk.refused(403, "POST", "/api/agent/contracts", body)
    await desk.refused(404, "POST", "/api/agent/contracts", {**body, "bidId": off["id"]}, who="other")
    await desk.refused(404, "POST", "/api/agent/contracts", {**body, "taskId": "none"}, who="other")
    await desk.ok("PATCH", f"/api/agent/bids/{bid['id']}", {"action": "withdraw"})
    await desk.refused(409, "POST", "/api/agent/contracts", body, who="other")


async def test_contracts_are_listed_by_role_and_closed_to_strangers(desk: Desk) -> None:
    contract = await desk.hired()

    async def ids(who: str, **query: str) -> list[str]:
        found = await desk.ok("GET", "/api/agent/contracts", who=who, **query)
        return [c["id"] for c in found["contracts"]]

    assert await ids("you") == await ids("you", role="seller") == await ids("other", role="buyer")
    assert await ids("you") == [contract["id"]]
    assert await ids("you", role="buyer") == await ids("other", role="seller") == []
    tern = {"email": "tern@example.com", "password": "long enough", "handle": "tern_1"}
    stranger = (await desk.ok("POST", "/api/agent/register", tern, who=""))["tokenValue"]
    at = f"/api/agent/contracts/{contract['id']}"
    for path in (at, f"{at}/submissions", f"{at}/reviews", f"{at}/messages"):
        await desk.refused(403, "GET", path, who=stranger)
    await desk.refused(403, "POST", f"{at}/messages", {"body": "Hello"}, who=stranger)
    await desk.refused(404, "GET", "/api/agent/contracts/none")


async def test_the_seller_delivers_and_the_buyer_decides(desk: Desk) -> None:
    contract = await desk.hired()
    at = f"/api/agent/contracts/{contract['id']}"
    work = {"deliverableUrl": "https://example.com/gulls", "notes": "41 gulls"}
    await desk.refused(403, "POST", f"{at}/submissions", work, who="other")
    await desk.refused(409, "POST", f"{at}/decision", {"action": "accept"}, who="other")
    made = await desk.ok("POST", f"{at}/submissions", work)
    assert (made["submission"]["notes"], made["contract"]["status"]) == ("41 gulls", "submitted")
    await desk.refused(409, "POST", f"{at}/submissions", work)
    await desk.refused(403, "POST", f"{at}/decision", {"action": "accept"})
    accepted = await desk.ok("POST", f"{at}/decision", {"action": "accept"}, who="other")
    assert accepted["contract"]["status"] == "accepted"
    await desk.refused(409, "POST", f"{at}/submissions", work)
    await desk.refused(409, "POST", f"{at}/decision", {"action": "reject", "reason": "No"}, who="other")
    assert ("submission_created", "contract", contract["id"]) in await desk.news(who="other")
    assert ("submission_accepted", "contract", contract["id"]) in await desk.news()


async def test_a_rejection_has_a_reason_and_leaves_room_for_another_try(desk: Desk) -> None:
    contract = await desk.hired()
    at = f"/api/agent/contracts/{contract['id']}"
    await desk.submitted(contract)
    for body in ({"action": "reject"}, {"action": "reject", "reason": " "}, {"action": "shrug"}):
        await desk.refused(400, "POST", f"{at}/decision", body, who="other")
    body = {"action": "reject", "reason": "A tern is no gull."}
    rejected = (await desk.ok("POST", f"{at}/decision", body, who="other"))["contract"]
    assert (rejected["status"], rejected["rejectionReason"]) == ("rejected", "A tern is no gull.")
    await desk.submitted(contract)
    assert (await desk.ok("GET", at))["contract"]["status"] == "submitted"
    assert len((await desk.ok("GET", f"{at}/submissions"))["submissions"]) == 2


async def test_reviews_come_after_acceptance_and_once_from_each_side(desk: Desk) -> None:
    waiting = await desk.hired()
    await desk.refused(409, "POST", f"/api/agent/contracts/{waiting['id']}/reviews", {"rating": 5})
    contract = await desk.accepted()
    at = f"/api/agent/contracts/{contract['id']}/reviews"
    for rating in (0, 6, 4.5, "5"):
        await desk.refused(400, "POST", at, {"rating": rating})
    await desk.ok("POST", at, {"rating": 4, "text": "Prompt."})
    await desk.ok("POST", at, {"rating": 5}, who="other")
    await desk.refused(409, "POST", at, {"rating": 1})
    assert len((await desk.ok("GET", at))["reviews"]) == 2
    me = await desk.ok("GET", "/api/agent/me")
    assert (me["stats"]["averageRating"], me["stats"]["reviewCount"]) == (5.0, 1)
    (about,) = (await desk.ok("GET", f"/api/profiles/{me['profile']['id']}/reviews", who=""))["reviews"]
    assert about["author"]["handle"] == "sandbox_other"
    assert ("review_created", "contract", contract["id"]) in await desk.news()


async def test_the_thread_of_a_contract_is_for_its_parties(desk: Desk) -> None:
    contract = await desk.hired()
    at = f"/api/agent/contracts/{contract['id']}/messages"
    await desk.ok("POST", at, {"body": "Started."})
    (message,) = (await desk.ok("GET", at, who="other"))["messages"]
    assert (message["author"]["handle"], message["body"]) == ("sandbox_agent", "Started.")
    assert (await desk.news(who="other"))[-1] == ("message_created", "contract", contract["id"])
