"""A market is asked the same question once a minute, whoever asks; in between the held answer comes back."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import anyio
import pytest

from market_mcp.sandbox.faults import Fault
from market_mcp.sandbox.world import OTHER_KEYS, World
from rig import Json, Retold, Rig, Worker, of, sandbox_accounts, times

pytestmark = pytest.mark.anyio

PROJECTS, SQUARE, TASKS = "GET /api/projects", "GET /api/tasks", "GET /api/tasks"
LISTED = {"polt": PROJECTS, "agentjob": SQUARE, "opentask": TASKS}
"""The request behind list_posts, by market."""


def asked(worker: Worker) -> dict[str, int]:
    """How often each market was asked for its posts."""
    return {market: times(route, worker.wire.to(market)) for market, route in LISTED.items()}


def sources(result: Json) -> set[str]:
    return {feed["source"] for feed in result["feeds"].values()}


def write_posts(world: World, count: int) -> None:
    """Fills AgentJob's square with further posts, newer than all others."""
    with world.store.transaction() as db:
        author = db.execute("SELECT id FROM agentjob_users WHERE name = 'lin'").fetchone()["id"]
        for number in range(count):
            post = (world.store.new_id(), author, "general", f"Post {number}", "x" * 30, number + 1e9)
            db.execute("INSERT INTO agentjob_posts VALUES (?, ?, ?, ?, ?, ?)", post)


# --- the interval -------------------------------------------------------------------------------------------


async def test_the_same_question_within_a_minute_is_answered_from_the_held_page(both: Worker) -> None:
    first = await both.call("list_posts")
    await both.clock.advance(59.5)
    second = await both.call("list_posts")
    assert first["posts"] == second["posts"]
    assert (sources(first), sources(second)) == ({"live"}, {"cache"})
    assert second["feeds"]["polt"]["age_seconds"] == 60 and second["feeds"]["polt"]["next_poll_in_seconds"] == 1
    assert asked(both) == {"polt": 1, "agentjob": 1, "opentask": 1}


async def test_after_a_minute_the_market_is_asked_again(both: Worker) -> None:
    await both.call("list_posts")
    await both.clock.advance(60)
    assert sources(await both.call("list_posts")) == {"live"}
    assert asked(both) == {"polt": 2, "agentjob": 2, "opentask": 2}


async def test_two_servers_on_one_state_ask_once_between_them(rig: Rig, era: str) -> None:
    rig = rig.with_era(era)
    async with rig.open() as one, rig.open() as two:
        first, second = await one.call("list_posts"), await two.call("list_posts")
        assert first["posts"] == second["posts"] and sources(second) == {"cache"}
        assert two.wire.sent == []
        await rig.clock.advance(60)
        await two.call("list_posts")
        await one.call("list_posts")
        assert (len(one.wire.sent), len(two.wire.sent)) == (3, 3)


async def test_a_server_started_anew_remembers_what_was_asked(rig: Rig) -> None:
    async with rig.open() as before:
        posts = (await before.call("list_posts"))["posts"]
    await rig.clock.advance(30)
    async with rig.open() as after:
        result = await after.call("list_posts")
        assert result["posts"] == posts and after.wire.sent == []
        assert result["feeds"]["agentjob"]["age_seconds"] == 30


async def test_servers_with_different_keys_share_no_answers(rig: Rig) -> None:
    async with rig.open() as you, rig.open(sandbox_accounts(keys=OTHER_KEYS)) as other:
        await you.call("list_bids")
        await other.call("list_bids")
        assert len(other.wire.sent) == 1


async def test_four_callers_at_once_cost_one_request(rig: Rig) -> None:
    async with rig.open() as worker:
        results: list[Json] = []

        async def ask() -> None:
            results.append(await worker.call("list_posts"))

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(ask)
            await rig.clock.advance(1)
        assert len({str(result["posts"]) for result in results}) == 1
        assert asked(worker) == {"polt": 1, "agentjob": 1, "opentask": 1}


async def test_a_clock_that_is_set_forward_lets_nobody_ask_early(rig: Rig) -> None:
    async with rig.open() as worker:
        await worker.call("list_posts")
        rig.clock.set_wall(rig.clock.now() + 3600)
        assert sources(await worker.call("list_posts")) == {"cache"}
        rig.clock.set_wall(rig.clock.now() - 7200)
        await rig.clock.advance(60)
        assert sources(await worker.call("list_posts")) == {"live"}


# --- pages and filters --------------------------------------------------------------------------------------


async def test_a_smaller_limit_is_cut_from_the_held_page(both: Worker) -> None:
    many = (await both.call("list_posts", limit=50))["posts"]
    few = await both.call("list_posts", limit=3)
    assert few["posts"] == many[:3] and sources(few) == {"cache"}
    more = await both.call("list_posts", limit=3, cursor=few["next_cursor"])
    assert more["posts"] == many[3:6]
    assert asked(both) == {"polt": 1, "agentjob": 1, "opentask": 1}


async def test_all_pages_together_give_every_item_once_and_draw_on_the_budget(rig: Rig) -> None:
    write_posts(rig.world, 120)
    async with rig.open(sandbox_accounts(["agentjob"])) as worker:
        seen: list[str] = []
        arguments: dict[str, object] = {}
        while True:
            page = await worker.call("list_posts", limit=50, **arguments)
            seen += [post["id"] for post in page["posts"]]
            if "next_cursor" not in page:
                break
            arguments = {"cursor": page["next_cursor"]}
        assert len(seen) == len(set(seen)) == 128
        # Three with posts, and an empty one, which is the end.
        assert asked(worker)["agentjob"] == 4


async def test_who_spends_the_budget_is_told_when_it_is_refilled(rig: Rig) -> None:
    write_posts(rig.world, 300)
    async with rig.open(sandbox_accounts(["agentjob"])) as worker:
        page = await worker.call("list_posts", limit=50)
        for _ in range(3):
            await rig.clock.advance(5)
            page = await worker.call("list_posts", limit=50, cursor=page["next_cursor"])
        refusal = await worker.refused("list_posts", limit=50, cursor=page["next_cursor"])
        assert refusal.content["error"] == "too_soon" and refusal.content["effect"] == "none"
        assert refusal.content["retry_after_seconds"] == 50 and "50" in refusal.text
        assert asked(worker)["agentjob"] == 4
        # What is held is still there, and so is the cursor when the time has come.
        assert (await worker.call("list_posts", limit=50))["posts"]
        await rig.clock.advance(50)
        assert (await worker.call("list_posts", limit=50, cursor=page["next_cursor"]))["posts"]


async def test_with_no_budget_only_the_first_question_of_a_feed_is_asked(rig: Rig) -> None:
    async with rig.open(sandbox_accounts(["agentjob"]), budget=0) as worker:
        await worker.call("list_posts")
        refusal = await worker.refused("list_posts", sort="hot")
        assert refusal.content["retry_after_seconds"] == 60
        assert asked(worker)["agentjob"] == 1


async def test_a_filter_of_ours_costs_no_request(both: Worker) -> None:
    await both.call("list_tasks")
    before = len(both.wire.sent)
    narrowed = await both.call("list_tasks", currency="USDC", min_pay=200)
    assert narrowed["tasks"]
    assert all(float(task["pay"]["amount"]) >= 200 for task in narrowed["tasks"])
    assert len(both.wire.sent) == before


async def test_what_is_filtered_here_says_that_it_covers_one_page_where_there_are_more(rig: Rig) -> None:
    def more(path: str, answer: Json) -> Json:
        return {**answer, "nextCursor": "further"} if path == "/opentask/api/tasks" else answer

    async with rig.open(market=Retold(rig.market(), more)) as worker:
        plain = await worker.call("list_tasks")
        assert not any("covers" in feed for feed in plain["feeds"].values())
        feeds = (await worker.call("list_tasks", currency="USDC", sort="payout", query="a"))["feeds"]
        assert re.fullmatch(r"currency, sort: \d+ items were looked at, .*", feeds["opentask"]["covers"])
        # POLT sorts itself, and says that all its tasks stand on one page.
        assert "covers" not in feeds["polt"]


@pytest.mark.parametrize("sort", ["payout", "deadline"])
async def test_a_list_in_order_is_in_order_over_all_markets(both: Worker, sort: str) -> None:
    result = await both.call("list_tasks", sort=sort, limit=5)
    tasks = result["tasks"]
    assert "order" in result
    while "next_cursor" in result:
        result = await both.call("list_tasks", sort=sort, limit=5, cursor=result["next_cursor"])
        tasks += result["tasks"]
    assert of("polt", tasks) and of("opentask", tasks)
    if sort == "deadline":
        due = [task.get("deadline", "9999") for task in tasks]
        assert due == sorted(due)
    else:
        paid = [task["pay"] for task in tasks if "amount" in task.get("pay", {})]
        known = [(pay["currency"], -float(pay["amount"])) for pay in paid]
        assert known == sorted(known) and len({currency for currency, _ in known}) > 1


# --- writes of one's own ------------------------------------------------------------------------------------


async def read_reply(worker: Worker, post: str) -> Json:
    return await worker.call("get_post", post_id=post)


async def test_after_a_reply_of_ones_own_the_post_is_looked_at_once_more(both: Worker) -> None:
    for market in ("polt", "agentjob", "opentask"):
        post = of(market, (await both.call("list_posts"))["posts"])[0]["id"]
        before = await read_reply(both, post)
        await both.call("add_reply", post_id=post, body=f"Said on {market}.")
        after = await read_reply(both, post)
        again = await read_reply(both, post)
        assert len(after["post"]["replies"]) == len(before["post"].get("replies", [])) + 1
        assert after["post"]["replies"][-1]["body"] == f"Said on {market}."
        assert again["post"] == after["post"]
        looks = [route for route in both.wire.to(market) if route.startswith("GET ") and post[-8:] in route]
        assert len(looks) == {"polt": 2, "agentjob": 2, "opentask": 3}[market]


WRITES: dict[str, tuple[str, Callable[[Json], dict[str, Any]], str]] = {
    "create_post": (
        "list_posts",
        lambda _: {"title": "A new post", "body": "With a body that is long enough."},
        "agentjob",
    ),
    "commit_task": ("list_tasks", lambda page: {"task_id": of("polt", page["tasks"])[0]["id"]}, "polt"),
    "upvote_post": ("list_posts", lambda page: {"post_id": of("polt", page["posts"])[0]["id"]}, "polt"),
}


@pytest.mark.parametrize("write", WRITES)
async def test_after_a_write_of_ones_own_the_list_is_looked_at_once_more(worker: Worker, write: str) -> None:
    tool, arguments, market = WRITES[write]
    page = await worker.call(tool)
    await worker.call(write, **arguments(page))
    fresh, held = await worker.call(tool), await worker.call(tool)
    assert fresh["feeds"][market]["source"] == "live"
    assert held["feeds"][market]["source"] == "cache"
    others = {feed["source"] for name, feed in fresh["feeds"].items() if name != market}
    assert others == {"cache"}


async def test_a_write_of_one_server_frees_a_look_of_the_other(rig: Rig) -> None:
    async with rig.open() as one, rig.open() as two:
        task = of("polt", (await one.call("list_tasks"))["tasks"])[0]["id"]
        await one.call("get_task", task_id=task)
        await one.call("commit_task", task_id=task)
        assert (await two.call("get_task", task_id=task))["task"]["status"] == "committed"


# --- markets that fail --------------------------------------------------------------------------------------


async def test_a_failed_try_counts_and_the_other_markets_answer(both: Worker) -> None:
    both.world.faults.add(Fault("status", market="opentask", path="/api/tasks", times=1))
    first = await both.call("list_posts")
    assert "HTTP 500" in first["skipped"]["opentask"]
    assert {"polt", "agentjob"} == set(first["feeds"])
    again = await both.call("list_posts")
    assert "retry_after_seconds: 6" in again["skipped"]["opentask"]
    assert asked(both)["opentask"] == 1
    await both.clock.advance(60)
    assert "skipped" not in await both.call("list_posts")


async def test_a_failed_market_is_asked_again_where_it_stood(rig: Rig) -> None:
    write_posts(rig.world, 60)
    async with rig.open() as worker:
        page = await worker.call("list_posts", limit=50)
        seen = [post["id"] for post in page["posts"]]
        rig.world.faults.add(Fault("status", market="agentjob", path="/api/tasks", times=1))
        while "next_cursor" in page:
            well, _, content = await worker.ask("list_posts", limit=50, cursor=page["next_cursor"])
            if not well:
                await rig.clock.advance(60)
                continue
            page = content
            seen += [post["id"] for post in page["posts"]]
        assert len(of("agentjob", [{"id": one} for one in seen])) == 68
        assert len(seen) == len(set(seen))
        assert asked(worker)["agentjob"] == 4


async def test_a_market_that_fails_at_first_is_asked_on_the_next_page(both: Worker) -> None:
    both.world.faults.add(Fault("status", market="opentask", path="/api/tasks"))
    page = await both.call("list_posts", limit=50)
    assert set(page["skipped"]) == {"opentask"}
    # As long as nothing can be had from it, it keeps its place.
    assert (await both.call("list_posts", limit=50))["next_cursor"] == page["next_cursor"]
    page = await both.call("list_posts", limit=50, cursor=page["next_cursor"])
    assert "failed" in page["skipped"]["opentask"] and set(page["feeds"]) == {"agentjob"}
    await both.clock.advance(60)
    late = await both.call("list_posts", limit=50, cursor=page["next_cursor"])
    assert set(late["feeds"]) == {"opentask"} and of("opentask", late["posts"]) == late["posts"]
    assert "next_cursor" not in late


async def test_a_market_that_says_no_for_good_does_not_make_a_list_endless(both: Worker) -> None:
    write_posts(both.world, 60)
    page = await both.call("list_posts", limit=50)
    await both.clock.advance(60)
    both.world.faults.add(Fault("status", market="agentjob", path="/api/tasks", status=403))
    last = await both.call("list_posts", limit=50, market="polt")
    assert "next_cursor" not in last
    first = await both.call("list_posts", limit=50)
    assert "HTTP 403" in first["skipped"]["agentjob"] and "next_cursor" not in first
    # The same on a later page.
    await both.clock.advance(60)
    both.world.faults.add(Fault("status", market="agentjob", path="/api/tasks", status=403))
    while "next_cursor" in page:
        well, text, page = await both.ask("list_posts", limit=50, cursor=page["next_cursor"])
        assert well or "HTTP 403" in text


async def test_a_market_without_a_key_does_not_make_a_list_endless(rig: Rig) -> None:
    (account,) = sandbox_accounts(["opentask"])
    async with rig.open([account, replace(account, name="second", key=None)]) as worker:
        page = await worker.call("list_bids")
        assert "needs a key" in page["skipped"]["second"] and "next_cursor" not in page


async def test_a_mark_too_long_to_be_passed_back_ends_its_list_and_says_so(rig: Rig) -> None:
    def endless(path: str, answer: Json) -> Json:
        return answer | {"nextCursor": "\u00fc" * 900} if path == "/opentask/api/tasks" else answer

    write_posts(rig.world, 60)
    async with rig.open(market=Retold(rig.market(), endless)) as worker:
        page = await worker.call("list_posts", limit=50)
        assert of("opentask", page["posts"]) and "too long" in page["skipped"]["opentask"]
        seen = [post["id"] for post in page["posts"]]
        while "next_cursor" in page:
            page = await worker.call("list_posts", limit=50, cursor=page["next_cursor"])
            assert set(page["feeds"]) <= {"polt", "agentjob"}
            seen += [post["id"] for post in page["posts"]]
        assert len([one for one in seen if one.startswith("agentjob:")]) == 68


async def test_what_markets_may_be_asked_is_told_without_asking_them(both: Worker) -> None:
    await both.call("list_posts", market="agentjob")
    await both.clock.advance(20)
    before = len(both.wire.sent)
    markets = {one["market"]: one for one in (await both.call("list_markets"))["markets"]}
    assert markets["agentjob"]["next_poll_in_seconds"] == {"list_posts": 40}
    assert "next_poll_in_seconds" not in markets["polt"]
    assert len(both.wire.sent) == before


async def waits(call: Callable[[], Awaitable[object]]) -> bool:
    """Whether a call needs time to pass."""
    with anyio.move_on_after(5) as scope:
        await call()
    return scope.cancelled_caught


async def test_no_call_sleeps_until_the_interval_is_over(worker: Worker) -> None:
    await worker.call("list_posts")
    assert not await waits(lambda: worker.call("list_posts"))
    for filters in ({"project_id": None}, {"difficulty": "hard"}, {"difficulty": "easy"}, {"status": "completed"}):
        await worker.call("list_tasks", market="polt", **filters)
    assert not await waits(lambda: worker.refused("list_tasks", market="polt", status="in_review"))
    assert not await waits(lambda: worker.refused("list_posts", market="agentjob", sort="hot"))


# --- one list for all who see the same ----------------------------------------------------------------------


async def test_accounts_of_one_market_share_its_public_lists_and_show_each_post_once(rig: Rig) -> None:
    (first,) = sandbox_accounts(["agentjob"])
    others = [replace(first, name=f"agentjob-{n}", key=f"ak_other_{n}") for n in (2, 3)]
    async with rig.open([first, *others]) as worker:
        page = await worker.call("list_posts")
        assert set(page["feeds"]) == {"agentjob"}
        ids = [post["id"] for post in page["posts"]]
        assert ids and all(one.startswith("agentjob:") for one in ids)
        # Who names another account acts as that, on the same page.
        theirs = await worker.call("list_posts", market="agentjob-3")
        assert [post["id"] for post in theirs["posts"]] == [one.replace(":", "-3:") for one in ids]
        assert theirs["feeds"]["agentjob-3"]["source"] == "cache"
        assert asked(worker)["agentjob"] == 1
        # What one of them wrote the shared page does not show, so it may be asked for anew.
        await worker.call("create_post", market="agentjob", title="A new post", body="With a body that is long enough.")
        assert (await worker.call("list_posts", market="agentjob-3"))["feeds"]["agentjob-3"]["source"] == "live"


async def test_the_square_is_asked_once_a_minute_whatever_narrows_it(rig: Rig) -> None:
    async with rig.open(sandbox_accounts(["agentjob"])) as worker:
        whole = (await worker.call("list_posts", limit=50))["posts"]
        channel = whole[0]["channel"]
        narrowed = await worker.call("list_posts", limit=50, channel=channel, query="a")
        assert narrowed["posts"] and {post["channel"] for post in narrowed["posts"]} == {channel}
        assert "were looked at" in narrowed["feeds"]["agentjob"]["covers"] and "next_cursor" not in narrowed
        for filters in ({"sort": "hot"}, {"sort": "hot", "channel": channel}):
            refusal = await worker.refused("list_posts", **filters)
            assert refusal.content["error"] == "too_soon" and refusal.content["retry_after_seconds"] == 60
        assert asked(worker)["agentjob"] == 1
        await rig.clock.advance(60)
        assert (await worker.call("list_posts", sort="hot"))["feeds"]["agentjob"]["source"] == "live"
        assert asked(worker)["agentjob"] == 2
