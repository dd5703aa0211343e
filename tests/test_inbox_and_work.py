"""What changed, told once; and what the agent owes, soonest first: over all markets, and with a market missing."""

import pytest

from market_mcp.sandbox.agentjob import start_test_chat
from market_mcp.sandbox.faults import Fault
from market_mcp.sandbox.world import OTHER_KEYS
from rig import Json, Rig, Worker, of, sandbox_accounts, times

pytestmark = pytest.mark.anyio

HAGGLER = "Port a Flask service to Starlette"
"""The task of the sandbox whose owner answers a bid with a counter-offer."""

UNREAD, NOTIFICATIONS = "GET /api/agent/notifications/unread-count", "GET /api/agent/notifications"
LINK = "https://example.com/work"


async def news(worker: Worker, **arguments: object) -> list[Json]:
    return list((await worker.call("check_inbox", **arguments))["changes"])


async def duties(worker: Worker, **arguments: object) -> list[Json]:
    return list((await worker.call("my_work", **arguments))["work"])


async def task(worker: Worker, market: str, title: str | None = None) -> str:
    """The id of a task: the one of this title, or the first."""
    tasks = (await worker.call("list_tasks", market=market, limit=50))["tasks"]
    return str(next(one["id"] for one in tasks if title in (None, one["title"])))


# --- check_inbox --------------------------------------------------------------------------------------------


async def test_what_was_told_once_is_not_told_again(both: Worker) -> None:
    first = await news(both)
    assert {item["what"] for item in first} == {"new task"} and len(first) == 5
    result = await both.call("check_inbox")
    assert result["changes"] == [] and "Nothing new" in result["message"]
    await both.clock.advance(61)
    assert await news(both) == []


async def test_it_is_not_told_again_by_another_server_or_after_a_restart(rig: Rig) -> None:
    async with rig.open() as one, rig.open() as two:
        assert await news(one)
        assert await news(two) == []
    await rig.clock.advance(61)
    async with rig.open() as later:
        assert await news(later) == []
        assert later.wire.sent


async def test_notifications_are_counted_first_and_fetched_only_when_there_are_any(both: Worker) -> None:
    await news(both)
    routes = both.wire.to("opentask")
    assert (times(UNREAD, routes), times(NOTIFICATIONS, routes)) == (1, 0)
    await both.call("place_bid", task_id=await task(both, "opentask"), price="100 USDC")
    await both.clock.advance(61)
    (item, *_) = await news(both, market="opentask")
    assert item["what"] in {"bid_accepted", "contract_created"} and item["about_id"].startswith("opentask:")
    routes = both.wire.to("opentask")
    assert (times(UNREAD, routes), times(NOTIFICATIONS, routes)) == (2, 1)
    assert both.wire.sent[-1].query["unreadOnly"] == "1"
    await both.call("mark_notifications_read")
    assert await news(both, market="opentask") == []
    assert times(NOTIFICATIONS, both.wire.to("opentask")) == 1, "none is unread, so none is fetched"


async def test_a_review_of_ones_work_is_told_with_its_reason(both: Worker) -> None:
    bounty = await task(both, "polt")
    await news(both)
    await both.call("commit_task", task_id=bounty)
    await both.call("submit_work", work_id=bounty, summary="Done.")
    await both.clock.advance(61)
    (item,) = [item for item in await news(both) if item["id"] == bounty]
    assert item["review"] == "needs_revision" and "too short" in item["feedback"]
    await both.call("submit_work", work_id=bounty, summary="Done.", deliverable_url=LINK)
    await both.clock.advance(61)
    (item,) = [item for item in await news(both) if item["id"] == bounty]
    assert item["review"] == "approved" and item["status"] == "completed"


async def test_an_answer_to_ones_post_is_told(rig: Rig, era: str) -> None:
    rig = rig.with_era(era)
    async with rig.open() as you, rig.open(sandbox_accounts(keys=OTHER_KEYS), state="other.db") as other:
        post = (await you.call("create_post", title="A new post", body="With a body that is long enough."))["post_id"]
        await news(you)
        await other.call("add_reply", post_id=post, body="I have a question about that.")
        await rig.clock.advance(61)
        (item,) = await news(you, market="agentjob")
        assert item["id"] == post and item["latest"] == "I have a question about that."
        assert await news(you, market="agentjob") == []


async def test_one_market_is_asked_when_only_it_is_wanted(both: Worker) -> None:
    await news(both, market="polt")
    assert {sent.market for sent in both.wire.sent} == {"polt"}


async def test_a_market_that_fails_is_named_and_the_rest_is_told(both: Worker) -> None:
    both.world.faults.add(Fault("status", market="opentask", times=9))
    result = await both.call("check_inbox")
    assert len(result["changes"]) == 5
    assert "HTTP 500" in result["skipped"]["opentask notifications"]
    both.world.faults.clear()
    await both.clock.advance(61)
    assert "skipped" not in await both.call("check_inbox")


# --- my_work ------------------------------------------------------------------------------------------------


async def test_at_first_nothing_is_owed(both: Worker) -> None:
    assert await duties(both) == []
    assert not [sent for sent in both.wire.sent if sent.method not in ("GET", "POST")]
    assert "POST /api/auth/verify" in both.wire.to("polt")


async def test_everything_that_is_owed_stands_in_one_list_soonest_first(both: Worker) -> None:
    bounty = await task(both, "polt")
    await both.call("commit_task", task_id=bounty)
    await both.call("place_bid", task_id=await task(both, "opentask"), price="100 USDC")
    haggled = (await both.call("place_bid", task_id=await task(both, "opentask", HAGGLER), price="700 USDC"))["bid"][
        "id"
    ]
    await both.clock.advance(3)
    with both.world.store.transaction() as db:
        start_test_chat(db, both.world.store, both.clock.now(), None, "Are you there?")
    chat = (await both.call("get_next_task", wait_seconds=0))["chat"]["task_id"]

    owed = await duties(both)
    found = {duty["what"]: duty for duty in owed}
    assert found["answer the paid chat"]["id"] == chat and found["answer the paid chat"]["seconds_left"] == 290
    assert found["finish the committed task"]["id"] == bounty
    assert found["finish the committed task"]["next"] == "submit_work"
    assert found["wait for the owner's answer to your bid"]["id"] == haggled
    assert found["answer the counter-offer"]["bid_id"] == haggled
    assert found["deliver"]["id"].startswith("opentask:") and found["deliver"]["pay"]["amount"] == "100"
    due = [duty["due"] for duty in owed if "due" in duty]
    assert owed[0]["id"] == chat and due == sorted(due) and owed[: len(due)] == [d for d in owed if "due" in d]

    await both.call("submit_response", task_id=chat, text="I am.")
    await both.call("submit_work", work_id=bounty, summary="Done.", deliverable_url=LINK)
    await both.call("submit_work", work_id=found["deliver"]["id"], summary="Done.", deliverable_url=LINK)
    offer = found["answer the counter-offer"]["id"]
    await both.call("respond_to_counter_offer", bid_id=haggled, counter_offer_id=offer, decision="reject")
    left = {duty["what"] for duty in await duties(both)}
    assert not left & {"answer the paid chat", "finish the committed task", "answer the counter-offer", "deliver"}


async def test_work_that_came_back_is_owed_with_the_reviewers_reason(both: Worker) -> None:
    bounty = await task(both, "polt")
    await both.call("commit_task", task_id=bounty)
    await both.call("submit_work", work_id=bounty, summary="Done.")
    await both.clock.advance(61)
    (duty,) = await duties(both)
    assert duty["id"] == bounty and "revise" in duty["what"] and "too short" in duty["reason"]


async def test_a_buyer_owes_a_decision(rig: Rig, era: str) -> None:
    rig = rig.with_era(era)
    async with rig.open() as you, rig.open(sandbox_accounts(keys=OTHER_KEYS), state="other.db") as other:
        posted = (await you.call("create_task", title="Write docs", description="A page about errors."))["task"]["id"]
        bid = (await other.call("place_bid", task_id=posted, price="50 USDC"))["bid"]["id"]
        contract = await you.call(
            "hire_bidder", task_id=posted, bid_id=bid, payment_wallet="0x1", preferred_token="USDC"
        )
        assert [duty["what"] for duty in await duties(you)] == ["wait for the delivery"]
        await other.call("submit_work", work_id=contract["contract"]["id"], summary="Done.", deliverable_url=LINK)
        await rig.clock.advance(61)
        (duty,) = await duties(you)
        assert (duty["what"], duty["next"]) == ("decide", "decide_submission")


async def test_a_part_that_cannot_be_asked_is_named_and_the_others_stand(both: Worker) -> None:
    await both.call("commit_task", task_id=await task(both, "polt"))
    both.world.faults.add(Fault("malformed", market="opentask", path="/api/agent/bids"))
    result = await both.call("my_work")
    assert [duty["what"] for duty in result["work"]] == ["finish the committed task"]
    assert set(result["skipped"]) == {"opentask bids", "opentask counter-offers"}
    assert "unreadable" in result["skipped"]["opentask bids"]


async def test_asking_twice_sends_nothing_twice(both: Worker) -> None:
    await both.call("commit_task", task_id=await task(both, "polt"))
    await duties(both)
    before = len(both.wire.sent)
    await duties(both)
    await duties(both, market="polt")
    assert len(both.wire.sent) == before


async def test_a_listed_duty_leads_to_the_call_that_settles_it(both: Worker) -> None:
    await both.call("commit_task", task_id=await task(both, "polt"))
    for duty in await duties(both):
        assert duty["next"] in await both.names()
        assert of("polt", [duty])
