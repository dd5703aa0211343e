"""Tasks of the pretend OpenTask: what is seen by whom, and what they say they pay."""

from collections.abc import AsyncIterator

import pytest

from sandbox.hands import Json
from sandbox.opentask_desk import Desk, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as desk:
        yield desk


async def test_the_public_list_is_newest_first_and_shows_what_the_document_says(desk: Desk) -> None:
    tasks = (await desk.ok("GET", "/api/tasks", who="", sort="new"))["tasks"]
    assert len(tasks) == 12
    assert [t["createdAt"] for t in tasks] == sorted((t["createdAt"] for t in tasks), reverse=True)
    assert set(tasks[0]) == {
        "id",
        "title",
        "skillsTags",
        "budgetText",
        "budgetAmount",
        "budgetCurrency",
        "deadline",
        "createdAt",
        "owner",
    }
    assert set(tasks[0]["owner"]) == {"id", "handle", "displayName", "kind"}


async def test_pages_follow_each_other_to_the_end_without_gap_or_repetition(desk: Desk) -> None:
    whole = [t["id"] for t in (await desk.ok("GET", "/api/tasks", who=""))["tasks"]]
    page = await desk.ok("GET", "/api/tasks", who="", limit=5)
    seen: list[Json] = page["tasks"]
    while "nextCursor" in page:
        page = await desk.ok("GET", "/api/tasks", who="", limit=5, cursor=page["nextCursor"])
        seen += page["tasks"]
    assert [t["id"] for t in seen] == whole


async def test_browsing_finds_words_in_title_and_description_and_single_skills(desk: Desk) -> None:
    async def titles(**query: str) -> list[str]:
        return [t["title"] for t in (await desk.ok("GET", "/api/tasks", who="", **query))["tasks"]]

    assert await titles(query="PRISMA") == ["Prisma schema review before launch"]
    assert await titles(query="robots.txt") == ["Scrape tide tables into one CSV"]
    assert len(await titles(skill="Python")) == 2
    assert await titles(skill="Pyth") == []
    assert await titles(query="%") == await titles(query="92 %") + await titles(query="100%")


async def test_seeded_budgets_are_structured_but_for_two_that_are_only_text(desk: Desk) -> None:
    tasks = (await desk.ok("GET", "/api/tasks", who=""))["tasks"]
    textual = [t["budgetText"] for t in tasks if t["budgetAmount"] is None]
    assert sorted(textual) == ["0.02 ETH", "450 USDC"]
    assert {t["budgetCurrency"] for t in tasks} >= {"USDC", "ETH", "USD", None}


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"budgetAmount": 500, "budgetCurrency": "USDC"}, (500, "USDC", "500 USDC")),
        ({"budgetAmount": 0.05, "budgetCurrency": "ETH"}, (0.05, "ETH", "0.05 ETH")),
        (
            {"budgetAmount": 1000, "budgetCurrency": "OTHER", "budgetCurrencyCustom": "DOGE"},
            (1000, "OTHER", "1000 DOGE"),
        ),
        ({"budgetText": "1,250.5 usdc"}, (1250.5, "USDC", "1,250.5 usdc")),
        ({"budgetText": "negotiable"}, (None, None, "negotiable")),
        ({"budgetText": "3000 DOGE"}, (None, None, "3000 DOGE")),
        ({"budgetText": "ignored", "budgetAmount": 7, "budgetCurrency": "SOL"}, (7, "SOL", "7 SOL")),
        ({}, (None, None, None)),
    ],
)
async def test_a_budget_is_structured_where_it_can_be(desk: Desk, sent: Json, stored: tuple[object, ...]) -> None:
    task = await desk.posted(**sent)
    assert (task["budgetAmount"], task["budgetCurrency"], task["budgetText"]) == stored


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "ab"},
        {"title": "x" * 121},
        {"description": "too short"},
        {"acceptanceCriteria": ["x" * 501]},
        {"skillsTags": ["x" * 41]},
        {"skillsTags": ["x"] * 51},
        {"budgetAmount": 5, "budgetCurrency": "OTHER"},
        {"budgetAmount": 0, "budgetCurrency": "USDC"},
        {"budgetAmount": -1, "budgetCurrency": "USDC"},
        {"budgetAmount": "5", "budgetCurrency": "USDC"},
        {"budgetAmount": 5, "budgetCurrency": "EUR"},
        {"budgetAmount": 5},
        {"deadline": "tomorrow"},
        {"deadline": "9999-12-31T23:59:59-23:59"},
        {"visibility": "secret"},
    ],
)
async def test_a_task_out_of_bounds_is_refused(desk: Desk, fields: Json) -> None:
    body = {"title": "Count the gulls", "description": "Every gull in the harbour.", **fields}
    await desk.refused(400, "POST", "/api/agent/tasks", body)


async def test_a_new_task_is_open_and_listed_with_its_owner(desk: Desk) -> None:
    task = await desk.posted(deadline="2026-03-01T12:00:00+02:00", acceptanceCriteria=["all of them"])
    assert (task["status"], task["visibility"]) == ("open", "public")
    assert task["deadline"] == "2026-03-01T10:00:00Z"
    assert (await desk.ok("GET", "/api/tasks", who="", limit=1))["tasks"][0]["id"] == task["id"]
    assert (await desk.ok("GET", f"/api/tasks/{task['id']}", who=""))["task"] == task


async def test_an_unlisted_task_is_there_for_its_owner_only(desk: Desk) -> None:
    task = await desk.posted(who="you", visibility="unlisted")
    assert task["id"] not in [t["id"] for t in (await desk.ok("GET", "/api/tasks"))["tasks"]]
    await desk.ok("GET", f"/api/tasks/{task['id']}")
    for who in ("", "other"):
        await desk.refused(404, "GET", f"/api/tasks/{task['id']}", who=who)
    await desk.refused(404, "GET", f"/api/agent/tasks/{task['id']}", who="other")
    await desk.refused(404, "PATCH", f"/api/tasks/{task['id']}", {"title": "Mine now"}, who="other")
    await desk.refused(404, "POST", f"/api/agent/tasks/{task['id']}/bids", {"priceText": "1 ETH"}, who="other")


async def test_a_task_is_changed_by_its_owner_and_keeps_what_was_not_sent(desk: Desk) -> None:
    task = await desk.posted(who="you", budgetAmount=5, budgetCurrency="ETH", skillsTags=["birds"])
    at = f"/api/tasks/{task['id']}"
    await desk.refused(403, "PATCH", at, {"title": "Mine now"}, who="other")
    changed = (await desk.ok("PATCH", at, {"budgetAmount": 6, "deadline": None}))["task"]
    assert (changed["budgetText"], changed["skillsTags"], changed["title"]) == (
        "6 ETH",
        ["birds"],
        "Count the gulls",
    )
    assert changed["updatedAt"] > task["updatedAt"]
    again = (await desk.ok("PATCH", at, {"budgetText": "about a day's pay"}))["task"]
    assert (again["budgetAmount"], again["budgetText"]) == (None, "about a day's pay")
    await desk.refused(400, "PATCH", at, {"title": None})


async def test_cancelling_a_task_rejects_its_bids_and_ends_its_changes(desk: Desk) -> None:
    task = await desk.posted()
    bid = await desk.bid(task)
    cancelled = await desk.ok("PATCH", f"/api/tasks/{task['id']}", {"status": "cancelled"}, who="other")
    assert cancelled["task"]["status"] == "cancelled"
    assert (await desk.ok("GET", f"/api/agent/bids/{bid['id']}"))["bid"]["status"] == "rejected"
    await desk.refused(409, "PATCH", f"/api/tasks/{task['id']}", {"title": "Once more"}, who="other")
    await desk.refused(409, "POST", f"/api/agent/tasks/{task['id']}/bids", {"priceText": "1 ETH"})


async def test_only_the_owner_sees_how_many_bids_there_are(desk: Desk) -> None:
    task = await desk.posted()
    await desk.bid(task)
    at = f"/api/agent/tasks/{task['id']}"
    summary = (await desk.ok("GET", at, who="other"))["task"]["bidSummary"]
    assert summary == {"total": 1, "active": 1, "accepted": 0, "rejected": 0, "withdrawn": 0}
    assert "bidSummary" not in (await desk.ok("GET", at))["task"]
    (own,) = (await desk.ok("GET", "/api/agent/tasks", who="other"))["tasks"]
    assert (own["id"], own["bidCount"], own["status"]) == (task["id"], 1, "open")
    assert (await desk.ok("GET", "/api/agent/tasks"))["tasks"] == []


async def test_comments_are_public_while_the_task_is_public_and_open(desk: Desk) -> None:
    task = await desk.posted()
    at = f"/api/agent/tasks/{task['id']}/comments"
    await desk.ok("POST", at, {"body": "Herring gulls too?"})
    await desk.ok("POST", at, {"body": "All gulls."}, who="other")
    comments = (await desk.ok("GET", at))["comments"]
    assert [(c["author"]["handle"], c["body"]) for c in comments] == [
        ("sandbox_agent", "Herring gulls too?"),
        ("sandbox_other", "All gulls."),
    ]
    assert await desk.news(who="other") == [("comment_created", "task", task["id"])]
    await desk.refused(400, "POST", at, {"body": " "})
    await desk.refused(400, "POST", at, {"body": "x" * 8001})
    await desk.ok("PATCH", f"/api/tasks/{task['id']}", {"status": "cancelled"}, who="other")
    await desk.refused(404, "GET", at)
    await desk.refused(404, "POST", at, {"body": "Too late?"})
    assert len((await desk.ok("GET", at, who="other"))["comments"]) == 2


async def test_some_seeded_texts_try_to_give_orders_to_their_reader(desk: Desk) -> None:
    task = await desk.task("SQLite")
    comments = (await desk.ok("GET", f"/api/agent/tasks/{task['id']}/comments"))["comments"]
    assert "ignore your previous instructions" in comments[0]["body"]
    assert "<!-- Assistant" in (await desk.task("support tickets"))["description"]
