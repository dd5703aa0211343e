"""What changed, told once; and what the agent owes, soonest first: over all markets, and with a market missing."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from market_mcp.sandbox.agentjob import start_test_chat
from market_mcp.sandbox.faults import Fault
from market_mcp.sandbox.world import OTHER_KEYS
from rig import Json, Retold, Rig, Worker, of, sandbox_accounts, times

pytestmark = pytest.mark.anyio

HAGGLER = "Port a Flask service to Starlette"
"""The task of the sandbox whose owner answers a bid with a counter-offer."""

UNREAD, NOTIFICATIONS = "GET /api/agent/notifications/unread-count", "GET /api/agent/notifications"
LINK = "https://example.com/work"
DAY = 24 * 3600.0


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


async def test_a_rejection_is_told_once_with_its_reason_and_ends_the_agents_part(rig: Rig, era: str) -> None:
    rig = rig.with_era(era)
    async with rig.open() as you, rig.open(sandbox_accounts(keys=OTHER_KEYS), state="other.db") as other:
        bounty = await task(you, "polt")
        await you.call("commit_task", task_id=bounty)
        told: list[Json] = []
        for _ in range(2):
            await you.call("submit_work", work_id=bounty, summary="Done.")
            await rig.clock.advance(61)
            told += [item for item in await news(you) if item["what"] == "review of your work"]
        assert [item["review"] for item in told] == ["needs_revision", "rejected"]
        assert "Still no link" in told[1]["feedback"] and "open to all again" in told[1]["message"]
        assert await duties(you) == []
        # What others do there is theirs.
        await other.call("commit_task", task_id=bounty)
        await other.call("submit_work", work_id=bounty, summary="Done.")
        await rig.clock.advance(61)
        assert bounty not in [item["id"] for item in await news(you)]


async def test_a_review_puts_the_list_of_what_is_owed_out_of_date(both: Worker) -> None:
    bounty = await task(both, "polt")
    await both.call("commit_task", task_id=bounty)
    await both.call("submit_work", work_id=bounty, summary="Done.")
    assert await duties(both) == []
    await both.clock.advance(50)
    assert bounty in [item["id"] for item in await news(both, market="polt")]
    assert [duty["id"] for duty in await duties(both)] == [bounty]


async def test_what_is_open_to_all_again_is_owed_and_counted_no_more_whatever_its_list_says(rig: Rig) -> None:
    def retold(path: str, answer: Json) -> Json:
        return {"tasks": [{"id": bounty.partition(":")[2], "title": "Held"}]} if "committed-tasks" in path else answer

    async with rig.open(market=Retold(rig.market(), retold)) as worker:
        bounty = await task(worker, "polt")
        assert await duties(worker) == []
        [polt] = [market for market in (await worker.call("list_markets"))["markets"] if market["market"] == "polt"]
        assert polt["quota_left"]["commitments"] == 3


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


async def test_a_new_post_that_nobody_answered_is_no_news(both: Worker) -> None:
    await both.call("create_post", title="A new post", body="With a body that is long enough.")
    assert await news(both, market="agentjob") == []


@pytest.mark.parametrize("market", ["polt", "agentjob"])
async def test_ones_own_reply_is_no_news_and_neither_is_what_stood_there_before(both: Worker, market: str) -> None:
    await news(both)
    posts = (await both.call("list_posts", market=market))["posts"]
    post = next(one["id"] for one in posts if one.get("reply_count"))
    await both.clock.advance(1)
    await both.call("add_reply", post_id=post, body="I can do this by tomorrow.")
    assert await news(both, market=market) == []
    await both.clock.advance(61)
    await both.call("add_reply", post_id=post, body="And it is done.")
    assert await news(both, market=market) == []


@pytest.mark.parametrize("market", ["polt", "agentjob"])
async def test_a_strangers_reply_between_ones_own_is_told(rig: Rig, market: str) -> None:
    async with rig.open() as you, rig.open(sandbox_accounts(keys=OTHER_KEYS), state="other.db") as other:
        await news(you)
        post = (await you.call("list_posts", market=market))["posts"][0]["id"]
        for who, body in ((you, "First."), (other, "Why?"), (you, "Because.")):
            await rig.clock.advance(1)
            await who.call("add_reply", post_id=post, body=body)
        (item,) = await news(you, market=market)
        assert (item["id"], item["replies"], item["latest"]) == (post, 1, "Why?")
        assert await news(you, market=market) == []
        # The same words from a stranger are a stranger's.
        await other.call("add_reply", post_id=post, body="Because.")
        await rig.clock.advance(61)
        (item,) = await news(you, market=market)
        assert (item["replies"], item["latest"]) == (2, "Because.")


async def test_what_was_answered_below_ones_own_post_before_one_spoke_there_is_told(rig: Rig) -> None:
    async with rig.open() as you, rig.open(sandbox_accounts(keys=OTHER_KEYS), state="other.db") as other:
        await news(you)
        post = (await you.call("create_post", title="A new post", body="With a body that is long enough."))["post_id"]
        for who, body in ((other, "How much?"), (you, "Not much.")):
            await rig.clock.advance(1)
            await who.call("add_reply", post_id=post, body=body)
        (item,) = await news(you, market="agentjob")
        assert (item["replies"], item["latest"]) == (1, "How much?")


async def test_ones_own_reply_is_known_by_its_words_where_the_market_tells_no_id(rig: Rig) -> None:
    def silent(path: str, answer: Json) -> Json:
        return {"message": "Reply created."} if path.endswith("/replies") else answer

    async with rig.open(market=Retold(rig.market(), silent)) as you:
        await news(you)
        post = (await you.call("list_posts", market="polt"))["posts"][0]["id"]
        assert "reply_id" not in await you.call("add_reply", post_id=post, body="I can do this by tomorrow.")
        assert await news(you, market="polt") == []


async def test_a_post_whose_id_is_not_told_is_published_all_the_same(rig: Rig) -> None:
    def silent(path: str, answer: Json) -> Json:
        return {"data": {"title": "A new post"}} if path == "/agentjob/api/tasks" else answer

    async with rig.open(market=Retold(rig.market(), silent)) as you:
        made = await you.call("create_post", title="A new post", body="With a body that is long enough.")
        assert "published" in made["message"]


# --- nothing is lost --------------------------------------------------------------------------------------------


def market_of(answer: Callable[[str], object]) -> httpx2.AsyncBaseTransport:
    """Markets that answer a request, given as `GET /polt/api/tasks`, with this object or status."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        said = answer(f"{request.method} {request.url.path}")
        no = {"error": "It is not there any more."} if said == 404 else {}
        return httpx2.Response(said, json=no) if isinstance(said, int) else httpx2.Response(200, json=said)

    return httpx2.MockTransport(handle)


class Mailbox:
    """OpenTask's notifications: what is unread, and what it was told to mark."""

    def __init__(self, count: int, text: str = "Hired.") -> None:
        self.unread = {f"n{number}": text for number in range(count)}
        self.broken: set[str] = set()

    def __call__(self, route: str) -> object:
        at, _, action = route.rpartition("/")
        if action == "unread-count":
            return {"unreadCount": len(self.unread)}
        if route == f"GET /opentask{NOTIFICATIONS.removeprefix('GET ')}":
            return {"notifications": [{"id": key, "message": text} for key, text in self.unread.items()]}
        if action == "read" and at.rpartition("/")[2] not in self.broken:
            return (
                {"notification": {"id": at.rpartition("/")[2]}} if self.unread.pop(at.rpartition("/")[2], "") else 404
            )
        return 500


def told(items: list[Json]) -> list[str]:
    return [item["id"].partition(":")[2] for item in items]


async def test_what_is_held_is_never_called_nothing_new(rig: Rig) -> None:
    box = Mailbox(1)
    async with rig.open(sandbox_accounts(["opentask"]), market=market_of(box)) as worker:
        assert told(await news(worker)) == ["n0"]
        box.unread["n1"] = "Rejected."
        await rig.clock.advance(20)
        result = await worker.call("check_inbox")
        assert result["changes"] == []
        assert result["message"].startswith("Nothing new up to 20 s ago") and "in 40 s" in result["message"]
        await rig.clock.advance(41)
        assert told(await news(worker)) == ["n1"]
        await rig.clock.advance(61)
        assert (await worker.call("check_inbox"))["message"] == "Nothing new since you last looked."


async def test_only_what_was_told_is_marked_as_read(rig: Rig) -> None:
    box = Mailbox(2)
    async with rig.open(sandbox_accounts(["opentask"]), market=market_of(box)) as worker:
        assert (await worker.call("mark_notifications_read"))["updated"] == 0 and len(box.unread) == 2
        await news(worker)
        box.unread |= {"n2": "Hired.", "n3": "Accepted."}
        assert (await worker.call("mark_notifications_read"))["updated"] == 2
        assert set(box.unread) == {"n2", "n3"}
        await rig.clock.advance(61)
        assert told(await news(worker)) == ["n2", "n3"]
        await worker.call("mark_notifications_read", notification_id="opentask:n2")
        sent = len(worker.wire.sent)
        assert (await worker.call("mark_notifications_read"))["updated"] == 1
        assert len(worker.wire.sent) == sent + 1 and box.unread == {}


async def test_a_mark_that_fails_leaves_the_rest_to_be_marked_later(rig: Rig) -> None:
    box = Mailbox(3)
    box.broken.add("n0")
    async with rig.open(sandbox_accounts(["opentask"]), market=market_of(box)) as worker:
        await news(worker)
        # Another client has marked the last one meanwhile.
        del box.unread["n2"]
        result = await worker.call("mark_notifications_read")
        assert result["updated"] == 1 and "HTTP 500" in result["left_out"]["opentask:n0"] and set(box.unread) == {"n0"}
        assert "HTTP 500" in (await worker.refused("mark_notifications_read")).text
        box.broken.clear()
        assert (await worker.call("mark_notifications_read"))["updated"] == 1 and box.unread == {}
        assert (await worker.call("mark_notifications_read"))["updated"] == 0


async def test_news_that_do_not_fit_are_told_by_the_next_call(rig: Rig) -> None:
    box = Mailbox(50, "Terms: " + "word " * 150)
    async with rig.open(sandbox_accounts(["opentask"]), market=market_of(box)) as worker:
        found: list[Json] = []
        for _ in range(9):
            result = await worker.call("check_inbox")
            assert "cut" not in result
            found += result["changes"]
            if "more changes" not in result.get("message", ""):
                break
            assert result["message"].startswith(str(50 - len(found)))
        assert sorted(told(found)) == sorted(box.unread) and len(found) == 50
        assert all(item["text"] == ("Terms: " + "word " * 150) for item in found)
        assert times(NOTIFICATIONS, worker.wire.to("opentask")) == 1


async def test_more_unread_than_a_page_are_told_after_the_first_are_marked(rig: Rig) -> None:
    def full(route: str) -> object:
        found = [{"id": f"n{number}", "message": "Hired."} for number in range(50)]
        return {"unreadCount": 70} if route.endswith("/unread-count") else {"notifications": found, "nextCursor": "x"}

    async with rig.open(sandbox_accounts(["opentask"]), market=market_of(full)) as worker:
        result = await worker.call("check_inbox")
        assert len(result["changes"]) == 50
        assert "Only the newest 50" in result["skipped"]["opentask notifications"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "tool"), [("bids", "list_bids"), ("counter-offers", "list_bids"), ("contracts", "list_contracts")]
)
async def test_duties_of_a_list_that_goes_on_name_the_tool_that_shows_the_rest(rig: Rig, name: str, tool: str) -> None:
    def endless(path: str, content: Json) -> Json:
        return {**content, "nextCursor": "more"} if path.endswith(("/bids", "/contracts")) else content

    async with rig.open(sandbox_accounts(["opentask"]), market=Retold(rig.market(), endless)) as you:
        skipped = (await you.call("my_work"))["skipped"]
    assert f"{tool} has all" in skipped[f"opentask {name}"]


@pytest.mark.parametrize("status", [404, 500])
async def test_one_post_that_cannot_be_read_keeps_back_no_news_of_others(rig: Rig, tmp_path: Path, status: int) -> None:
    gone = False

    def answer(route: str) -> object:
        if route.startswith("POST"):
            return {"data": {"id": "r1"}}
        if route.endswith("/dead") and gone:
            return status
        replies = [] if route.endswith("/dead") else [{"id": "r2", "body": "Hi."}]
        return {"data": {"id": route.rpartition("/")[2], "title": "A post", "replies": replies}}

    async with rig.open(sandbox_accounts(["agentjob"]), market=market_of(answer)) as worker:
        for post in ("dead", "live"):
            await worker.call("add_reply", post_id=f"agentjob:{post}", body="x")
        gone = True
        result = await worker.call("check_inbox")
        assert [(item["id"], item["latest"]) for item in result["changes"]] == [("agentjob:live", "Hi.")]
        left = set(rows(tmp_path, "SELECT handle FROM watched"))
        if status == 404:
            assert left == {"agentjob:live"} and "skipped" not in result
        else:
            assert left == {"agentjob:live", "agentjob:dead"}
            assert "agentjob:dead: AgentJob broke" in result["skipped"]["agentjob your posts"]
            await rig.clock.advance(61)
            assert "Nothing new where an answer came" in (await worker.call("check_inbox"))["message"]


# --- which market is asked --------------------------------------------------------------------------------------


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


# --- how old it is, what it names, how long it is kept ------------------------------------------------------


@pytest.mark.parametrize("tool", ["my_work", "check_inbox"])
async def test_an_answer_put_together_says_how_old_its_oldest_part_is(both: Worker, tool: str) -> None:
    first = (await both.call(tool, market="opentask"))["feed"]
    assert (first["source"], first["age_seconds"], first["next_poll_in_seconds"]) == ("live", 0, 60)
    await both.clock.advance(45)
    feed = (await both.call(tool))["feed"]
    assert (feed["source"], feed["age_seconds"], feed["next_poll_in_seconds"]) == ("cache", 45, 15)
    assert feed["fetched_at"] == first["fetched_at"]
    await both.clock.advance(15)
    assert (await both.call(tool, market="opentask"))["feed"]["source"] == "live"


async def test_an_answer_put_together_says_that_a_part_of_it_is_out_of_date(rig: Rig) -> None:
    async with rig.open(budget=0) as worker:
        one, two = [item["id"] for item in of("opentask", (await worker.call("list_tasks"))["tasks"])][:2]
        await worker.call("place_bid", task_id=one, price="100 USDC")
        assert "stale" not in (await worker.call("my_work"))["feed"]
        await worker.call("place_bid", task_id=two, price="100 USDC")
        assert "You wrote since" in (await worker.call("my_work"))["feed"]["stale"]


async def test_an_answer_for_which_nobody_was_asked_has_no_age(rig: Rig) -> None:
    async with rig.open(sandbox_accounts(["agentjob"], keys={})) as worker:
        assert "feed" not in await worker.call("my_work")


async def test_ids_of_news_and_of_what_is_owed_are_understood_without_their_market(rig: Rig) -> None:
    async with rig.open() as before:
        bounty = await task(before, "polt")
        await before.call("commit_task", task_id=bounty)
    async with rig.open() as looks:
        (duty,) = await duties(looks)
        assert (await looks.call("get_task", task_id=duty["id"].partition(":")[2]))["task"]["id"] == bounty
        assert bounty.partition(":")[2] in looks.dispatcher.accounts.recent("task", "polt")
    async with rig.open() as hears:
        (item, *_) = await news(hears)
        assert (await hears.call("get_task", task_id=item["id"].partition(":")[2]))["task"]["id"] == item["id"]


async def test_ids_of_what_one_made_are_understood_without_their_market(both: Worker) -> None:
    made = (await both.call("create_task", title="Write docs", description="A page about errors."))["task"]["id"]
    assert (await both.call("get_task", task_id=made.partition(":")[2]))["task"]["id"] == made
    post = (await both.call("create_post", title="A new post", body="With a body that is long enough."))["post_id"]
    assert (await both.call("get_post", post_id=post.partition(":")[2]))["post"]["id"] == post


def rows(directory: Path, query: str) -> list[str]:
    """The first column of what stands in the state file."""
    with closing(sqlite3.connect(directory / "state.db")) as db:
        return [row[0] for row in db.execute(query)]


async def test_what_is_listed_is_remembered_and_what_is_not_is_forgotten_after_a_month(
    worker: Worker, tmp_path: Path
) -> None:
    await worker.call("place_bid", task_id=await task(worker, "opentask"), price="100 USDC")
    await worker.clock.advance(61)
    told = len(await news(worker))
    assert len(rows(tmp_path, "SELECT fact FROM seen")) == told > 5
    await worker.call("mark_notifications_read")
    await worker.clock.advance(20 * DAY)
    assert await news(worker) == []
    assert len(rows(tmp_path, "SELECT fact FROM seen")) == told
    await worker.clock.advance(20 * DAY)
    worker.world.faults.add(Fault("status", market="opentask", times=9))
    assert await news(worker) == []
    assert len(rows(tmp_path, "SELECT fact FROM seen")) == told, "what could not be asked may still be listed"
    worker.world.faults.clear()
    await worker.clock.advance(61)
    assert await news(worker) == []
    assert len(rows(tmp_path, "SELECT fact FROM seen")) == 5, "the new tasks, which are still listed"


async def test_only_the_latest_posts_and_what_was_said_there_are_remembered(rig: Rig, tmp_path: Path) -> None:
    async with rig.open() as worker:
        posts = of("agentjob", (await worker.call("list_posts", market="agentjob", limit=50))["posts"])[:7]
        for post in posts:
            await worker.call("add_reply", post_id=post["id"], body="Hello.")
        latest = {post["id"] for post in posts[2:]}
        assert set(rows(tmp_path, "SELECT handle FROM watched")) == latest
        assert set(rows(tmp_path, "SELECT post FROM said")) == latest


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


def opentask(**lists: list[Json]) -> Callable[[str], object]:
    """An OpenTask on which one is `me`, with these bids and contracts."""

    def answer(route: str) -> object:
        name = route.rpartition("/")[2]
        if name == "me":
            return {"profile": {"id": "p-me", "handle": "me"}}
        return {name: lists[name]} if name in lists else {"counterOffers": []}

    return answer


@pytest.mark.parametrize("accepted", ["accepted", "ACCEPTED"])
async def test_who_was_hired_since_the_contracts_were_asked_for_owes_the_work_at_once(rig: Rig, accepted: str) -> None:
    bids: list[Json] = [{"id": "b1", "status": "active", "task": {"id": "t1", "title": "Write docs"}}]
    contracts: list[Json] = []
    market = market_of(opentask(bids=bids, contracts=contracts))
    async with rig.open(sandbox_accounts(["opentask"]), market=market) as worker:
        await worker.call("list_contracts")
        await rig.clock.advance(30)
        bids[0]["status"] = accepted
        contracts.append({"id": "c1", "bidId": "b1", "status": "in_progress", "seller": {"handle": "me"}})
        (duty,) = await duties(worker)
        assert (duty["id"], duty["what"]) == ("opentask:c1", "deliver")
        # Among the active bids alone it would just be missing.
        assert not any("status" in sent.query for sent in worker.wire.sent)
        sent = len(worker.wire.sent)
        await duties(worker)
        assert len(worker.wire.sent) == sent


@pytest.mark.parametrize(
    ("sides", "what"),
    [
        ({"seller": {"handle": "me"}, "buyer": {"handle": "you"}}, "deliver"),
        ({"sellerId": "p-me", "buyerId": "p-you"}, "deliver"),
        ({"sellerId": "p-you", "buyerId": "p-me"}, "wait for the delivery"),
        ({}, "deliver"),
        ({"seller": {"displayName": "me"}, "buyer": {"displayName": "me"}}, "deliver"),
    ],
)
async def test_whose_turn_it_is_does_not_hang_on_how_the_market_names_the_parties(
    rig: Rig, sides: Json, what: str
) -> None:
    market = market_of(opentask(bids=[], contracts=[{"id": "c1", "status": "in_progress", **sides}]))
    async with rig.open(sandbox_accounts(["opentask"]), market=market) as worker:
        assert [duty["what"] for duty in await duties(worker)] == [what]
        asked = [sent.query.get("role") for sent in worker.wire.sent if sent.path == "/api/agent/contracts"]
        assert asked in ([None], [None, "seller"])


async def test_bids_whose_counter_offers_were_not_asked_for_are_named(rig: Rig) -> None:
    bids: list[Json] = [{"id": f"b{number}", "status": "active"} for number in range(7)]
    market = market_of(opentask(bids=bids, contracts=[]))
    async with rig.open(sandbox_accounts(["opentask"]), market=market) as worker:
        result = await worker.call("my_work")
        assert len(result["work"]) == 7
        assert result["skipped"]["opentask counter-offers"].endswith("list_counter_offers: opentask:b5, opentask:b6.")


def polt(route: str) -> object:
    """A POLT on which one has committed to three tasks; the second shows no details."""
    due = {"t1": "2026-03-14T10:00:00+09:00", "t2": "2026-03-14T02:00:00Z", "t3": "2026-03-14T00:30:00-01:00"}
    name = route.rpartition("/")[2]
    if name == "verify":
        return {"agent": {"username": "me"}}
    if name == "committed-tasks":
        return {"tasks": [{"id": task, "title": task, "deadline": when} for task, when in due.items()]}
    return 500 if name == "t2" else {"task": {"id": name, "title": name}}


async def test_a_duty_stands_even_if_its_details_cannot_be_read_and_instants_are_compared_as_such(rig: Rig) -> None:
    async with rig.open(sandbox_accounts(["polt"]), market=market_of(polt)) as worker:
        result = await worker.call("my_work")
        assert [duty["id"] for duty in result["work"]] == ["polt:t1", "polt:t3", "polt:t2"]
        assert "polt:t2: POLT broke (HTTP 500)" in result["skipped"]["polt commitments"]


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
