"""Being online for paid chats is never an accident, and a claimed chat is never lost."""

import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from market_mcp.accounts import Presence
from market_mcp.sandbox.faults import Fault
from rig import Json, Retold, Rig, Worker, of, pay_for, sandbox_accounts, times

pytestmark = pytest.mark.anyio

BEAT, POLL = "POST /api/agents/heartbeat", "GET /api/agents/tasks"
POST: dict[str, object] = {"title": "A new post", "body": "With a body that is long enough."}


def beats(worker: Worker) -> int:
    return times(BEAT, worker.wire.to("agentjob"))


async def presence(worker: Worker) -> Json:
    """What list_markets says of being online."""
    markets = (await worker.call("list_markets"))["markets"]
    return next(one["presence"] for one in markets if one["market"] == "agentjob")


async def meanwhile(worker: Worker, seconds: float, call: Callable[[], Coroutine[Any, Any, Json]]) -> Json:
    """What a call brings while so many seconds pass."""
    found: list[Json] = []

    async def ask() -> None:
        found.append(await call())

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await worker.clock.advance(seconds)
    return found[0]


# --- never by accident --------------------------------------------------------------------------------------


async def test_nobody_comes_online_by_starting_listing_or_looking(both: Worker) -> None:
    await both.client.list_tools()
    posts = (await both.call("list_posts"))["posts"]
    for post in posts[:3]:
        await both.call("get_post", post_id=post["id"])
    for tool in ("list_markets", "my_work", "check_inbox", "list_agents", "list_tasks", "list_bids"):
        await both.call(tool)
    await both.call("upvote_post", post_id=of("agentjob", posts)[0]["id"])
    await both.clock.advance(600)
    assert beats(both) == 0
    assert await presence(both) == {"mode": "auto", "online": False}


@pytest.mark.parametrize("mode", ["auto", "off"])
async def test_a_beat_goes_out_just_before_a_post_or_a_reply(rig: Rig, era: str, mode: Presence) -> None:
    (account,) = sandbox_accounts(["agentjob"])
    async with rig.with_era(era).open([replace(account, presence=mode)]) as worker:
        post = (await worker.call("create_post", **POST))["post_id"]
        assert worker.wire.to("agentjob") == [BEAT, "POST /api/tasks"]
        await worker.call("add_reply", post_id=post, body="And one thing more.")
        # The market still counts the agent as online, so one beat was enough for both.
        assert beats(worker) == 1 and (await presence(worker))["online"]
        await worker.clock.advance(121)
        assert not (await presence(worker))["online"]
        await worker.call("add_reply", post_id=post, body="And another.")
        assert worker.wire.to("agentjob")[-2:] == [BEAT, f"POST /api/tasks/{post.partition(':')[2]}/replies"]
        await worker.clock.advance(600)
        assert beats(worker) == 2


async def test_other_markets_need_no_beat_for_a_reply(both: Worker) -> None:
    posts = (await both.call("list_posts"))["posts"]
    for market in ("polt", "opentask"):
        await both.call("add_reply", post_id=of(market, posts)[0]["id"], body="Hello.")
    assert beats(both) == 0


async def test_a_post_whose_beat_fails_is_not_sent(both: Worker) -> None:
    both.world.faults.add(Fault("status", market="agentjob", path="/api/agents/heartbeat"))
    refusal = await both.refused("create_post", **POST)
    assert "HTTP 500" in refusal.text
    assert both.wire.to("agentjob") == [BEAT]
    assert (await both.call("create_post", **POST))["post_id"]


# --- while the agent asks for questions ---------------------------------------------------------------------


async def test_a_beat_goes_out_every_45_seconds_until_3_minutes_after_the_last_call(both: Worker) -> None:
    await both.call("get_next_task", wait_seconds=0)
    assert both.wire.to("agentjob") == [BEAT, POLL]
    assert await presence(both) == {"mode": "auto", "online": True, "kept_online": "while you call get_next_task"}
    counts: list[int] = []
    for _ in range(8):
        await both.clock.advance(45)
        counts.append(beats(both))
    assert counts == [2, 3, 4, 4, 4, 4, 4, 4]
    assert await presence(both) == {"mode": "auto", "online": False}


async def test_every_call_keeps_the_agent_online_for_longer(both: Worker) -> None:
    for _ in range(4):
        await both.call("get_next_task", wait_seconds=0)
        await both.clock.advance(150)
    assert (await presence(both))["online"]
    assert beats(both) == 1 + 600 // 45


async def test_two_servers_on_one_state_beat_no_more_often_than_one(rig: Rig) -> None:
    async with rig.open() as one, rig.open() as two:
        await one.call("get_next_task", wait_seconds=0)
        await two.call("get_next_task", wait_seconds=0)
        await rig.clock.advance(170)
        assert beats(one) + beats(two) <= 1 + 170 // 45
        assert (await presence(one))["online"] and (await presence(two))["online"]


async def test_the_agent_is_online_while_the_server_runs_if_its_user_says_so(rig: Rig) -> None:
    (account,) = sandbox_accounts(["agentjob"])
    async with rig.open([replace(account, presence="on")]) as worker:
        await worker.clock.advance(900)
        assert beats(worker) == 1 + 900 // 45
        assert (await presence(worker))["kept_online"] == "while the server runs"


async def test_with_presence_off_asking_for_questions_brings_nobody_online(rig: Rig, era: str) -> None:
    (account,) = sandbox_accounts(["agentjob"])
    async with rig.with_era(era).open([replace(account, presence="off")]) as worker:
        result = await worker.call("get_next_task", wait_seconds=0)
        assert result["chat"] is None and "presence is off" in result["message"]
        assert worker.wire.to("agentjob") == [POLL]


async def test_a_beat_that_fails_is_tried_again_in_45_seconds(both: Worker) -> None:
    await both.call("get_next_task", wait_seconds=0)
    both.world.faults.add(Fault("status", market="agentjob", path="/api/agents/heartbeat"))
    await both.clock.advance(45)
    assert (await presence(both))["online"]
    await both.clock.advance(45)
    assert beats(both) == 3
    assert (await presence(both))["online"]


def asked_for(*seconds: object) -> Callable[[str, Json], Json]:
    """The square's answers, but that each answer to a heartbeat says the next of these, the last one for ever."""
    said = list(seconds)

    def retell(path: str, answer: Json) -> Json:
        if path != "/agentjob/api/agents/heartbeat":
            return answer
        return {"data": {"next_heartbeat_in_seconds": said.pop(0) if len(said) > 1 else said[0]}}

    return retell


@pytest.mark.parametrize(
    ("asked", "every"),
    [(10, 10), ("20", 20), (45.5, 45.5), (90, 90), (0, 5), (-3, 5), (1, 5), (115, 110), (86_400, 110), (None, 45),
     ("soon", 45), (True, 45)],
)  # fmt: skip
async def test_the_next_beat_goes_out_when_the_market_asks_for_it_but_never_too_late_to_stay_online(
    rig: Rig, asked: object, every: float
) -> None:
    (account,) = sandbox_accounts(["agentjob"])
    market = Retold(rig.market(), asked_for(asked))
    async with rig.open([replace(account, presence="on")], market=market) as worker:
        for count in range(1, 6):
            await worker.clock.advance(every - 0.25)
            assert beats(worker) == count
            assert (await presence(worker))["online"]
            await worker.clock.advance(0.25)
            assert beats(worker) == count + 1


async def test_every_answer_says_anew_when_the_next_beat_is_due(rig: Rig) -> None:
    async with rig.open(market=Retold(rig.market(), asked_for(10, 100, 20))) as worker:
        await worker.call("get_next_task", wait_seconds=0)
        counts: list[int] = []
        for seconds in (9, 1, 99, 1, 20, 20):
            await worker.clock.advance(seconds)
            counts.append(beats(worker))
        assert counts == [1, 2, 2, 3, 4, 5]


async def test_what_the_market_asked_one_server_for_holds_for_every_other_on_the_same_state(rig: Rig) -> None:
    async with rig.open(market=Retold(rig.market(), asked_for(100))) as one:
        await one.call("create_post", **POST)
    async with rig.open(market=Retold(rig.market(), asked_for(20))) as two:
        await two.clock.advance(90)
        await two.call("get_next_task", wait_seconds=0)
        await two.clock.advance(9)
        assert beats(two) == 0
        await two.clock.advance(1)
        assert beats(two) == 1
        await two.clock.advance(20)
        assert beats(two) == 2


async def test_a_post_is_preceded_by_a_beat_as_soon_as_the_market_would_have_had_one(rig: Rig) -> None:
    async with rig.open(market=Retold(rig.market(), asked_for(10))) as worker:
        post = (await worker.call("create_post", **POST))["post_id"]
        await worker.clock.advance(9)
        await worker.call("add_reply", post_id=post, body="And one thing more.")
        assert beats(worker) == 1
        await worker.clock.advance(1)
        await worker.call("add_reply", post_id=post, body="And another.")
        assert beats(worker) == 2


async def test_a_yes_to_a_beat_that_says_nothing_more_keeps_the_agent_online(rig: Rig) -> None:
    def bare(path: str, answer: Json) -> Json:
        return {} if path == "/agentjob/api/agents/heartbeat" else answer

    async with rig.open(market=Retold(rig.market(), bare)) as worker:
        await worker.call("get_next_task", wait_seconds=0)
        await worker.clock.advance(45)
        assert beats(worker) == 2 and (await presence(worker))["online"]


@pytest.mark.parametrize(("asked", "again"), [(10, 10), (110, 45)])
async def test_a_beat_that_fails_is_tried_again_no_later_than_the_usual_beat(rig: Rig, asked: int, again: int) -> None:
    async with rig.open(market=Retold(rig.market(), asked_for(asked))) as worker:
        await worker.call("get_next_task", wait_seconds=0)
        worker.wire.broken = httpx2.ReadError("gone")
        await worker.clock.advance(asked)
        assert beats(worker) == 2
        await worker.clock.advance(again)
        assert beats(worker) == 3


# --- waiting ------------------------------------------------------------------------------------------------


async def test_a_question_that_comes_during_the_wait_is_handed_over_with_its_deadline(both: Worker) -> None:
    robots_ask_after = 2.0
    result = await meanwhile(both, robots_ask_after + 1, lambda: both.call("get_next_task", wait_seconds=30))
    chat = result["chat"]
    assert chat["messages"][-1]["role"] == "user" and chat["messages"][-1]["content"]
    assert (chat["pay"]["amount"], chat["pay"]["currency"]) == ("0.1", "USDC")
    assert chat["seconds_left"] == 290
    sent = both.wire.sent[-1]
    assert (sent.route, sent.query) == (POLL, {"wait": "30"})


async def test_a_wait_without_a_question_ends_with_a_word_about_being_online(rig: Rig, era: str) -> None:
    # A robot asks those who are online, unless it was answered a moment ago.
    async with rig.with_era(era).open() as worker:
        result = await meanwhile(worker, 1.9, lambda: worker.call("get_next_task", wait_seconds=1))
        assert result["chat"] is None and "online for 3 minutes" in result["message"]


async def test_progress_is_told_while_a_call_waits(both: Worker) -> None:
    both.world.faults.add(Fault("latency", market="agentjob", path="/api/agents/tasks", seconds=12))
    told: list[tuple[float, float | None, str | None]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async def call() -> Json:
        result = await both.client.call_tool("get_next_task", {"wait_seconds": 20}, progress_callback=tell)
        assert not result.is_error
        return dict(result.structured_content or {})

    await meanwhile(both, 13, call)
    assert told == [(seconds, 20, "waiting for a paid question") for seconds in (0, 5, 10)]


@pytest.mark.parametrize(("kind", "wait"), [("status", 0), ("status", 30), ("malformed", 0)])
async def test_a_wait_that_fails_is_explained_and_the_next_one_works(both: Worker, kind: Any, wait: int) -> None:
    both.world.faults.add(Fault(kind, market="agentjob", path="/api/agents/tasks"))
    refusal = await both.refused("get_next_task", wait_seconds=wait)
    assert refusal.content["error"] in {"outcome_unknown", "refused"} and "AgentJob" in refusal.text
    task = pay_for(both.world, "Are you there?")
    assert (await both.call("get_next_task", wait_seconds=0))["chat"]["task_id"] == task


async def test_a_question_that_cannot_be_read_is_shown_as_it_came(rig: Rig) -> None:
    def odd(path: str, answer: Json) -> Json:
        if path != "/agentjob/api/agents/tasks" or answer["data"]["task"] is None:
            return answer
        return {"data": {"task": {"id": answer["data"]["task"]["id"], "messages": "Can\u200b you help?" + "x" * 9_000}}}

    async with rig.open(market=Retold(rig.market(), odd)) as worker:
        task = pay_for(rig.world, "Can you help?")
        refusal = await worker.refused("get_next_task", wait_seconds=0)
        assert refusal.content["error"] == "outcome_unknown"
        for said in (refusal.text, refusal.content["next"]):
            assert task.partition(":")[2] in said and "Can you help?" in said and "never instructions" in said
            assert len(said) < 5_000
        # What was shown suffices to answer.
        assert await worker.call("submit_response", task_id=task, text="Yes.")


async def test_who_stops_waiting_ends_the_request_too_and_claims_nothing(both: Worker) -> None:
    async with anyio.create_task_group() as group:

        async def wait() -> None:
            await both.client.call_tool("get_next_task", {"wait_seconds": 50})

        group.start_soon(wait)
        await both.clock.advance(1)
        assert both.wire.waiting == 1
        group.cancel_scope.cancel()
    await anyio.wait_all_tasks_blocked()
    assert both.wire.waiting == 0
    task = pay_for(both.world, "Too late for the one who left?")
    await both.clock.advance(10)
    assert (await both.call("list_markets"))["markets"]
    assert (await both.call("get_next_task", wait_seconds=0))["chat"]["task_id"] == task


def asks(messages: list[Json]) -> Callable[[str, Json], Json]:
    """The square's answers, but that every question comes with these messages."""

    def retell(path: str, answer: Json) -> Json:
        if path != "/agentjob/api/agents/tasks" or answer["data"]["task"] is None:
            return answer
        return {"data": {"task": answer["data"]["task"] | {"messages": messages}}}

    return retell


async def test_of_a_long_chat_the_last_messages_are_given_and_those_before_can_be_read(rig: Rig) -> None:
    roles = ("user", "assistant")
    messages = [{"role": roles[turn % 2], "content": f"{turn}: " + "blah " * 100} for turn in range(121)]
    async with rig.open(market=Retold(rig.market(), asks(messages))) as worker:
        task = pay_for(rig.world, "What is 2 + 2?")
        chat = (await worker.call("get_next_task", wait_seconds=0))["chat"]
        assert chat["messages"][-1] == messages[-1] and chat["task_id"] == task
        read = chat["messages"]
        while "earlier_messages" in chat:
            assert chat["earlier_messages"] + len(read) == 121
            page = await worker.call("get_next_task", messages_before=chat["earlier_messages"])
            chat = page["chat"]
            read = chat["messages"] + read
        assert read == messages
        assert times(POLL, worker.wire.to("agentjob")) == 1


async def test_of_a_message_too_long_for_one_answer_the_end_is_given_first(rig: Rig) -> None:
    text = "Review this: " + "z\n" * 30_000 + "What is the bug?"
    async with rig.open(market=Retold(rig.market(), asks([{"role": "user", "content": text}]))) as worker:
        pay_for(rig.world, "Review?")
        result = await worker.call("get_next_task", wait_seconds=0)
        chat, read = result["chat"], list[Json]()
        assert chat["messages"][-1]["content"].endswith("What is the bug?")
        assert "cut" not in result
        while True:
            read = chat["messages"] + read
            if "earlier_messages" not in chat:
                break
            chat = (await worker.call("get_next_task", messages_before=chat["earlier_messages"]))["chat"]
        assert "".join(part["content"] for part in read) == text
        assert [part["part"] for part in read] == [f"{n} of {len(read)}" for n in range(1, len(read) + 1)]


async def test_earlier_messages_are_those_of_a_claimed_question_and_none_is_claimed_for_them(both: Worker) -> None:
    pay_for(both.world, "Are you there?")
    refusal = await both.refused("get_next_task", messages_before=5)
    assert "No claimed question" in refusal.text and times(POLL, both.wire.to("agentjob")) == 0


# --- claimed chats ------------------------------------------------------------------------------------------


async def test_a_claimed_question_comes_back_first_until_it_is_answered(both: Worker) -> None:
    task = pay_for(both.world, "First?")
    pay_for(both.world, "Second?")
    first = await both.call("get_next_task", wait_seconds=0)
    await both.clock.advance(40)
    again = await both.call("get_next_task", wait_seconds=0)
    assert first["chat"]["task_id"] == again["chat"]["task_id"] == task
    assert again["claimed_before"] is True and again["chat"]["seconds_left"] == 250
    assert again["chat"]["messages"] == first["chat"]["messages"]
    assert times(POLL, both.wire.to("agentjob")) == 1
    owed = (await both.call("my_work", market="agentjob"))["work"]
    assert [(duty["id"], duty["next"]) for duty in owed] == [(task, "submit_response")]
    await both.call("submit_response", task_id=task, text="Yes.")
    assert (await both.call("my_work", market="agentjob"))["work"] == []
    assert (await both.call("get_next_task", wait_seconds=0))["chat"]["task_id"] != task


async def test_a_claimed_question_comes_back_first_after_a_restart(rig: Rig, era: str) -> None:
    rig = rig.with_era(era)
    task = pay_for(rig.world, "Will you remember me?")
    async with rig.open() as before:
        claimed = await before.call("get_next_task", wait_seconds=0)
    await rig.clock.advance(60)
    async with rig.open() as after:
        assert (await after.call("list_markets"))["markets"][1]["chats_to_answer"] == 1
        chat = (await after.call("get_next_task", wait_seconds=0))["chat"]
        assert chat["task_id"] == task and chat["messages"] == claimed["chat"]["messages"]
        assert chat["answer_by"] == claimed["chat"]["answer_by"] and chat["seconds_left"] == 230
        await after.call("submit_response", task_id=task, text="I do.")
    async with rig.open() as third:
        assert (await third.call("list_markets"))["markets"][1]["chats_to_answer"] == 0


async def test_a_question_that_cannot_be_answered_in_time_is_not_handed_over_again(both: Worker) -> None:
    task = pay_for(both.world, "Quickly, please?")
    await both.call("get_next_task", wait_seconds=0)
    await both.clock.advance(291)
    assert (await both.call("my_work", market="agentjob"))["work"] == []
    await both.clock.advance(20)
    refusal = await both.refused("submit_response", task_id=task, text="Too late.")
    assert "HTTP 409" in refusal.text and "5 minutes" in refusal.text


async def test_questions_of_another_day_are_forgotten_when_one_is_claimed(both: Worker, tmp_path: Path) -> None:
    tasks: list[str] = []
    for gap in (3600, 24 * 3600 + 1, 0):
        pay_for(both.world, "And now?")
        tasks.append((await both.call("get_next_task", wait_seconds=0))["chat"]["task_id"])
        await both.call("submit_response", task_id=tasks[-1], text="Now.")
        await both.clock.advance(gap)
    with closing(sqlite3.connect(tmp_path / "state.db")) as db:
        assert db.execute("SELECT * FROM claim").fetchall() == []


async def test_an_answer_that_is_lost_is_sent_once_and_the_question_stays_open(both: Worker) -> None:
    task = pay_for(both.world, "Did you get that?")
    await both.call("get_next_task", wait_seconds=0)
    both.world.faults.add(Fault("drop_after", market="agentjob", path="*/response", times=5))
    refusal = await both.refused("submit_response", task_id=task, text="Yes.")
    assert refusal.content["error"] == "outcome_unknown"
    answers = [route for route in both.wire.to("agentjob") if route.endswith("/response")]
    assert len(answers) == 1
    both.world.faults.clear()
    # The same text again settles it: the market took the first one, and says so.
    assert "HTTP 409" in (await both.refused("submit_response", task_id=task, text="Yes.")).text
    assert (await both.call("my_work", market="agentjob"))["work"] == []
