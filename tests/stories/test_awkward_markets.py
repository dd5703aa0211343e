"""Markets that keep to their documents and are awkward all the same: small pages, long threads, swollen answers."""

from collections.abc import Callable, Mapping

import anyio
import httpx2
import pytest

from clocks import ManualClock
from market_mcp.accounts import Account
from market_mcp.actions.board import GetPost, ListPosts
from market_mcp.actions.contracts import LeaveReview
from market_mcp.actions.profiles import GetProfile
from market_mcp.actions.work import ListTasks
from market_mcp.errors import Refused
from market_mcp.markets import MARKETS
from market_mcp.sandbox.world import OTHER_KEYS
from market_mcp.state.store import State
from rig import MARGIN, Json, Rig, Worker, dispatcher_at, sandbox_accounts

pytestmark = pytest.mark.anyio

Answer = Callable[[Mapping[str, str]], Json]


def market(answers: Mapping[str, Answer]) -> httpx2.MockTransport:
    """A market that makes its answer to `GET` of each path out of the query."""
    return httpx2.MockTransport(
        lambda request: httpx2.Response(200, json=answers[request.url.path](dict(request.url.params)))
    )


def account(kind: str) -> Account:
    keys = {"polt": "polt_abcdefgh", "agentjob": "ak_abcdefgh", "opentask": "ot_abcdefgh"}
    return Account(kind, kind, f"http://market.invalid/{kind}", keys[kind])


@pytest.mark.parametrize(("there", "largest"), [(47, 20), (60, 30), (50, 50), (19, 50), (20, 50), (0, 20)])
async def test_pages_that_are_smaller_than_asked_for_do_not_end_a_list(there: int, largest: int) -> None:
    tasks = [{"id": str(number), "title": f"Task {number}"} for number in range(there)]

    def page(query: Mapping[str, str]) -> Json:
        size = min(largest, int(query["limit"]))
        start = (int(query["page"]) - 1) * size
        return {"tasks": tasks[start : start + size]}

    found: list[str] = []
    async with dispatcher_at(
        market({"/polt/api/tasks": page}), ManualClock(), State(None), [account("polt")]
    ) as dispatcher:
        cursor = None
        for _ in range(10):
            result = await dispatcher.perform(ListTasks(limit=50, cursor=cursor))
            found += [task["id"] for task in result["tasks"]]
            cursor = result.get("next_cursor")
            if cursor is None:
                break
    assert found == [f"polt:{number}" for number in range(there)] and cursor is None


ENDS: list[Json] = [
    {"has_more": False},
    {"hasMore": False, "total": 400},
    {"pagination": {"totalPages": 1}},
    {"total": 19},
    {"meta": {"total": 19, "page": 1, "limit": 20}},
]


@pytest.mark.parametrize("said", ENDS)
async def test_a_board_that_says_where_it_ends_is_asked_no_further(said: Json) -> None:
    posts = [{"id": str(number), "title": f"Post {number}"} for number in range(19)]
    at = market({"/agentjob/api/tasks": lambda _: {"data": posts, **said}})
    async with dispatcher_at(at, ManualClock(), State(None), [account("agentjob")]) as dispatcher:
        assert "next_cursor" not in await dispatcher.perform(ListPosts(limit=50))


async def test_every_comment_of_a_long_thread_can_be_reached() -> None:
    thread = [{"id": f"c{number}", "body": f"Comment {number}: {'x' * 300}"} for number in range(250)]
    asked: list[str] = []

    def comments(query: Mapping[str, str]) -> Json:
        start, size = int(query.get("cursor", "0")), min(int(query["limit"]), 100)
        asked.append(query.get("cursor", ""))
        more = {"nextCursor": str(start + size)} if start + size < len(thread) else {}
        return {"comments": thread[start : start + size], **more}

    at = market(
        {
            "/opentask/api/tasks/t1": lambda _: {"task": {"id": "t1", "title": "Long talked about"}},
            "/opentask/api/agent/tasks/t1/comments": comments,
        }
    )
    read: list[str] = []
    async with dispatcher_at(at, ManualClock(), State(None), [account("opentask")]) as dispatcher:
        offset = 0
        for _ in range(20):
            result = await dispatcher.perform(GetPost(post_id="opentask:t1", replies_offset=offset))
            read += [reply["id"] for reply in result["post"].get("replies", [])]
            if "next_replies_offset" not in result:
                break
            offset = result["next_replies_offset"]
    assert read == [f"opentask:c{number}" for number in range(250)]
    # Each page once, and none before it was needed.
    assert asked == ["", "100", "200"]


@pytest.mark.parametrize("comments", [[], [{"id": "c1", "body": "x"}]])
async def test_a_thread_whose_cursor_never_moves_ends_and_says_why(comments: list[Json]) -> None:
    asked: list[str | None] = []

    def stuck(query: Mapping[str, str]) -> Json:
        asked.append(query.get("cursor"))
        return {"comments": comments, "nextCursor": "same"}

    at = market(
        {
            "/opentask/api/tasks/t1": lambda _: {"task": {"id": "t1", "title": "Talked about"}},
            "/opentask/api/agent/tasks/t1/comments": stuck,
        }
    )
    async with dispatcher_at(at, ManualClock(), State(None), [account("opentask")]) as dispatcher:
        with anyio.fail_after(MARGIN):
            result = await dispatcher.perform(GetPost(post_id="opentask:t1", replies_offset=500))
    assert asked == ([None] if not comments else [None, "same"])
    assert "again and again" in result["left_out"]["replies"] or "empty page" in result["left_out"]["replies"]
    assert "next_replies_offset" not in result


async def test_a_thread_without_end_is_read_no_further_than_one_answer_may_and_no_reply_is_lost() -> None:
    def endless(query: Mapping[str, str]) -> Json:
        page = int(query.get("cursor", "0"))
        return {"comments": [{"id": f"c{page}", "body": "x"}], "nextCursor": str(page + 1)}

    at = market(
        {
            "/opentask/api/tasks/t1": lambda _: {"task": {"id": "t1", "title": "Talked about"}},
            "/opentask/api/agent/tasks/t1/comments": endless,
        }
    )
    async with dispatcher_at(at, ManualClock(), State(None), [account("opentask")], budget=10_000) as dispatcher:
        result = await dispatcher.perform(GetPost(post_id="opentask:t1", replies_offset=500))
        assert "no further for one answer" in result["left_out"]["replies"]
        result = await dispatcher.perform(GetPost(post_id="opentask:t1", replies_offset=40))
        assert [reply["id"] for reply in result["post"]["replies"]] == ["opentask:c40"]


async def test_comments_that_were_read_are_shown_though_a_further_page_fails() -> None:
    def comments(query: Mapping[str, str]) -> Json:
        if "cursor" in query:
            return {"error": "Cursor expired"}
        return {"comments": [{"id": "c1", "body": "x"}], "nextCursor": "2"}

    at = market(
        {
            "/opentask/api/tasks/t1": lambda _: {"task": {"id": "t1", "title": "Talked about"}},
            "/opentask/api/agent/tasks/t1/comments": comments,
        }
    )
    async with dispatcher_at(at, ManualClock(), State(None), [account("opentask")]) as dispatcher:
        first = await dispatcher.perform(GetPost(post_id="opentask:t1"))
        assert len(first["post"]["replies"]) == 1 and first["next_replies_offset"] == 1
        further = await dispatcher.perform(GetPost(post_id="opentask:t1", replies_offset=1))
        assert "Cursor expired" in further["left_out"]["replies"]


Turning = Callable[[int], Json]
ALWAYS: list[Json] = [{"id": "1", "title": "The same"}]
ROUND: dict[str, tuple[Turning, str]] = {
    "the cursor stands": (
        lambda page: {"tasks": [{"id": str(page), "title": "x"}], "nextCursor": "c"},
        "again and again",
    ),
    "cursors go in a circle": (
        lambda page: {"tasks": [{"id": str(page), "title": "x"}], "nextCursor": f"c{page % 3}"},
        "again and again",
    ),
    "empty pages lead on": (lambda page: {"tasks": [], "nextCursor": f"c{page}"}, "empty page"),
    "the same page under any cursor": (lambda page: {"tasks": ALWAYS, "nextCursor": f"c{page}"}, "given before"),
}


@pytest.mark.parametrize("how", ROUND)
async def test_a_list_that_a_market_lets_go_round_ends_and_says_why(how: str) -> None:
    answer, why = ROUND[how]
    asked = [0]

    def page(_: Mapping[str, str]) -> Json:
        asked[0] += 1
        return answer(asked[0])

    clock = ManualClock()
    async with dispatcher_at(
        market({"/opentask/api/tasks": page}), clock, State(None), [account("opentask")]
    ) as dispatcher:
        result = await dispatcher.perform(ListTasks(limit=50))
        for _ in range(12):
            if "next_cursor" not in result:
                break
            await clock.advance(61)
            result = await dispatcher.perform(ListTasks(limit=50, cursor=result["next_cursor"]))
    assert "next_cursor" not in result and why in result["feeds"]["opentask"]["ends"]


REFUSED_SIZES: list[Json] = [{"error": "limit must be at most 10"}, {"detail": [{"loc": ["limit"], "msg": "x"}]}]


@pytest.mark.parametrize("no", REFUSED_SIZES)
async def test_a_size_that_a_market_refuses_gives_way_to_its_own(no: Json) -> None:
    sizes: list[str | None] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        sizes.append(request.url.params.get("limit"))
        if "limit" in request.url.params:
            return httpx2.Response(422, json=no)
        return httpx2.Response(200, json={"tasks": [{"id": "1", "title": "A task"}], "has_more": False})

    clock = ManualClock()
    async with dispatcher_at(httpx2.MockTransport(handle), clock, State(None), [account("polt")]) as dispatcher:
        assert len((await dispatcher.perform(ListTasks()))["tasks"]) == 1
        await clock.advance(61)
        await dispatcher.perform(ListTasks(difficulty="hard"))
    assert sizes == ["20", None, None]


async def test_a_filter_that_a_market_refuses_is_asked_for_once() -> None:
    asked: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(422, json={"error": "difficulty is not one of ours"})

    transport = httpx2.MockTransport(handle)
    async with dispatcher_at(transport, ManualClock(), State(None), [account("polt")]) as dispatcher:
        with pytest.raises(Refused, match="not one of ours"):
            await dispatcher.perform(ListTasks(difficulty="hard"))
    assert len(asked) == 1


async def test_an_item_that_stands_twice_in_a_page_is_one() -> None:
    twice = [{"id": "1", "title": "A"}, {"id": "2", "title": "B"}, {"id": "1", "title": "A"}]
    at = market({"/opentask/api/tasks": lambda _: {"tasks": twice}})
    async with dispatcher_at(at, ManualClock(), State(None), [account("opentask")]) as dispatcher:
        found = (await dispatcher.perform(ListTasks()))["tasks"]
    assert [task["id"] for task in found] == ["opentask:1", "opentask:2"]


async def test_a_filter_of_ours_reads_on_within_the_budget_and_says_how_far() -> None:
    def page(query: Mapping[str, str]) -> Json:
        numbers = range((int(query["page"]) - 1) * 20, min(int(query["page"]) * 20, 200))
        return {"tasks": [{"id": str(n), "title": "rare" if n % 40 == 0 else "common"} for n in numbers]}

    found: list[str] = []
    clock = ManualClock()
    async with dispatcher_at(market({"/polt/api/tasks": page}), clock, State(None), [account("polt")]) as dispatcher:
        result = await dispatcher.perform(ListTasks(query="rare", limit=5))
        assert result["feeds"]["polt"]["covers"].startswith("query: 80 items were looked at")
        for _ in range(9):
            found += [task["id"] for task in result["tasks"]]
            if "next_cursor" not in result:
                break
            await clock.advance(61)
            result = await dispatcher.perform(ListTasks(query="rare", limit=5, cursor=result["next_cursor"]))
    assert found == [f"polt:{n}" for n in (0, 40, 80, 120, 160)] and "next_cursor" not in result


async def test_a_thread_that_ends_with_its_page_leads_nowhere_and_past_its_end_is_nothing() -> None:
    thread = [{"id": f"c{number}", "body": "x"} for number in range(3)]
    at = market(
        {
            "/opentask/api/tasks/t1": lambda _: {"task": {"id": "t1", "title": "Talked about"}},
            "/opentask/api/agent/tasks/t1/comments": lambda _: {"comments": thread, "nextCursor": None},
        }
    )
    async with dispatcher_at(at, ManualClock(), State(None), [account("opentask")]) as dispatcher:
        whole = await dispatcher.perform(GetPost(post_id="opentask:t1"))
        assert len(whole["post"]["replies"]) == 3 and "next_replies_offset" not in whole
        past = await dispatcher.perform(GetPost(post_id="opentask:t1", replies_offset=9))
        assert past["post"]["replies"] == [] and "next_replies_offset" not in past


async def test_of_a_profiles_statistics_only_the_documented_ones_are_passed_on() -> None:
    stats: Json = {f"injected {number}": number for number in range(30_000)}
    stats |= {"tasksPosted": 3, "averageRating": 4.5, "reviewCount": True, "activeBids": "many"}
    at = market({"/opentask/api/agent/me": lambda _: {"profile": {"id": "p1"}, "stats": stats}})
    async with dispatcher_at(at, ManualClock(), State(None), [account("opentask")]) as dispatcher:
        profile = (await dispatcher.perform(GetProfile()))["profile"]
    assert profile["stats"] == {"tasksPosted": 3, "averageRating": 4.5}


# --- what a write puts out of date --------------------------------------------------------------------------


async def test_a_rejected_and_a_withdrawn_bid_are_not_shown_as_active(rig: Rig) -> None:
    others = sandbox_accounts(keys=OTHER_KEYS)
    async with rig.open() as seller, rig.open(others, state="other.db") as buyer:
        task = (await buyer.call("create_task", title="Sort my bookmarks", description="Four hundred of them."))["task"]
        for end in ("reject", "withdraw"):
            bid = (await seller.call("place_bid", task_id=task["id"], price="90 USDC"))["bid"]["id"]
            [shown] = [b for b in (await buyer.call("list_task_bids", task_id=task["id"]))["bids"] if b["id"] == bid]
            assert shown["status"] == "active"
            if end == "reject":
                await buyer.call("reject_bid", bid_id=bid)
                [shown] = [
                    b for b in (await buyer.call("list_task_bids", task_id=task["id"]))["bids"] if b["id"] == bid
                ]
                assert shown["status"] == "rejected"
            else:
                await seller.call("get_task", task_id=task["id"])
                asked = len(seller.wire.sent)
                await seller.call("withdraw_bid", bid_id=bid)
                # The task is asked for anew, since its count of bids is another now.
                await seller.call("get_task", task_id=task["id"])
                assert len(seller.wire.sent) == asked + 2
            rig.clock.skip(60)


@pytest.mark.parametrize("kind", ["polt", "opentask"])
async def test_a_changed_profile_is_shown_changed_to_oneself_and_by_its_name(worker: Worker, kind: str) -> None:
    own = (await worker.call("verify_key", market=kind))["account"]["id"]
    for arguments in ({"market": kind}, {"profile_id": own}):
        await worker.call("get_profile", **arguments)
    await worker.call("update_profile", market=kind, bio="I sort bookmarks.")
    for arguments in ({"market": kind}, {"profile_id": own}):
        assert (await worker.call("get_profile", **arguments))["profile"]["bio"] == "I sort bookmarks."


def test_a_review_puts_out_of_date_what_is_said_of_its_subject_where_the_reply_names_it() -> None:
    row = MARKETS["opentask"].rows[LeaveReview, ""]
    review = LeaveReview(contract_id="c1", rating=5)
    assert row.outdates(review) == row.outdates(review, {"review": {"id": "opentask:r1"}}) == ["contracts/c1/reviews"]
    told = {"review": {"id": "opentask:r1", "about_id": "opentask:p1"}}
    assert row.outdates(review, told) == ["contracts/c1/reviews", "profiles/p1/reviews"]


# --- changes that change nothing ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("update_task", {"task_id": "opentask:t1"}),
        ("update_profile", {"market": "polt"}),
        ("update_payout_method", {"payout_method_id": "opentask:m1"}),
    ],
)
async def test_an_update_that_changes_nothing_is_not_sent(worker: Worker, tool: str, arguments: Json) -> None:
    assert "say what to change" in (await worker.refused(tool, **arguments)).text
    assert worker.wire.sent == []
