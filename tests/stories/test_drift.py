"""OpenTask and AgentJob as their documents print them and as they run today: the configuration decides."""

import random
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from clocks import ManualClock
from market_mcp.accounts import Account, Contract
from market_mcp.gateway.embedded import SANDBOX_URL
from market_mcp.sandbox.world import KEYS, OTHER_KEYS, World
from rig import Json, Retold, Rig, Sent, Worker

pytestmark = pytest.mark.anyio

RACE = "Fastest parser for 2 GB of NDJSON wins"
"""The seeded task that takes no bids on today's platform."""


@pytest.fixture
def today(clock: ManualClock, tmp_path: Path) -> Generator[Rig]:
    """The markets as they run today, in which nobody but the test acts."""
    world = World(None, clock, pace=1e6, contract="current", rng=random.Random(7))
    yield Rig(world, clock, tmp_path)
    world.close()


@pytest.fixture
def documented(clock: ManualClock, tmp_path: Path) -> Generator[Rig]:
    """The markets as their documents print them, in which nobody but the test acts."""
    world = World(None, clock, pace=1e6, rng=random.Random(7))
    yield Rig(world, clock, tmp_path)
    world.close()


@asynccontextmanager
async def opentask(
    rig: Rig, contract: Contract, who: str = "you", market: httpx2.AsyncBaseTransport | None = None
) -> AsyncGenerator[Worker]:
    key = (KEYS if who == "you" else OTHER_KEYS)["opentask"]
    account = Account("opentask", "opentask", f"{SANDBOX_URL}/opentask", key, sandbox=True, contract=contract)
    async with rig.open([account], state=f"{who}.db", market=market) as worker:
        yield worker


async def open_task(worker: Worker, number: int = 0) -> Json:
    tasks: list[Json] = [t for t in (await worker.call("list_tasks", limit=50))["tasks"] if t["title"] != RACE]
    return tasks[number]


async def bid_on(worker: Worker, task: Json) -> Json:
    """A bid as it is to be made: on a task that was read before."""
    await worker.call("get_task", task_id=task["id"])
    bid: Json = (await worker.call("place_bid", task_id=task["id"], price="90 USDC"))["bid"]
    return bid


def writes(worker: Worker) -> list[Sent]:
    return [sent for sent in worker.wire.sent if sent.method != "GET"]


async def posted(worker: Worker) -> Json:
    task: Json = (
        await worker.call("create_task", title="Sort my bookmarks", description="Four hundred of them, by topic.")
    )["task"]
    return task


async def test_a_bid_names_the_version_of_the_task_that_was_read(today: Rig) -> None:
    async with opentask(today, "current") as worker:
        task = await open_task(worker)
        read = (await worker.call("get_task", task_id=task["id"]))["task"]
        worker.wire.sent.clear()
        await worker.call("place_bid", task_id=task["id"], price="90 USDC")
        # The task was held, so it was not asked for again.
        [sent] = worker.wire.sent
    assert sent.body == {"priceText": "90 USDC", "expectedTaskUpdatedAt": read["updated_at"]}


async def test_a_bid_on_a_task_that_nobody_read_is_not_sent(today: Rig) -> None:
    async with opentask(today, "current") as worker:
        task = await open_task(worker)
        worker.wire.sent.clear()
        refusal = await worker.refused("place_bid", task_id=task["id"], price="90 USDC")
        assert (refusal.content["error"], refusal.content["effect"]) == ("bad_call", "none")
        assert "get_task" in refusal.text and worker.wire.sent == []
        assert (await bid_on(worker, task))["status"] == "active"


async def test_a_bid_is_for_the_task_as_it_was_read_however_long_ago(today: Rig) -> None:
    async with opentask(today, "current", "other") as buyer, opentask(today, "current") as seller:
        task = await posted(buyer)
        await seller.call("get_task", task_id=task["id"])
        today.clock.skip(600)
        await buyer.call("update_task", task_id=task["id"], title="Sort my bookmarks, all 4,000")
        today.clock.skip(600)
        refusal = await seller.refused("place_bid", task_id=task["id"], price="90 USDC")
        assert refusal.content["status"] == 409 and "changed since you read it" in refusal.text
        # Not even a second time, for nobody has read it since.
        assert (await seller.refused("place_bid", task_id=task["id"], price="90 USDC")).content["status"] == 409
        assert (await bid_on(seller, task))["status"] == "active"


async def test_a_task_whose_market_gives_no_version_is_bid_on_without_one(today: Rig) -> None:
    def ageless(path: str, answer: Json) -> Json:
        return {"task": {**answer["task"], "updatedAt": None}} if "task" in answer else answer

    async with opentask(today, "current", market=Retold(today.market(), ageless)) as worker:
        task = await open_task(worker)
        await worker.call("get_task", task_id=task["id"])
        await worker.refused("place_bid", task_id=task["id"], price="90 USDC")
        [sent] = writes(worker)
    assert sent.body == {"priceText": "90 USDC"}


async def test_a_task_that_changed_since_it_was_read_is_read_anew_before_the_next_bid(today: Rig) -> None:
    async with opentask(today, "current", "other") as buyer, opentask(today, "current") as seller:
        task = await posted(buyer)
        await seller.call("get_task", task_id=task["id"])
        today.clock.skip(5)
        await buyer.call("update_task", task_id=task["id"], title="Sort my bookmarks, all 4,000")
        refusal = await seller.refused("place_bid", task_id=task["id"], price="90 USDC")
        assert (refusal.content["status"], refusal.content["effect"]) == (409, "none")
        # The market said that what is held is out of date, so the advice to look again can be followed at once.
        assert (await seller.call("get_task", task_id=task["id"]))["task"]["title"] == "Sort my bookmarks, all 4,000"
        assert (await seller.call("place_bid", task_id=task["id"], price="90 USDC"))["bid"]["status"] == "active"


async def test_writes_and_only_writes_carry_an_idempotency_key_and_each_its_own(today: Rig) -> None:
    async with opentask(today, "current") as worker:
        for number in range(2):
            bid = await bid_on(worker, await open_task(worker, number))
            await worker.call("withdraw_bid", bid_id=bid["id"])
        keys = [sent.headers.get("idempotency-key", "") for sent in writes(worker)]
        assert len(keys) == len(set(keys)) == 4
        assert all(len(key) >= 16 for key in keys)
        assert not any("idempotency-key" in sent.headers for sent in worker.wire.sent if sent.method == "GET")


async def test_by_the_document_there_is_no_idempotency_key_and_no_version_of_the_task(documented: Rig) -> None:
    async with opentask(documented, "seed") as worker:
        task = await open_task(worker)
        await worker.call("place_bid", task_id=task["id"], price="90 USDC")
        [sent] = writes(worker)
    assert sent.body == {"priceText": "90 USDC"}
    assert "idempotency-key" not in sent.headers


async def test_a_task_is_changed_where_each_version_takes_it(today: Rig, documented: Rig) -> None:
    versions: tuple[tuple[Rig, Contract, str], ...] = (
        (today, "current", "/api/agent/tasks/"),
        (documented, "seed", "/api/tasks/"),
    )
    for rig, contract, path in versions:
        async with opentask(rig, contract) as worker:
            task = await posted(worker)
            worker.wire.sent.clear()
            changed = await worker.call("update_task", task_id=task["id"], title="Sort them by year")
            assert changed["task"]["title"] == "Sort them by year"
            assert worker.wire.to("opentask") == [f"PATCH {path}{task['id'].partition(':')[2]}"]


async def test_where_payment_goes_is_a_payout_method_today_and_anything_else_is_refused_unsent(today: Rig) -> None:
    async with opentask(today, "current", "other") as buyer, opentask(today, "current") as seller:
        task = await posted(buyer)
        bid = (await bid_on(seller, task))["id"]
        method = (await seller.call("list_payout_methods"))["payout_methods"][0]["id"]
        buyer.wire.sent.clear()
        hire = {"task_id": task["id"], "bid_id": bid}
        wallet = {"payment_wallet": "0x" + "1" * 40, "preferred_token": "USDC"}
        refusal = await buyer.refused("hire_bidder", **hire, **wallet)
        assert (refusal.content["error"], refusal.content["effect"]) == ("bad_call", "none")
        assert "payment_wallet" in refusal.text
        assert "payout_method_id" in (await buyer.refused("hire_bidder", **hire)).text
        assert "payment_wallet" in (await buyer.refused("hire_bidder", **hire, **wallet, payout_method_id=method)).text
        assert buyer.wire.sent == []
        hired = await buyer.call("hire_bidder", **hire, payout_method_id=method)
    assert hired["contract"]["status"] == "in_progress"


async def test_by_the_document_a_wallet_and_a_token_will_do(documented: Rig) -> None:
    async with opentask(documented, "seed", "other") as buyer, opentask(documented, "seed") as seller:
        task = await posted(buyer)
        bid = (await seller.call("place_bid", task_id=task["id"], price="90 USDC"))["bid"]["id"]
        hired = await buyer.call(
            "hire_bidder", task_id=task["id"], bid_id=bid, payment_wallet="0x" + "1" * 40, preferred_token="USDC"
        )
    assert hired["contract"]["pay_to"] == {"token": "USDC", "wallet": "0x" + "1" * 40}


async def test_a_task_whose_mode_takes_no_bids_says_what_it_takes(today: Rig) -> None:
    async with opentask(today, "current") as worker:
        tasks: list[Json] = (await worker.call("list_tasks", limit=50))["tasks"]
        [race] = [task for task in tasks if task["title"] == RACE]
        read = (await worker.call("get_task", task_id=race["id"]))["task"]
        for shown in (race, read):
            assert (shown["execution_mode"], shown["available_actions"]) == ("benchmark", ["submit_entry"])
            assert "entries, no bids" in shown["takes"] and "place_bid" not in str(shown)
            assert shown["execution_phase"] == "open"
            assert (shown["entry_deadline"], shown["funding_status"]) == (shown["deadline"], "not_escrowed")
        [pitch] = {task["execution_mode"] for task in tasks if "takes" not in task}
        assert pitch == "pitch"


async def test_a_bid_on_a_task_that_was_read_and_takes_none_is_not_sent(today: Rig) -> None:
    async with opentask(today, "current") as worker:
        tasks: list[Json] = (await worker.call("list_tasks", limit=50))["tasks"]
        [race] = [task for task in tasks if task["title"] == RACE]
        await worker.call("get_task", task_id=race["id"])
        worker.wire.sent.clear()
        refusal = await worker.refused("place_bid", task_id=race["id"], price="90 USDC")
    assert (refusal.content["error"], worker.wire.sent) == ("bad_call", [])
    assert "benchmark" in refusal.text and "entries, no bids" in refusal.text


@pytest.mark.parametrize("mode", ["Pitch", "pitch", None])
async def test_a_task_of_the_mode_for_bids_or_of_none_takes_bids(today: Rig, mode: str | None) -> None:
    def retold(path: str, answer: Json) -> Json:
        return {"task": {**answer["task"], "executionMode": mode}} if "task" in answer else answer

    async with opentask(today, "current", market=Retold(today.market(), retold)) as worker:
        task = await open_task(worker)
        assert "takes" not in (await worker.call("get_task", task_id=task["id"]))["task"]
        assert (await bid_on(worker, task))["status"] == "active"


LIST, COUNT = "GET /api/agent/notifications", "GET /api/agent/notifications/unread-count"


async def test_today_every_sweep_lists_the_unread_notifications_and_counts_none(today: Rig) -> None:
    async with opentask(today, "current", "other") as buyer, opentask(today, "current") as seller:
        await bid_on(seller, await posted(buyer))
        buyer.wire.sent.clear()
        [told] = (await buyer.call("check_inbox"))["changes"]
        assert told["what"] == "bid_created" and buyer.wire.to("opentask") == [LIST]
        assert buyer.wire.sent[0].query["unreadOnly"] == "1"
        await today.clock.advance(61)
        assert (await buyer.call("check_inbox"))["changes"] == []
        assert buyer.wire.to("opentask") == [LIST, LIST]


async def test_by_the_document_the_count_comes_first_and_the_list_only_when_it_is_not_zero(documented: Rig) -> None:
    async with opentask(documented, "seed", "other") as buyer, opentask(documented, "seed") as seller:
        assert (await buyer.call("check_inbox"))["changes"] == []
        assert buyer.wire.to("opentask") == [COUNT]
        task = await posted(buyer)
        await seller.call("place_bid", task_id=task["id"], price="90 USDC")
        await documented.clock.advance(61)
        buyer.wire.sent.clear()
        assert [told["what"] for told in (await buyer.call("check_inbox"))["changes"]] == ["bid_created"]
        assert buyer.wire.to("opentask") == [COUNT, LIST]


async def test_a_contract_says_whether_its_pay_is_held_and_when_it_is_due(today: Rig) -> None:
    async with opentask(today, "current", "other") as buyer, opentask(today, "current") as seller:
        task = await posted(buyer)
        bid = (await bid_on(seller, task))["id"]
        method = (await seller.call("list_payout_methods"))["payout_methods"][0]["id"]
        hired = await buyer.call("hire_bidder", task_id=task["id"], bid_id=bid, payout_method_id=method)
        contract = hired["contract"]
        assert contract["funding_status"] == "not_escrowed" and "payment_due_at" not in contract
        await seller.call("submit_work", work_id=contract["id"], summary="Done.", deliverable_url="https://x.example/1")
        await buyer.call("decide_submission", contract_id=contract["id"], decision="accept")
        shown = [(await seller.call("get_contract", contract_id=contract["id"]))["contract"]]
        shown += (await seller.call("list_contracts"))["contracts"]
        assert len({one["payment_due_at"] for one in shown}) == 1


async def test_the_document_version_against_todays_platform_fails_in_words(today: Rig) -> None:
    async with opentask(today, "seed") as worker:
        task = await open_task(worker)
        refusal = await worker.refused("place_bid", task_id=task["id"], price="90 USDC")
    assert (refusal.content["status"], refusal.content["effect"]) == (400, "none")
    assert "expectedTaskUpdatedAt" in refusal.text


@pytest.mark.parametrize(
    ("variants", "routes"),
    # Two messages open a session, the third is the call.
    [({}, ["POST /api/mcp"] * 3), ({"upvote_post": "rest"}, ["POST /api/tasks/{}/upvote"])],
)
async def test_a_vote_on_agentjob_goes_by_its_mcp_tool_or_by_rest_as_configured(
    documented: Rig, variants: dict[str, str], routes: list[str]
) -> None:
    account = Account(
        "agentjob", "agentjob", f"{SANDBOX_URL}/agentjob", KEYS["agentjob"], sandbox=True, variants=variants
    )
    async with documented.open([account]) as worker:
        post = (await worker.call("list_posts"))["posts"][0]
        worker.wire.sent.clear()
        voted = await worker.call("upvote_post", post_id=post["id"])
        assert voted["votes"] == post["votes"] + 1
        assert worker.wire.to("agentjob") == [route.format(post["id"].partition(":")[2]) for route in routes]
        again = await worker.call("upvote_post", post_id=post["id"])
    assert again["votes"] == voted["votes"]
