"""Bids and counter-offers of the pretend OpenTask."""

from collections.abc import AsyncIterator

import pytest

from sandbox.opentask_desk import Desk, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as desk:
        yield desk


async def test_a_bid_is_active_and_known_to_both_sides(desk: Desk) -> None:
    task = await desk.posted()
    bid = await desk.bid(task)
    assert (bid["status"], bid["priceText"], bid["etaDays"]) == ("active", "450 USDC", 2)
    assert "contractId" not in bid
    assert (await desk.ok("GET", f"/api/agent/bids/{bid['id']}", who="other"))["bid"] == bid
    assert (await desk.ok("GET", f"/api/agent/tasks/{task['id']}/bids", who="other"))["bids"] == [bid]
    assert await desk.news(who="other") == [("bid_created", "bid", bid["id"])]


async def test_nobody_bids_on_an_own_task(desk: Desk) -> None:
    task = await desk.posted()
    at = f"/api/agent/tasks/{task['id']}/bids"
    await desk.refused(403, "POST", at, {"priceText": "1 ETH"}, who="other")


async def test_a_bidder_has_one_active_bid_on_a_task(desk: Desk) -> None:
    task = await desk.posted()
    bid = await desk.bid(task)
    await desk.refused(409, "POST", f"/api/agent/tasks/{task['id']}/bids", {"priceText": "1 ETH"})
    await desk.ok("PATCH", f"/api/agent/bids/{bid['id']}", {"action": "withdraw"})
    await desk.bid(task)


@pytest.mark.parametrize(
    "fields",
    [
        {"priceText": ""},
        {"priceText": "x" * 101},
        {"priceText": 450},
        {"etaDays": -1},
        {"etaDays": 366},
        {"etaDays": 1.5},
        {"etaDays": True},
        {"approach": "x" * 10001},
    ],
)
async def test_a_bid_out_of_bounds_is_refused(desk: Desk, fields: dict[str, object]) -> None:
    task = await desk.posted()
    body = {"priceText": "450 USDC", **fields}
    await desk.refused(400, "POST", f"/api/agent/tasks/{task['id']}/bids", body)


async def test_own_bids_are_listed_by_status_and_task(desk: Desk) -> None:
    first, second = await desk.posted(), await desk.posted()
    old, new = await desk.bid(first), await desk.bid(second)
    await desk.ok("PATCH", f"/api/agent/bids/{old['id']}", {"action": "withdraw"})

    async def ids(**query: str) -> list[str]:
        return [bid["id"] for bid in (await desk.ok("GET", "/api/agent/bids", **query))["bids"]]

    assert await ids() == [new["id"], old["id"]]
    assert await ids(status="withdrawn") == [old["id"]]
    assert await ids(taskId=second["id"]) == [new["id"]]
    assert await ids(taskId=second["id"], status="withdrawn") == []
    await desk.refused(400, "GET", "/api/agent/bids", status="lost")


async def test_only_the_two_parties_see_a_bid_and_only_the_owner_sees_all(desk: Desk) -> None:
    task = await desk.posted()
    bid = await desk.bid(task)
    tern = {"email": "tern@example.com", "password": "long enough", "handle": "tern_1"}
    stranger = (await desk.ok("POST", "/api/agent/register", tern, who=""))["tokenValue"]
    at = f"/api/agent/bids/{bid['id']}"
    for path in (at, f"{at}/messages", f"{at}/counter-offers"):
        await desk.refused(403, "GET", path, who=stranger)
    await desk.refused(403, "PATCH", at, {"action": "reject"}, who=stranger)
    await desk.refused(403, "GET", f"/api/agent/tasks/{task['id']}/bids")
    await desk.refused(404, "GET", "/api/agent/bids/nothing")


async def test_the_bidder_withdraws_and_the_owner_rejects_and_not_the_other_way(desk: Desk) -> None:
    task = await desk.posted()
    first = await desk.bid(task)
    at = f"/api/agent/bids/{first['id']}"
    await desk.refused(403, "PATCH", at, {"action": "withdraw"}, who="other")
    await desk.refused(403, "PATCH", at, {"action": "reject"})
    await desk.ok("PATCH", at, {"action": "withdraw"})
    await desk.refused(409, "PATCH", at, {"action": "withdraw"})
    second = await desk.bid(task)
    body = {"action": "reject", "reason": "Budget too high for scope."}
    rejected = (await desk.ok("PATCH", f"/api/agent/bids/{second['id']}", body, who="other"))["bid"]
    assert (rejected["status"], rejected["rejectionReason"]) == ("rejected", "Budget too high for scope.")
    assert await desk.news() == [("bid_rejected", "bid", second["id"])]
    assert [kind for kind, _, _ in await desk.news(who="other")] == [
        "bid_created",
        "bid_withdrawn",
        "bid_created",
    ]


async def test_the_document_knows_no_update_of_a_bid(desk: Desk) -> None:
    bid = await desk.bid(await desk.posted())
    at = f"/api/agent/bids/{bid['id']}"
    await desk.refused(400, "PATCH", at, {"action": "update", "priceText": "1 USDC"})


async def test_the_thread_of_a_bid_is_in_order_and_tells_the_other_side(desk: Desk) -> None:
    bid = await desk.bid(await desk.posted())
    at = f"/api/agent/bids/{bid['id']}/messages"
    await desk.ok("POST", at, {"body": "When would you start?"}, who="other")
    await desk.ok("POST", at, {"body": "Now."})
    messages = (await desk.ok("GET", at))["messages"]
    assert [m["body"] for m in messages] == ["When would you start?", "Now."]
    first = await desk.ok("GET", at, limit=1)
    rest = await desk.ok("GET", at, cursor=first["nextCursor"])
    assert first["messages"] + rest["messages"] == messages
    assert ("message_created", "bid", bid["id"]) in await desk.news()


async def test_an_accepted_counter_offer_becomes_the_terms_of_the_bid(desk: Desk) -> None:
    bid = await desk.bid(await desk.posted())
    at = f"/api/agent/bids/{bid['id']}"
    body = {"priceText": "400 USDC", "message": "Could you?"}
    offer = (await desk.ok("POST", f"{at}/counter-offers", body, who="other"))["counterOffer"]
    assert (offer["status"], offer["message"]) == ("pending", "Could you?")
    await desk.refused(409, "POST", f"{at}/counter-offers", body, who="other")
    await desk.refused(403, "POST", f"{at}/counter-offers/{offer['id']}/accept", who="other")
    answer = await desk.ok("POST", f"{at}/counter-offers/{offer['id']}/accept")
    assert answer["counterOffer"]["status"] == "accepted"
    changed = (await desk.ok("GET", at))["bid"]
    assert (changed["priceText"], changed["etaDays"], changed["approach"]) == ("400 USDC", 2, "Carefully.")
    assert changed["status"] == "active"
    await desk.refused(409, "POST", f"{at}/counter-offers/{offer['id']}/accept")
    assert ("counter_offer_created", "bid", bid["id"]) in await desk.news()
    assert ("counter_offer_accepted", "bid", bid["id"]) in await desk.news(who="other")


async def test_a_rejected_counter_offer_leaves_the_bid_as_it_was(desk: Desk) -> None:
    bid = await desk.bid(await desk.posted())
    at = f"/api/agent/bids/{bid['id']}/counter-offers"
    offer = (await desk.ok("POST", at, {"priceText": "1 USDC"}, who="other"))["counterOffer"]
    await desk.refused(403, "POST", f"{at}/{offer['id']}/reject", {}, who="other")
    rejected = (await desk.ok("POST", f"{at}/{offer['id']}/reject", {"reason": "No."}))["counterOffer"]
    assert (rejected["status"], rejected["rejectionReason"]) == ("rejected", "No.")
    assert (await desk.ok("GET", f"/api/agent/bids/{bid['id']}"))["bid"] == bid
    assert ("counter_offer_rejected", "bid", bid["id"]) in await desk.news(who="other")


async def test_a_counter_offer_is_rejected_without_any_body(desk: Desk) -> None:
    """OpenTask skill: "body may include optional reason"."""
    bid = await desk.bid(await desk.posted())
    at = f"/api/agent/bids/{bid['id']}/counter-offers"
    for headers in ({}, {"Content-Type": "application/json"}):
        offer = (await desk.ok("POST", at, {"priceText": "1 USDC"}, who="other"))["counterOffer"]
        rejected = await desk.http.post(
            f"{at}/{offer['id']}/reject", headers={"Authorization": "Bearer ot_sandbox_you", **headers}
        )
        assert (rejected.status_code, rejected.json()["counterOffer"]["status"]) == (200, "rejected")


async def test_the_owner_withdraws_a_counter_offer_and_may_make_another(desk: Desk) -> None:
    bid = await desk.bid(await desk.posted())
    at = f"/api/agent/bids/{bid['id']}/counter-offers"
    await desk.refused(403, "POST", at, {"priceText": "1 USDC"})
    first = (await desk.ok("POST", at, {"priceText": "1 USDC"}, who="other"))["counterOffer"]
    await desk.refused(403, "PATCH", f"{at}/{first['id']}", {"action": "withdraw"})
    await desk.ok("PATCH", f"{at}/{first['id']}", {"action": "withdraw"}, who="other")
    await desk.refused(409, "POST", f"{at}/{first['id']}/accept")
    await desk.ok("POST", at, {"priceText": "2 USDC"}, who="other")
    offers = (await desk.ok("GET", at))["counterOffers"]
    assert [(o["priceText"], o["status"]) for o in offers] == [("2 USDC", "pending"), ("1 USDC", "withdrawn")]


async def test_a_bid_that_ends_takes_its_counter_offer_with_it(desk: Desk) -> None:
    bid = await desk.bid(await desk.posted())
    at = f"/api/agent/bids/{bid['id']}"
    offer = (await desk.ok("POST", f"{at}/counter-offers", {"priceText": "1 USDC"}, who="other"))["counterOffer"]
    await desk.ok("PATCH", at, {"action": "withdraw"})
    (ended,) = (await desk.ok("GET", f"{at}/counter-offers"))["counterOffers"]
    assert (ended["id"], ended["status"]) == (offer["id"], "withdrawn")
    await desk.refused(409, "POST", f"{at}/counter-offers/{offer['id']}/accept")
    await desk.refused(409, "POST", f"{at}/counter-offers", {"priceText": "1 USDC"}, who="other")


async def test_a_counter_offer_belongs_to_its_bid(desk: Desk) -> None:
    one, two = await desk.bid(await desk.posted()), await desk.bid(await desk.posted())
    at = f"/api/agent/bids/{one['id']}/counter-offers"
    offer = (await desk.ok("POST", at, {"priceText": "1 USDC"}, who="other"))["counterOffer"]
    await desk.refused(404, "POST", f"/api/agent/bids/{two['id']}/counter-offers/{offer['id']}/accept")
