"""What goes wrong is said in words that a model can act on, and the next call answers."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from market_mcp.actions.board import ListPosts
from market_mcp.gateway.exchange import Timeouts
from market_mcp.gateway.transport import new_client
from market_mcp.sandbox.faults import Fault
from market_mcp.sandbox.world import KEYS
from market_mcp.services.merging import Position, encode_cursor
from rig import Json, Refusal, Rig, Worker, kept_in, of, sandbox_accounts, times

pytestmark = pytest.mark.anyio

UNKNOWN = "11111111-2222-3333-4444-555555555555"
MARKETS = ("polt", "agentjob", "opentask")


@pytest.fixture
async def wrong(rig: Rig, era: str) -> AsyncGenerator[Worker]:
    """A server whose keys no market accepts."""
    accounts = sandbox_accounts(keys={"polt": "polt_wrong", "agentjob": "ak_wrong", "opentask": "ot_wrong"})
    async with rig.with_era(era).open(accounts) as worker:
        yield worker


async def first(worker: Worker, tool: str, market: str) -> str:
    """The id of the first item of a list."""
    page = await worker.call(tool, market=market)
    return str(of(market, page["posts" if tool == "list_posts" else "tasks"])[0]["id"])


async def still_answers(worker: Worker) -> None:
    assert (await worker.call("list_markets"))["markets"]


def says(refusal: Refusal, kind: str, *words: str) -> None:
    """The error is of this kind, changed nothing, and its sentence holds these words."""
    assert refusal.content["error"] == kind, refusal.text
    assert refusal.content["effect"] == "none" and "Nothing was changed." in refusal.text
    for word in words:
        assert word in refusal.text, refusal.text


# --- what the caller can put right --------------------------------------------------------------------------


async def test_a_wrong_key_is_named_by_its_setting_and_never_shown(wrong: Worker) -> None:
    post = await first(wrong, "list_posts", "polt")
    for tool, variable, arguments in (
        ("verify_key", "POLT_API_KEY", {"market": "polt"}),
        ("upvote_post", "POLT_API_KEY", {"post_id": post}),
        ("create_post", "AGENTJOB_API_KEY", {"title": "A new post", "body": "With a body that is long enough."}),
        ("list_bids", "OPENTASK_TOKEN", {}),
    ):
        refusal = await wrong.refused(tool, **arguments)
        says(refusal, "refused", "HTTP 401", variable)
        assert "_wrong" not in refusal.text
    await still_answers(wrong)


async def test_without_a_key_one_can_read_and_is_told_how_to_do_more(rig: Rig, era: str) -> None:
    async with rig.with_era(era).open(sandbox_accounts(keys={})) as worker:
        assert (await worker.call("list_posts"))["posts"]
        task = await first(worker, "list_tasks", "polt")
        says(await worker.refused("commit_task", task_id=task), "bad_call", "POLT_API_KEY", "restart")
        assert (await worker.call("my_work"))["work"] == []
        assert not [sent for sent in worker.wire.sent if sent.method != "GET"]


@pytest.mark.parametrize(
    ("tool", "argument", "markets"),
    [
        ("get_post", "post_id", MARKETS),
        ("get_task", "task_id", ("polt", "opentask")),
        ("commit_task", "task_id", ("polt",)),
        ("place_bid", "task_id", ("opentask",)),
        ("add_reply", "post_id", MARKETS),
        ("upvote_post", "post_id", ("polt", "agentjob")),
        ("submit_response", "task_id", ("agentjob",)),
        ("get_contract", "contract_id", ("opentask",)),
    ],
)
async def test_an_unknown_id_is_refused_by_its_market(
    worker: Worker, tool: str, argument: str, markets: tuple[str, ...]
) -> None:
    more = {"add_reply": {"body": "x"}, "place_bid": {"price": "1 USDC"}, "submit_response": {"text": "x"}}
    for market in markets:
        refusal = await worker.refused(tool, **{argument: f"{market}:{UNKNOWN}"}, **more.get(tool, {}))
        says(refusal, "refused", "found")
    await still_answers(worker)


async def test_an_id_that_may_belong_to_two_markets_is_asked_for_with_its_market(both: Worker) -> None:
    refusal = await both.refused("get_task", task_id=UNKNOWN)
    says(refusal, "bad_call", "`market:id`", "polt, opentask")
    assert both.wire.sent == []


async def test_an_id_is_taken_without_its_market_where_only_one_can_be_meant(both: Worker) -> None:
    seen = await first(both, "list_tasks", "opentask")
    task = await both.call("get_task", task_id=seen.partition(":")[2])
    assert task["task"]["id"] == seen
    # Commitments exist on one market only, so nothing needs to have been seen.
    says(await both.refused("commit_task", task_id=UNKNOWN), "refused", "POLT", "404")


async def test_an_id_of_a_market_that_cannot_do_this_is_refused_unsent(both: Worker) -> None:
    says(await both.refused("commit_task", task_id=f"opentask:{UNKNOWN}"), "bad_call", "opentask", "polt")
    says(await both.refused("get_post", post_id=f"ebay:{UNKNOWN}"), "bad_call", "ebay", "polt, agentjob, opentask")
    says(await both.refused("get_post", post_id="polt:../../cto/pending-reviews"), "bad_call", "not an id of POLT")
    two = {"bid_id": f"opentask:{UNKNOWN}", "counter_offer_id": f"polt:{UNKNOWN}"}
    says(await both.refused("respond_to_counter_offer", **two, decision="accept"), "bad_call", "polt")
    assert both.wire.sent == []


async def test_a_market_that_lacks_a_filter_is_left_out_and_named(both: Worker) -> None:
    result = await both.call("list_posts", status="voting")
    assert set(result["feeds"]) == {"polt"}
    assert result["skipped"] == {
        "agentjob": "cannot filter by status",
        "opentask": "cannot filter by status",
    }
    assert all(post["status"] == "voting" for post in result["posts"])
    assert both.wire.to("agentjob") == both.wire.to("opentask") == []


async def test_a_filter_that_no_market_has_is_an_error_that_names_those_there_are(rig: Rig, era: str) -> None:
    async with rig.with_era(era).open(sandbox_accounts(["agentjob", "opentask"])) as worker:
        refusal = await worker.refused("list_posts", sort="progress")
        says(refusal, "bad_call", "agentjob cannot filter by sort=progress; opentask cannot filter by sort=progress")
        says(refusal, "bad_call", "agentjob by channel, query, sort (new, hot); opentask by query, sort (new).")
        assert worker.wire.sent == []


async def test_filters_that_no_market_has_together_are_named_by_market(both: Worker) -> None:
    refusal = await both.refused("list_tasks", difficulty="hard", skill="python")
    says(refusal, "bad_call", "polt cannot filter by skill; opentask cannot filter by difficulty")
    refusal = await both.refused("list_tasks", market="opentask", status="completed")
    says(refusal, "bad_call", "opentask cannot filter by status=completed", "status (available)")


async def test_a_minimum_pay_without_a_currency_is_a_wrong_call(both: Worker) -> None:
    says(await both.refused("list_tasks", min_pay=10), "bad_call", "currency")


async def test_a_forged_cursor_goes_to_no_market(both: Worker) -> None:
    action = ListPosts(query="docs")
    for page in ("abc", "-1", "1" * 5000, "\uff11"):
        cursor = encode_cursor(action, {"polt": Position(page)})
        assert cursor is not None
        if len(cursor) <= 4000:
            says(await both.refused("list_posts", query="docs", cursor=cursor), "bad_call", "not one of ours")
    assert both.wire.sent == []


async def test_a_retry_after_beyond_all_numbers_is_a_day_at_most(both: Worker) -> None:
    task = await first(both, "list_tasks", "opentask")
    both.world.faults.add(Fault("rate_limit", market="opentask", seconds=1e300, times=9))
    refusal = await both.refused("place_bid", task_id=task, price="100 USDC")
    assert refusal.content["retry_after_seconds"] == 86_400


async def test_a_cursor_is_good_for_its_own_question_only(both: Worker) -> None:
    cursor = (await both.call("list_posts", limit=2))["next_cursor"]
    says(await both.refused("list_posts", limit=2, cursor=cursor, query="docs"), "bad_call", "other filters")
    says(await both.refused("list_posts", cursor="nonsense"), "bad_call", "not one of ours")
    says(await both.refused("list_tasks", cursor="bnVsbA"), "bad_call", "not one of ours")


async def test_the_rules_of_a_market_come_back_in_its_words(both: Worker) -> None:
    tasks = of("polt", (await both.call("list_tasks", market="polt", limit=50))["tasks"])
    for task in tasks[:3]:
        await both.call("commit_task", task_id=task["id"])
    says(await both.refused("submit_work", work_id=tasks[3]["id"], summary="x"), "refused", "HTTP 409", "not committed")
    says(await both.refused("abandon_task", task_id=tasks[3]["id"]), "refused", "not committed")


async def test_a_fourth_commitment_is_refused_before_it_is_sent(both: Worker) -> None:
    tasks = of("polt", (await both.call("list_tasks", market="polt", limit=50))["tasks"])
    for task in tasks[:3]:
        await both.call("commit_task", task_id=task["id"])
    says(await both.refused("commit_task", task_id=tasks[3]["id"]), "bad_call", "3 commitments", "my_work")
    assert len([route for route in both.wire.to("polt") if route.endswith("/commit")]) == 3
    await both.call("abandon_task", task_id=tasks[0]["id"])
    assert (await both.call("commit_task", task_id=tasks[3]["id"]))["task"]["status"] == "committed"


async def test_a_limit_of_one_market_is_known_before_anything_is_sent(both: Worker) -> None:
    post = await first(both, "list_posts", "opentask")
    says(await both.refused("add_reply", post_id=post, body="x" * 8001), "bad_call", "8001", "8000")
    says(await both.refused("submit_work", work_id=f"opentask:{UNKNOWN}", summary="x"), "bad_call", "deliverable_url")
    assert not [sent for sent in both.wire.sent if sent.method != "GET"]


async def test_a_day_begins_anew_where_nobody_can_tell_how_much_of_it_has_passed(both: Worker) -> None:
    arguments = {"title": "A post of today", "body": "With a body that is long enough."}
    for number in range(3):
        await both.call("create_post", **arguments | {"title": f"Post number {number}"})
    # The clock was set back across a restart; without a new start the posts would count for eleven days.
    both.clock.reboot()
    both.clock.set_wall(both.clock.now() - 10 * 24 * 3600)
    says(await both.refused("create_post", **arguments), "too_soon", "3 posts in 24 h")
    await both.clock.advance(24 * 3600)
    (agentjob,) = (m for m in (await both.call("list_markets"))["markets"] if m["market"] == "agentjob")
    assert agentjob["quota_left"]["posts"] == 3


async def test_a_word_of_a_markets_own_addresses_is_not_an_id(both: Worker) -> None:
    # GET /api/agents/tasks claims a paid question.
    says(await both.refused("get_profile", profile_id="agentjob:tasks"), "bad_call", "'tasks' is not an id of AgentJob")
    says(await both.refused("get_task", task_id="polt:recent"), "bad_call", "'recent' is not an id of POLT")
    assert not both.wire.sent


async def test_a_fourth_post_within_a_day_is_not_sent(both: Worker) -> None:
    for number in range(3):
        await both.call("create_post", title=f"Post number {number}", body="With a body that is long enough.")
    refusal = await both.refused("create_post", title="Once more", body="With a body that is long enough.")
    says(refusal, "too_soon", "3 posts in 24 h")
    assert refusal.content["retry_after_seconds"] == 24 * 3600
    assert times("POST /api/tasks", both.wire.to("agentjob")) == 3
    await both.clock.advance(24 * 3600)
    await both.call("create_post", title="A day later", body="With a body that is long enough.")


async def test_a_post_whose_heartbeat_fails_is_said_not_to_have_been_sent(both: Worker) -> None:
    both.world.faults.add(Fault("status", "agentjob", path="/api/agents/heartbeat", status=500))
    refusal = await both.refused("create_post", title="A title", body="With a body that is long enough.")
    says(refusal, "unavailable", "nothing else was sent", "Nothing was changed", "Try again in a minute")
    assert both.wire.to("agentjob") == ["POST /api/agents/heartbeat"]


# --- what the market does -----------------------------------------------------------------------------------

TROUBLE = {
    "status": "broke (HTTP 500)",
    "malformed": "unreadable",
    "huge": "larger than 2 MiB",
    "drop_after": "connection broke",
    "redirect": "a redirect to http://127.0.0.1:9/elsewhere, which is not followed",
}


@pytest.mark.parametrize("kind", TROUBLE)
async def test_a_read_that_fails_says_why_and_that_nothing_was_changed(both: Worker, kind: str) -> None:
    post = await first(both, "list_posts", "agentjob")
    status = 302 if kind == "redirect" else 500
    both.world.faults.add(Fault(kind, market="agentjob", path="/api/tasks/*", status=status))  # pyright: ignore[reportArgumentType]
    refusal = await both.refused("get_post", post_id=post)
    advice = "AGENTJOB_BASE_URL" if kind == "redirect" else "Try again in a minute"
    says(refusal, "unavailable", "AgentJob", TROUBLE[kind], advice)
    await still_answers(both)
    # The failed try counts: a market in trouble is not asked again at once.
    assert "failed" in (again := (await both.refused("get_post", post_id=post)).text) or "unreadable" in again
    assert times(f"GET /api/tasks/{post.partition(':')[2]}", both.wire.to("agentjob")) == 1
    await both.clock.advance(60)
    assert (await both.call("get_post", post_id=post))["post"]["id"] == post


@pytest.mark.parametrize("kind", TROUBLE)
async def test_a_write_whose_answer_is_lost_is_sent_once_and_said_to_be_unknown(both: Worker, kind: str) -> None:
    task = await first(both, "list_tasks", "polt")
    status = 302 if kind == "redirect" else 500
    both.world.faults.add(Fault(kind, market="polt", method="POST", status=status, times=5))  # pyright: ignore[reportArgumentType]
    refusal = await both.refused("commit_task", task_id=task)
    assert refusal.content["error"] == "outcome_unknown" and refusal.content["effect"] == "unknown"
    assert "Whether it took effect is unknown." in refusal.text and "Do not repeat it blindly" in refusal.text
    assert "Nothing was changed" not in refusal.text
    assert times(f"POST /api/tasks/{task.partition(':')[2]}/commit", both.wire.to("polt")) == 1
    both.world.faults.clear()
    # What the error tells the model to do, it can do at once: the held answer is known to be out of date.
    found = (await both.call("get_task", task_id=task))["task"]["status"]
    assert found == ("available" if kind in {"status", "redirect"} else "committed")


async def test_a_market_that_asks_for_patience_is_quoted(both: Worker) -> None:
    task = await first(both, "list_tasks", "opentask")
    both.world.faults.add(Fault("rate_limit", market="opentask", seconds=17, times=9))
    bid = await both.refused("place_bid", task_id=task, price="100 USDC")
    says(bid, "refused", "HTTP 429", "Too many requests")
    assert bid.content["retry_after_seconds"] == 17 and "17" in bid.text
    # Until then nothing else is sent there.
    for refusal in (await both.refused("get_task", task_id=task), await both.refused("list_bids")):
        assert refusal.content["error"] == "too_soon" and refusal.content["retry_after_seconds"] == 17
        assert "Too many requests" in refusal.text
    await both.clock.advance(17)
    # A read has used its slot up, so the interval is the earliest, whatever the market would allow.
    read = await both.refused("get_task", task_id=task)
    assert read.content["retry_after_seconds"] == 60
    posts = await both.call("list_posts")
    assert "opentask" not in posts.get("skipped", {}), "the held page needs no market"
    await still_answers(both)


async def test_a_market_in_trouble_does_not_keep_the_others_from_answering(both: Worker) -> None:
    both.world.faults.add(Fault("rate_limit", market="opentask", seconds=17))
    both.world.faults.add(Fault("malformed", market="polt"))
    result = await both.call("list_posts")
    assert set(result["feeds"]) == {"agentjob"} and result["posts"]
    assert "HTTP 429" in result["skipped"]["opentask"] and "retry_after_seconds: 60" in result["skipped"]["opentask"]
    assert "unreadable" in result["skipped"]["polt"]


async def test_when_no_market_answers_the_error_names_each(both: Worker) -> None:
    both.world.faults.add(Fault("status", times=3))
    refusal = await both.refused("list_posts")
    says(refusal, "unavailable", "polt:", "agentjob:", "opentask:", "HTTP 500")


async def test_what_every_market_refuses_is_refused_and_not_unavailable(both: Worker) -> None:
    both.world.faults.add(Fault("status", times=3, status=401))
    refusal = await both.refused("list_posts")
    says(refusal, "refused", "polt:", "agentjob:", "opentask:", "HTTP 401")


LOST: dict[str, tuple[Exception, str]] = {
    "time-out": (httpx2.ReadTimeout("slow"), "no answer in time"),
    "reset": (httpx2.ReadError("reset"), "connection broke"),
}


@pytest.mark.parametrize("how", LOST)
async def test_an_answer_that_never_comes_leaves_a_write_unknown_and_a_read_unharmed(both: Worker, how: str) -> None:
    task = await first(both, "list_tasks", "polt")
    both.wire.broken, words = LOST[how]
    says(await both.refused("get_task", task_id=task), "unavailable", words)
    refusal = await both.refused("commit_task", task_id=task)
    assert refusal.content["error"] == "outcome_unknown" and words in refusal.text
    assert times(f"POST /api/tasks/{task.partition(':')[2]}/commit", both.wire.to("polt")) == 1
    both.wire.broken = None
    await still_answers(both)


async def test_what_cannot_have_arrived_is_no_unknown_outcome(both: Worker) -> None:
    task = await first(both, "list_tasks", "polt")
    both.wire.broken = httpx2.ConnectError("no route")
    says(await both.refused("commit_task", task_id=task), "unavailable", "cannot be reached")
    both.wire.broken = None
    assert (await both.call("commit_task", task_id=task))["task"]["status"] == "committed"


async def test_a_market_that_drips_is_given_up_on(rig: Rig, era: str) -> None:
    async with rig.with_era(era).open(timeouts=Timeouts(write=0.05)) as worker:
        task = await first(worker, "list_tasks", "polt")
        rig.world.faults.add(Fault("latency", market="polt", method="POST", seconds=3600))
        refusal = await worker.refused("commit_task", task_id=task)
        assert refusal.content["error"] == "outcome_unknown" and "no answer within 0.05 s" in refusal.text
        assert worker.wire.waiting == 0


async def test_a_redirect_takes_no_key_anywhere() -> None:
    hosts: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        hosts.append(request.url.host)
        return httpx2.Response(307, headers={"location": "http://elsewhere.invalid/"})

    async with new_client({"all://": httpx2.MockTransport(answer)}) as client:
        assert (await client.get("http://market.invalid/", headers={"authorization": "Bearer x"})).status_code == 307
    assert hosts == ["market.invalid"]


# --- keys ---------------------------------------------------------------------------------------------------


async def test_no_key_stands_in_any_result_error_log_or_state_file(
    both: Worker, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    said: list[str] = []

    async def say(tool: str, /, **arguments: object) -> Json:
        _, text, content = await both.ask(tool, **arguments)
        said.extend((text, str(content)))
        return content

    post = await first(both, "list_posts", "polt")
    task = await first(both, "list_tasks", "opentask")
    for tool in set(await both.names()) - {"get_next_task"}:
        await say(tool)
    await say("upvote_post", post_id=post)
    await say("place_bid", task_id=task, price="100 USDC")
    await say("create_post", title="A new post", body="With a body that is long enough.")
    await say("get_next_task", wait_seconds=0)
    for kind in (*TROUBLE, "rate_limit"):
        both.world.faults.add(Fault(kind, times=3))  # pyright: ignore[reportArgumentType]
        await both.clock.advance(61)
        await say("list_posts")
        await say("add_reply", post_id=post, body="x")
        both.world.faults.clear()
    for broken in (*(error for error, _ in LOST.values()), httpx2.ConnectError("x"), RuntimeError("a bug of ours")):
        both.wire.broken = broken
        await both.clock.advance(61)
        await say("get_task", task_id=task)
        await say("add_reply", post_id=post, body="x")
    both.wire.broken = None
    kept = kept_in(tmp_path)
    captured = capfd.readouterr()
    for key in KEYS.values():
        assert key not in "".join(said)
        assert key.encode() not in kept
        assert key not in captured.out + captured.err + caplog.text
    assert any(key in str(sent.headers) for sent in both.wire.sent for key in KEYS.values())


async def test_a_bug_of_ours_is_told_without_its_words_and_the_next_call_answers(both: Worker) -> None:
    task = await first(both, "list_tasks", "polt")
    both.wire.broken = RuntimeError("a detail with polt_sandbox_you in it")
    well, text, _ = await both.ask("get_task", task_id=task)
    assert not well and "detail" not in text
    both.wire.broken = None
    await still_answers(both)
    await both.clock.advance(61)
    assert (await both.call("get_task", task_id=task))["task"]


async def test_two_accounts_of_one_kind_are_told_apart_by_name(rig: Rig) -> None:
    (account,) = sandbox_accounts(["polt"])
    async with rig.open([account, replace(account, name="second")]) as worker:
        assert "Which market is meant?" in (await worker.refused("verify_key")).text
        result = await worker.call("verify_key", market="second")
        assert result["market"] == "second" and result["account"]["id"].startswith("second:")
