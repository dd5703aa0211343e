"""A buyer and a seller who know each other only through OpenTask, each with a server of their own."""

from pathlib import Path

import pytest

from rig import Square
from stories.parties import Party, agent

pytestmark = pytest.mark.anyio


async def test_a_buyer_and_a_seller_go_from_a_task_to_reviews_of_each_other(
    lively_square: Square, tmp_path: Path
) -> None:
    async with (
        agent("sandbox_other", lively_square, ["opentask"], tmp_path) as buyer,
        agent("sandbox_agent", lively_square, ["opentask"], tmp_path) as seller,
    ):
        task = await post_a_task(buyer)
        bid = await bid_on_it(seller, task)
        await haggle(buyer, seller, task, bid)
        contract = await hire(buyer, seller, task, bid)
        await talk(buyer, seller, contract)
        await reject_the_first_delivery(buyer, seller, contract)
        await accept_the_second(buyer, seller, contract)
        await review_each_other(buyer, seller, contract)


async def post_a_task(buyer: Party) -> str:
    posted = await buyer.call(
        "create_task",
        title="Convert 40 wiki pages to Markdown",
        description="Forty pages of an old wiki, exported as HTML. Tables and links must survive.",
        criteria=["Every link leads somewhere"],
        skills=["markdown"],
        budget_amount=200,
        budget_currency="USDC",
    )
    task: str = posted["task"]["id"]
    # By now two robots have bid, too; they act as soon as somebody looks.
    [mine] = (await buyer.call("list_my_tasks"))["tasks"]
    assert (mine["id"], mine["status"], mine["bid_count"]) == (task, "open", 2)
    return task


async def bid_on_it(seller: Party, task: str) -> str:
    found = await seller.call("list_tasks", query="wiki", currency="USDC", min_pay=150)
    [listed] = found["tasks"]
    assert (listed["id"], listed["owner"]) == (task, "sandbox_other")
    read = (await seller.call("get_task", task_id=task))["task"]
    assert read["criteria"] == ["Every link leads somewhere"]
    placed = await seller.call("place_bid", task_id=task, price="190 USDC", eta_days=3, approach="Script, then eyes.")
    assert placed["bid"]["status"] == "active"
    again = await seller.refused("place_bid", task_id=task, price="180 USDC")
    assert (again.content["status"], again.content["effect"]) == (409, "none")
    return str(placed["bid"]["id"])


async def haggle(buyer: Party, seller: Party, task: str, bid: str) -> None:
    assert await buyer.news() == ["bid_created"] * 3
    await buyer.call("mark_notifications_read")
    bids = {found["id"]: found for found in (await buyer.call("list_task_bids", task_id=task))["bids"]}
    assert len(bids) == 3
    assert bids[bid]["bidder"] == "sandbox_agent"
    assert (await seller.refused("list_task_bids", task_id=task)).content["status"] == 403
    await buyer.call("send_message", bid_id=bid, body="Have you done a wiki before?")
    offered = await buyer.call(
        "create_counter_offer", bid_id=bid, price="170 USDC", message="We have 170 USDC; can you do it for that?"
    )
    offer: str = offered["counter_offer"]["id"]
    assert (await buyer.refused("create_counter_offer", bid_id=bid, price="160 USDC")).content["status"] == 409
    assert await seller.news() == ["counter_offer_created", "message_created"]
    await seller.call("mark_notifications_read")
    [question] = (await seller.call("list_messages", bid_id=bid))["messages"]
    assert (question["author"], question["body"]) == ("sandbox_other", "Have you done a wiki before?")
    await seller.call("send_message", bid_id=bid, body="Two of them.")
    [duty] = await seller.duties("answer the counter-offer")
    assert (duty["id"], duty["next"]) == (offer, "respond_to_counter_offer")
    [listed] = (await seller.call("list_counter_offers", bid_id=bid))["counter_offers"]
    assert (listed["id"], listed["status"]) == (offer, "pending")
    agreed = await seller.call("respond_to_counter_offer", bid_id=bid, counter_offer_id=offer, decision="accept")
    assert agreed["bid"]["price"]["text"] == "170 USDC"
    assert await seller.duties("answer the counter-offer") == []
    assert await buyer.news() == ["counter_offer_accepted", "message_created"]
    await buyer.call("mark_notifications_read")
    assert (await buyer.call("get_bid", bid_id=bid))["bid"]["price"]["text"] == "170 USDC"


async def hire(buyer: Party, seller: Party, task: str, bid: str) -> str:
    added = await seller.call("add_payout_method", symbol="USDC", network="polygon", address="0x" + "3" * 40)
    method = added["payout_method"]["id"]
    bidder = (await buyer.call("get_bid", bid_id=bid))["bid"]["bidder_id"]
    denominations = (await buyer.call("get_profile", profile_id=bidder))["profile"]["payout_methods"]
    assert {"id": method, "symbol": "USDC", "network": "polygon"} in denominations
    assert "0x" not in str(denominations)
    hired = await buyer.call("hire_bidder", task_id=task, bid_id=bid, payout_method_id=method)
    contract: str = hired["contract"]["id"]
    assert hired["contract"]["pay_to"]["wallet"] == "0x" + "3" * 40
    statuses = {b["id"]: b["status"] for b in (await buyer.call("list_task_bids", task_id=task))["bids"]}
    assert statuses.pop(bid) == "accepted"
    assert set(statuses.values()) == {"rejected"}
    [mine] = (await buyer.call("list_my_tasks"))["tasks"]
    assert mine["status"] == "closed"
    assert await seller.news() == ["bid_accepted", "contract_created"]
    await seller.call("mark_notifications_read")
    # As a seller the contracts were asked for within this minute, before there was this one; so ask for all of them.
    [listed] = (await seller.call("list_contracts"))["contracts"]
    assert (listed["id"], listed["status"], listed["price"]["text"]) == (contract, "in_progress", "170 USDC")
    terms = (await seller.call("get_contract", contract_id=contract))["contract"]
    assert terms["criteria"] == ["Every link leads somewhere"]
    return contract


async def talk(buyer: Party, seller: Party, contract: str) -> None:
    await buyer.call("send_message", contract_id=contract, body="Two pages are drafts; leave those out.")
    [question] = (await seller.call("list_messages", contract_id=contract))["messages"]
    assert (question["author"], question["body"]) == ("sandbox_other", "Two pages are drafts; leave those out.")
    await seller.call("send_message", contract_id=contract, body="Which two?")
    _, latest = (await buyer.call("list_messages", contract_id=contract))["messages"]
    assert (latest["author"], latest["body"]) == ("sandbox_agent", "Which two?")


async def reject_the_first_delivery(buyer: Party, seller: Party, contract: str) -> None:
    await seller.call("submit_work", work_id=contract, summary="38 pages.", deliverable_url="https://example.com/v1")
    assert await buyer.news() == ["message_created", "submission_created"]
    await buyer.call("mark_notifications_read")
    [duty] = await buyer.duties("decide")
    assert (duty["id"], duty["next"]) == (contract, "decide_submission")
    [delivery] = (await buyer.call("list_submissions", contract_id=contract))["submissions"]
    assert delivery["deliverable_url"] == "https://example.com/v1"
    assert (await buyer.refused("decide_submission", contract_id=contract, decision="reject")).content["status"] == 400
    why = "The table on page 12 lost a column."
    decided = await buyer.call("decide_submission", contract_id=contract, decision="reject", reason=why)
    assert decided["contract"]["status"] == "rejected"
    assert await seller.news() == ["message_created", "submission_rejected"]
    await seller.call("mark_notifications_read")
    [duty] = await seller.duties("deliver again")
    assert (duty["id"], duty["reason"]) == (contract, why)


async def accept_the_second(buyer: Party, seller: Party, contract: str) -> None:
    await seller.call("submit_work", work_id=contract, summary="Fixed.", deliverable_url="https://example.com/v2")
    assert await buyer.news() == ["submission_created"]
    read = (await buyer.call("get_contract", contract_id=contract))["contract"]
    assert [s["deliverable_url"] for s in read["submissions"]] == ["https://example.com/v2", "https://example.com/v1"]
    decided = await buyer.call("decide_submission", contract_id=contract, decision="accept")
    assert decided["contract"]["status"] == "accepted"
    assert (await seller.call("get_contract", contract_id=contract))["contract"]["status"] == "accepted"
    late = await seller.refused(
        "submit_work", work_id=contract, summary="More.", deliverable_url="https://example.com/v3"
    )
    assert late.content["status"] == 409
    assert await buyer.duties("decide") == []


async def review_each_other(buyer: Party, seller: Party, contract: str) -> None:
    await buyer.call("leave_review", contract_id=contract, rating=5, text="Careful and quick.")
    assert (await buyer.refused("leave_review", contract_id=contract, rating=4)).content["status"] == 409
    changes = (await seller.call("check_inbox"))["changes"]
    assert {change["what"] for change in changes} == {"review_created", "submission_accepted"}
    for change in changes:
        await seller.call("mark_notifications_read", notification_id=change["id"])
    await seller.call("leave_review", contract_id=contract, rating=4, text="Clear brief.")
    reviews = (await buyer.call("list_reviews", contract_id=contract))["reviews"]
    assert {(r["author"], r["about"], r["rating"]) for r in reviews} == {
        ("sandbox_other", "sandbox_agent", 5),
        ("sandbox_agent", "sandbox_other", 4),
    }
    me = (await buyer.call("verify_key"))["account"]["id"]
    own = (await buyer.call("get_profile", profile_id=me))["profile"]["stats"]
    assert own["averageRating"] == 4
