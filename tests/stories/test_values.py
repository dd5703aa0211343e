"""Markets that say what their documents say in other forms: what they say is understood, and nothing of it is lost."""

import json
import random
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from clocks import ManualClock
from market_mcp.actions.hiring import CreateTask
from market_mcp.markets.reply import as_json
from market_mcp.markets.row import sends
from market_mcp.sandbox.world import OTHER_KEYS, World
from market_mcp.text.times import seconds
from rig import Json, Retold, Rig, Worker, json_of, sandbox_accounts
from story import live

pytestmark = pytest.mark.anyio

IN_FORMS = [
    1795687200,
    1795687200000,
    "1795687200",
    "1795687200000",
    "Thu, 26 Nov 2026 11:00:00 +0100",
    "2026-11-26T12:00:00+02:00",
    "2026-11-26 10:00:00 UTC",
]
"""2026-11-26T10:00:00Z, as markets write it."""

Answers = Mapping[str, object | Callable[[], object]]


def market(answers: Answers) -> httpx2.AsyncBaseTransport:
    """Markets that answer `GET /polt/api/tasks` and the like: with a JSON value, or a response; with `{}` to others."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        said = answers.get(f"{request.method} {request.url.path}", {})
        said = said() if callable(said) else said
        return said if isinstance(said, httpx2.Response) else httpx2.Response(200, json=said)

    return httpx2.MockTransport(handle)


def at(rig: Rig, kind: str, answers: Answers) -> AbstractAsyncContextManager[Worker]:
    """A client at a server on one market that answers so, by the paths below its address."""
    paths = {route.replace(" ", f" /{kind}", 1): said for route, said in answers.items()}
    return rig.open(sandbox_accounts([kind]), market=market(paths))


ME = {"GET /api/agent/me": {"profile": {"id": "p-me", "handle": "me"}}}
"""OpenTask says whose key it is."""


# --- money --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "budget",
    [
        {"budgetAmount": "500.00"},
        {"budgetAmount": 500},
        {"budgetAmount": 500.0},
        {"budgetAmount": None, "budgetText": "500 USDC"},
        {"budgetAmount": {"amount": "500.00", "currency": "USDC"}},
    ],
)
async def test_pay_is_found_in_whatever_form_a_budget_comes(rig: Rig, budget: Json) -> None:
    task = {"id": "a", "title": "A", "budgetCurrency": "USDC", **budget}
    async with at(rig, "opentask", {"GET /api/tasks": {"tasks": [task]}}) as worker:
        [found] = (await worker.call("list_tasks", min_pay=100, currency="USDC"))["tasks"]
    assert (found["pay"]["amount"], found["pay"]["currency"]) == ("500", "USDC")


@pytest.mark.parametrize("amount", ["0.1000000000000000055", "12345678901234567890.123456789", "9007199254740993"])
@pytest.mark.parametrize("quote", ["", '"'])
async def test_every_digit_of_an_amount_is_told(rig: Rig, amount: str, quote: str) -> None:
    body = f'{{"tasks": [{{"id": "a", "title": "A", "payout": null, "payout_amount": {quote}{amount}{quote}}}]}}'
    answer = httpx2.Response(200, content=body, headers={"content-type": "application/json"})
    async with at(rig, "polt", {"GET /api/tasks": answer}) as worker:
        [found] = (await worker.call("list_tasks"))["tasks"]
    assert found["pay"]["amount"] == amount


@pytest.mark.parametrize("amount", ["0.1000000000000000055", "12345678901234567890.123456789", "500", "1E+3"])
def test_a_decimal_is_put_into_a_body_digit_for_digit(amount: str) -> None:
    call = CreateTask.model_validate({"title": "A task", "description": "x" * 20, "budget_amount": amount})
    body = sends(budgetAmount="budget_amount")(call, None)
    assert as_json(body) == f'{{"budgetAmount":{amount}}}'
    assert json.loads(json.dumps(body)) == {"budgetAmount": float(amount)}


@pytest.mark.parametrize("amount", ["0.1000000000000000055", "12345678901234567890.123456789"])
async def test_every_digit_of_an_amount_is_sent(rig: Rig, amount: str) -> None:
    sent: list[bytes] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.content)
        return httpx2.Response(201, json={"task": {"id": "t1", "title": "A task"}})

    async with rig.open(sandbox_accounts(["opentask"]), market=httpx2.MockTransport(handle)) as worker:
        await worker.call("create_task", title="A task", description="x" * 20, budget_amount=amount)
    assert f'"budgetAmount":{amount}'.encode() in sent[0]


# --- times --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", IN_FORMS)
async def test_a_deadline_is_told_in_utc_and_can_be_filtered_by(rig: Rig, given: object) -> None:
    answer = {"tasks": [{"id": "a", "title": "A", "deadline": given}, {"id": "b", "title": "B", "deadline": "soon"}]}
    async with at(rig, "polt", {"GET /api/tasks": answer}) as worker:
        [found] = (await worker.call("list_tasks", due_before="2026-11-27"))["tasks"]
        assert found["deadline"] == "2026-11-26T10:00:00Z"
        assert (await worker.call("list_tasks"))["tasks"][1]["deadline"] == "soon"


TIMED = {"createdAt", "created_at", "updatedAt", "updated_at", "submitted_at", "deadline"}


def in_epoch(answer: Any) -> Any:
    """An answer in which every time is a number of milliseconds."""
    if isinstance(answer, list):
        return [in_epoch(inner) for inner in cast("list[Any]", answer)]
    if not isinstance(answer, dict):
        return answer
    fields = cast("Json", answer)
    times = {name: seconds(when) for name, when in fields.items() if name in TIMED and when}
    return {name: in_epoch(inner) for name, inner in fields.items()} | {
        name: int(when * 1000) for name, when in times.items() if when
    }


async def test_a_whole_working_life_is_told_alike_whether_times_are_texts_or_numbers(
    first_day: Path, tmp_path: Path
) -> None:
    told: list[list[tuple[str, object, object]]] = []
    for name in ("texts", "numbers"):
        (tmp_path / name).mkdir()
        clock = ManualClock()
        world = World(Path(shutil.copy(first_day, tmp_path / name / "world.db")), clock, pace=0, rng=random.Random(8))
        rig = Rig(world, clock, tmp_path / name)
        market = Retold(rig.market(), lambda _, answer: in_epoch(answer)) if name == "numbers" else rig.market()
        others = sandbox_accounts(keys=OTHER_KEYS)
        async with rig.open(market=market) as you, rig.open(others, market=market, state="other.db") as other:
            told.append((await live(you, other, clock)).plain())
        world.close()
    for line, same in zip(*told, strict=True):
        assert line == same


# --- counts and news ----------------------------------------------------------------------------------------

UNREAD, NOTIFICATIONS = "GET /api/agent/notifications/unread-count", "GET /api/agent/notifications"
NOTED = {"notifications": [{"id": "n1", "type": "bid_accepted"}]}


@pytest.mark.parametrize(
    "count",
    [{"count": "2"}, {"count": {"unread": 2}}, {"data": {"count": 2}}, {"data": 2}, {"unreadCount": None, "count": 2}],
)
async def test_unread_notifications_are_told_in_whatever_form_they_are_counted(rig: Rig, count: Json) -> None:
    async with at(rig, "opentask", {UNREAD: count, NOTIFICATIONS: NOTED}) as worker:
        assert [item["id"] for item in (await worker.call("check_inbox"))["changes"]] == ["opentask:n1"]


@pytest.mark.parametrize("count", [{"count": "0"}, {"data": {"unread": 0}}, {"count": {"total": 0}}])
async def test_a_count_of_zero_in_any_form_spares_the_list(rig: Rig, count: Json) -> None:
    async with at(rig, "opentask", {UNREAD: count, NOTIFICATIONS: NOTED}) as worker:
        assert "Nothing new" in (await worker.call("check_inbox"))["message"]
        assert NOTIFICATIONS not in worker.wire.to("opentask")


@pytest.mark.parametrize("count", [{}, {"count": "many"}, {"count": None}, {"badge": True}, httpx2.Response(204)])
async def test_a_count_that_cannot_be_read_is_no_count_of_zero(rig: Rig, count: object) -> None:
    async with at(rig, "opentask", {UNREAD: count, NOTIFICATIONS: NOTED}) as worker:
        assert [item["id"] for item in (await worker.call("check_inbox"))["changes"]] == ["opentask:n1"]


# --- statuses -----------------------------------------------------------------------------------------------


def contract(status: object) -> Json:
    return {"id": "c1", "status": status, "seller": {"handle": "me"}, "buyer": {"handle": "you"}}


async def owed(rig: Rig, **lists: list[Json]) -> list[Json]:
    """What is owed on an OpenTask with these bids and contracts."""
    lists = {"bids": [], "contracts": [], **lists}
    answers = {f"GET /api/agent/{name}": {name: items} for name, items in lists.items()}
    offers = {"GET /api/agent/bids/b1/counter-offers": {"counterOffers": [{"id": "o1", "status": "Pending"}]}}
    async with at(rig, "opentask", {**ME, **answers, **offers}) as worker:
        return list((await worker.call("my_work"))["work"])


@pytest.mark.parametrize("status", ["in_progress", "IN_PROGRESS", "In Progress", "in-progress", "inProgress"])
async def test_a_status_counts_in_any_case(rig: Rig, status: str) -> None:
    [duty] = await owed(rig, contracts=[contract(status)])
    assert (duty["what"], duty["next"]) == ("deliver", "submit_work")


@pytest.mark.parametrize("status", ["disputed", "payment_pending", "Payment Pending", "争议中"])
async def test_a_status_that_is_not_known_is_shown_to_be_looked_at(rig: Rig, status: str) -> None:
    duties = await owed(rig, contracts=[contract(status)], bids=[{"id": "b1", "status": status}])
    assert {(duty["id"], duty["next"]) for duty in duties} == {
        ("opentask:c1", "get_contract"),
        ("opentask:b1", "get_bid"),
    }
    assert all(status in duty["what"] for duty in duties)


async def test_what_names_no_status_is_shown_to_be_looked_at(rig: Rig) -> None:
    [duty] = await owed(rig, contracts=[contract(None)])
    assert "no status" in duty["what"] and duty["next"] == "get_contract"


@pytest.mark.parametrize("status", ["accepted", "ACCEPTED", "Cancelled", "completed"])
async def test_what_is_over_is_no_duty_in_any_case(rig: Rig, status: str) -> None:
    assert await owed(rig, contracts=[contract(status)], bids=[{"id": "b1", "status": status}]) == []


async def test_offers_on_a_bid_are_looked_up_in_any_case(rig: Rig) -> None:
    duties = await owed(rig, bids=[{"id": "b1", "status": "ACTIVE"}])
    assert {duty["what"] for duty in duties} == {"answer the counter-offer", "wait for the owner's answer to your bid"}


TAKEN = ["completed", "Closed", "COMMITTED", "in-review", "Cancelled", "assigned"]


async def test_available_work_is_none_that_says_it_is_not(rig: Rig) -> None:
    tasks = [{"id": f"t{n}", "title": "T", "status": status} for n, status in enumerate(TAKEN)]
    free = [{"id": "a", "title": "A", "status": "AVAILABLE"}, {"id": "b", "title": "B"}]
    free.append({"id": "c", "title": "C", "status": "reopened"})
    for kind, route in (("polt", "GET /api/tasks"), ("opentask", "GET /api/tasks")):
        async with at(rig, kind, {route: {"tasks": tasks + free}}) as worker:
            found = (await worker.call("list_tasks", market=kind))["tasks"]
        assert [task["id"] for task in found] == [f"{kind}:{name}" for name in "abc"]
    async with at(rig, "polt", {"GET /api/tasks/recent": {"tasks": tasks + free}}) as worker:
        told = (await worker.call("check_inbox"))["changes"]
    assert [item["id"] for item in told] == [f"polt:{name}" for name in "abc"]


async def test_what_was_asked_for_by_difficulty_or_phase_does_not_say_otherwise(rig: Rig) -> None:
    tasks = [{"id": name, "title": name, "difficulty": name} for name in ("Easy", "hard", "odd")]
    async with at(rig, "polt", {"GET /api/tasks": {"tasks": tasks}}) as worker:
        found = (await worker.call("list_tasks", difficulty="easy"))["tasks"]
    assert [task["title"] for task in found] == ["Easy", "odd"]
    projects = [{"id": name, "title": name, "status": name} for name in ("Voting", "live", "paused")]
    async with at(rig, "polt", {"GET /api/projects": {"projects": projects}}) as worker:
        posts = (await worker.call("list_posts", status="voting"))["posts"]
    assert [post["title"] for post in posts] == ["Voting", "paused"]


async def test_a_project_lists_its_available_tasks_and_those_that_name_no_status(rig: Rig) -> None:
    tasks = [{"id": "a", "title": "A"}, {"id": "b", "title": "B", "status": "done"}]
    tasks.append({"id": "c", "title": "C", "status": "Available"})
    async with at(rig, "polt", {"GET /api/projects/p1/tasks": {"tasks": tasks}}) as worker:
        found = (await worker.call("list_tasks", project_id="polt:p1"))["tasks"]
    assert [task["title"] for task in found] == ["A", "C"]


# --- order --------------------------------------------------------------------------------------------------

OLD = {"id": "s1", "status": "rejected", "feedback": "OLD", "created_at": "2026-11-20T10:00:00Z"}
NEW = {"id": "s2", "status": "Needs Revision", "feedback": "NEW", "created_at": 1795600800}


@pytest.mark.parametrize("submissions", [[OLD, NEW], [NEW, OLD]])
async def test_the_newest_review_counts_wherever_it_stands(rig: Rig, submissions: list[Json]) -> None:
    task = {"id": "t1", "title": "T", "status": "committed"}
    answers: Answers = {
        "POST /api/auth/verify": {"agent": {"username": "me"}},
        "GET /api/agents/me/committed-tasks": {"tasks": [task]},
        "GET /api/tasks/t1": {"task": {**task, "submissions": submissions}},
        "POST /api/tasks/t1/submit": {"submission": {"id": "s2"}},
    }
    async with at(rig, "polt", answers) as worker:
        [duty] = (await worker.call("my_work"))["work"]
        assert duty["reason"] == "NEW" and "revise" in duty["what"]
        await worker.call("submit_work", work_id="polt:t1", summary="Done.")
        [item] = (await worker.call("check_inbox"))["changes"]
        assert (item["review"], item["feedback"]) == ("Needs Revision", "NEW")


@pytest.mark.parametrize("status", ["pending", "PENDING"])
async def test_a_review_that_is_still_to_come_is_no_news(rig: Rig, status: str) -> None:
    task = {"id": "t1", "title": "T", "submissions": [{"id": "s1", "status": status}]}
    answers: Answers = {"POST /api/tasks/t1/submit": {"submission": {"id": "s1"}}, "GET /api/tasks/t1": {"task": task}}
    async with at(rig, "polt", answers) as worker:
        await worker.call("submit_work", work_id="polt:t1", summary="Done.")
        assert (await worker.call("check_inbox"))["changes"] == []


async def test_the_newest_reply_is_the_one_that_is_quoted(rig: Rig) -> None:
    replies = [
        {"id": "r2", "body": "Newer.", "createdAt": 1795687200},
        {"id": "r1", "body": "Older.", "createdAt": "2026-11-25T10:00:00Z"},
    ]
    answers: Answers = {
        "POST /api/agents/heartbeat": {"data": {}},
        "POST /api/tasks": {"data": {"id": "p1"}},
        "GET /api/tasks/p1": {"data": {"id": "p1", "title": "A post", "replies": replies}},
    }
    async with at(rig, "agentjob", answers) as worker:
        await worker.call("create_post", title="A title", body="x" * 30)
        [item] = (await worker.call("check_inbox"))["changes"]
    assert (item["replies"], item["latest"]) == (2, "Newer.")


# --- texts, lists, ids --------------------------------------------------------------------------------------


async def test_objects_where_texts_are_expected_are_kept(rig: Rig) -> None:
    task = {
        "id": "t1",
        "title": {"text": "Write docs"},
        "description": ["First part.", {"text": "Second part."}],
        "skillsTags": [{"name": "python"}, {"slug": "d", "label": "docs"}],
        "acceptanceCriteria": [{"text": "It runs, and fast.", "required": True}, {"check": "lint", "level": 2}],
    }
    async with at(rig, "opentask", {"GET /api/agent/tasks/t1": {"task": task}}) as worker:
        found = (await worker.call("get_task", task_id="opentask:t1"))["task"]
    assert (found["title"], found["description"]) == ("Write docs", "First part.\nSecond part.")
    assert found["skills"] == ["python", "docs"]
    assert found["criteria"] == ["It runs, and fast.", '{"check":"lint","level":2}']


async def test_skills_in_one_text_are_a_list(rig: Rig) -> None:
    agent = {"id": "a1", "name": "A", "customSkillTags": None, "skills": "python, docs"}
    async with at(rig, "agentjob", {"GET /api/agents/a1": {"data": agent}}) as worker:
        assert (await worker.call("get_profile", profile_id="agentjob:a1"))["profile"]["skills"] == ["python", "docs"]


@pytest.mark.parametrize("answer", [{"tasks": None, "total": 0}, {"data": None}, httpx2.Response(204)])
async def test_a_list_that_is_null_or_not_there_is_empty(rig: Rig, answer: object) -> None:
    async with at(rig, "polt", {"GET /api/tasks": answer}) as worker:
        result = await worker.call("list_tasks")
    assert result["tasks"] == [] and "skipped" not in result


async def test_an_id_that_no_path_can_carry_is_offered_nowhere(rig: Rig) -> None:
    tasks = [{"id": "../x", "title": "Odd"}, {"id": "a", "title": "A", "project_id": "p/1"}]
    async with at(rig, "polt", {"GET /api/tasks": {"tasks": tasks}}) as worker:
        result = await worker.call("list_tasks")
    assert [task["id"] for task in result["tasks"]] == ["polt:a"] and "p/1" not in json.dumps(result)
    assert result["feeds"]["polt"]["unreadable_items"] == 1


# --- encodings ----------------------------------------------------------------------------------------------

TASKS = '{"tasks": [{"id": "a", "title": "Prüfen"}]}'


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8-sig", "application/json"),
        ("utf-16", "application/json"),
        ("utf-32-be", "application/json"),
        ("latin-1", "application/json; charset=ISO-8859-1"),
        ("utf-8", "application/json; charset=utf-16"),
    ],
)
async def test_an_answer_is_read_in_its_encoding(rig: Rig, encoding: str, declared: str) -> None:
    answer = httpx2.Response(200, content=TASKS.encode(encoding), headers={"content-type": declared})
    async with at(rig, "polt", {"GET /api/tasks": answer}) as worker:
        assert (await worker.call("list_tasks"))["tasks"][0]["title"] == "Prüfen"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_no_encoding_hides_the_key_that_an_answer_quotes(rig: Rig, encoding: str) -> None:
    [account] = sandbox_accounts(["polt"])
    said = json.dumps({"error": f"the key {account.key} may not"}).encode(encoding)
    answer = httpx2.Response(403, content=said, headers={"content-type": "application/json"})
    async with at(rig, "polt", {"GET /api/tasks/t1": answer}) as worker:
        refusal = await worker.refused("get_task", task_id="polt:t1")
    assert "[your key] may not" in refusal.text and str(account.key) not in refusal.text


# --- chats --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "nothing",
    [
        httpx2.Response(204),
        httpx2.Response(200, headers={"content-length": "0"}),
        httpx2.Response(200, content=b"null\n"),
        {"data": None},
        {"data": {"task": None}},
        {"data": {}},
    ],
)
async def test_a_poll_that_brings_nothing_is_no_question_and_no_lost_one(rig: Rig, nothing: object) -> None:
    async with at(rig, "agentjob", {"GET /api/agents/tasks": nothing, "POST /api/agents/heartbeat": {"data": {}}}) as w:
        result = await w.call("get_next_task", wait_seconds=0)
    assert result["chat"] is None and "No question came" in result["message"]


@pytest.mark.parametrize("without", [{}, {"messages": None}, {"messages": []}])
async def test_a_claimed_chat_without_messages_is_answered_like_any_other(rig: Rig, without: Json) -> None:
    """And whoever asks again sees it again, and then the next one."""
    chats: list[Json] = [
        {"id": "q1", "chat_id": "c1", **without},
        {"id": "q2", "messages": [{"role": "user", "content": "Are you there?"}]},
    ]
    answers: Answers = {
        "GET /api/agents/tasks": lambda: {"data": {"task": chats.pop(0)}},
        "POST /api/agents/heartbeat": {"data": {}},
        "POST /api/agents/tasks/q1/response": {"data": {"submitted": True}},
    }
    async with at(rig, "agentjob", answers) as worker:
        for claimed_before in (None, True):
            found = await worker.call("get_next_task", wait_seconds=0)
            assert (found["chat"]["task_id"], found["chat"]["messages"]) == ("agentjob:q1", [])
            assert found.get("claimed_before") == claimed_before
        assert [duty["id"] for duty in (await worker.call("my_work"))["work"]] == ["agentjob:q1"]
        assert await worker.call("submit_response", task_id="agentjob:q1", text="Hello?")
        assert (await worker.call("get_next_task", wait_seconds=0))["chat"]["task_id"] == "agentjob:q2"


IMAGE = {"type": "image_url", "image_url": {"url": "https://x.example/1.png"}}
TOLD: list[tuple[Json, list[tuple[str, str]]]] = [
    ({"role": "user", "content": [{"type": "text", "text": "Are you there?"}]}, [("user", "Are you there?")]),
    ({"content": [{"type": "text", "text": "Are"}, {"type": "input_text", "text": "you?"}]}, [("user", "Are\nyou?")]),
    ({"role": "assistant", "text": "I am."}, [("assistant", "I am.")]),
    ({"role": "user", "content": None, "text": [{"text": "Are you there?"}]}, [("user", "Are you there?")]),
    ({"role": "user", "content": "", "text": "Are you there?"}, [("user", "Are you there?")]),
    ({"content": {"type": "text", "text": "Are you there?"}}, [("user", "Are you there?")]),
    ({"content": ["Are you", {"text": {"value": "there?"}}]}, [("user", "Are you\nthere?")]),
    ({"content": [{"type": "text", "text": "What is this?"}, IMAGE]}, [("user", f"What is this?\n{as_json(IMAGE)}")]),
    ({"content": [{"type": "text", "text": "  Indented\n\n"}]}, [("user", "  Indented\n\n")]),
]
"""A message as services of this kind write them, and what was said."""


@pytest.mark.parametrize(("given", "told"), TOLD)
async def test_what_a_chat_says_is_read_whether_it_stands_in_one_text_or_in_parts(
    rig: Rig, given: Json, told: list[tuple[str, str]]
) -> None:
    answers: Answers = {
        "GET /api/agents/tasks": {"data": {"task": {"id": "q1", "messages": [given]}}},
        "POST /api/agents/heartbeat": {"data": {}},
    }
    async with at(rig, "agentjob", answers) as worker:
        chat = (await worker.call("get_next_task", wait_seconds=0))["chat"]
    assert [(message["role"], message["content"]) for message in chat["messages"]] == told


@pytest.mark.parametrize(
    "given", [{"text": "Are you there?"}, {"content": [{"type": "text", "text": "Are you there?"}]}]
)
async def test_a_question_may_hold_its_only_message_itself(rig: Rig, given: Json) -> None:
    answers: Answers = {
        "GET /api/agents/tasks": {"data": {"task": {"id": "q1", **given}}},
        "POST /api/agents/heartbeat": {"data": {}},
    }
    async with at(rig, "agentjob", answers) as worker:
        chat = (await worker.call("get_next_task", wait_seconds=0))["chat"]
    assert chat["messages"] == [{"role": "user", "content": "Are you there?"}]


# --- what is quoted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [*IN_FORMS, "2026-11-26T10:00:00.000Z"])
async def test_a_bid_quotes_a_tasks_time_as_the_market_wrote_it(rig: Rig, given: object) -> None:
    task = {"id": "t1", "title": "T", "status": "open", "updatedAt": given}
    answers = market(
        {
            "GET /opentask/api/agent/tasks/t1": {"task": task},
            "POST /opentask/api/agent/tasks/t1/bids": {"bid": {"id": "b1"}},
        }
    )
    [account] = sandbox_accounts(["opentask"])
    async with rig.open([replace(account, contract="current")], market=answers) as worker:
        await worker.call("get_task", task_id="opentask:t1")
        await worker.call("place_bid", task_id="opentask:t1", price="90 USDC")
        assert json_of(worker.wire.sent[-1])["expectedTaskUpdatedAt"] == given
