"""How the pretend markets behave where real ones differ: what a switch does, and that it is off by itself."""

import random
from collections.abc import AsyncGenerator

import httpx2
import pytest

from market_mcp.sandbox.log import Seen
from market_mcp.sandbox.settings import Settings
from market_mcp.sandbox.world import OTHER_KEYS, World
from sandbox.hands import PACE, Caller, Json, ManualClock, at, switch

pytestmark = pytest.mark.anyio


def last(world: World) -> Seen:
    return world.requests[-1]


async def test_what_is_not_named_stays_as_it_was(http: httpx2.AsyncClient, world: World) -> None:
    as_usual = Settings().model_dump()
    assert (await http.get("/_sandbox/settings")).json() == {"settings": as_usual}
    assert await switch(http, strict=True) == as_usual | {"strict": True}
    assert await switch(http) == as_usual | {"strict": True}
    assert world.settings.strict


@pytest.mark.parametrize(
    ("content", "named"),
    [(b'{"strict": "yes"}', "strict"), (b'{"strikt": true}', "strikt"), (b"[]", "body"), (b"", "body")],
)
async def test_a_setting_that_makes_no_sense_is_refused_and_changes_nothing(
    http: httpx2.AsyncClient, world: World, content: bytes, named: str
) -> None:
    refused = await http.put("/_sandbox/settings", content=content)
    assert (refused.status_code, named in refused.json()["error"]) == (400, True)
    assert world.settings == Settings()


# --- what no call takes -------------------------------------------------------------------------------------

UNKNOWN: list[tuple[str, str, str, object, dict[str, str | int], list[str]]] = [
    ("polt", "GET", "/api/tasks", None, {"q": "x", "page": 1}, ["query.q"]),
    ("polt", "GET", "/api/tasks/recent", None, {"limit": 3}, ["query.limit"]),
    ("polt", "PATCH", "/api/agents/me", {"bio": "New.", "note": 1, "tags": []}, {}, ["body.note", "body.tags"]),
    ("polt", "POST", "/api/auth/verify", {"a": 1}, {}, ["body.a"]),
    ("agentjob", "POST", "/api/agents/heartbeat", {}, {}, []),
    (
        "agentjob", "POST", "/api/mcp",
        {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "list_posts", "arguments": {"page": 1, "query": "x"}},
        },
        {}, ["body.params.arguments.query"],
    ),
    ("opentask", "GET", "/api/agent/tasks", None, {"status": "open"}, ["query.status"]),
    (
        "opentask", "POST", "/api/agent/tasks", {"title": "Gulls", "description": "Count them all.", "budget": 5}, {},
        ["body.budget"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("market", "method", "path", "body", "query", "unknown"), UNKNOWN)
async def test_what_a_call_does_not_take_is_told_and_refused_only_if_strict(
    http: httpx2.AsyncClient,
    world: World,
    market: str,
    method: str,
    path: str,
    body: object,
    query: dict[str, str | int],
    unknown: list[str],
) -> None:
    caller = at(http, market)
    await caller.ok(method, path, body, **query)
    assert (await http.get("/_sandbox/requests")).json()["requests"][-1]["unknown"] == unknown
    await switch(http, strict=True)
    if unknown:
        assert await caller.refused(400, method, path, body, **query) == f"Unknown: {', '.join(unknown)}"
        assert (last(world).unknown, last(world).effect) == (unknown, False)
    else:
        await caller.ok(method, path, body, **query)


async def test_a_strict_market_tells_a_stranger_only_that_it_is_one(http: httpx2.AsyncClient) -> None:
    await switch(http, strict=True)
    await Caller(http, "/polt", {}).refused(401, "PATCH", "/api/agents/me", {"note": 1})


async def test_a_world_can_be_strict_from_the_start(clock: ManualClock) -> None:
    world = World(None, clock, settings=Settings(strict=True), rng=random.Random(7))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=world.app), base_url="http://sandbox") as http:
        await Caller(http, "/polt", {}).refused(400, "GET", "/api/leaderboard", q="x")
    world.close()


async def test_names_that_cannot_be_shown_are_told_as_far_as_they_can(http: httpx2.AsyncClient, world: World) -> None:
    content = b'{"bio": "New.", "\\ud800": 1, "' + b"x" * 500 + b'": 2}'
    await at(http, "polt").raw("PATCH", "/api/agents/me", content, "application/json")
    names = (await http.get("/_sandbox/requests")).json()["requests"][-1]["unknown"]
    assert (names[0], len(names[1])) == ("body.?", 100)
    many = {f"field{n}": n for n in range(50)}
    await at(http, "polt").send("PATCH", "/api/agents/me", many)
    assert len(last(world).unknown) == 20


# --- much of everything --------------------------------------------------------------------------------------

FEEDS = [
    ("polt", "/api/tasks", 20, 100), ("polt", "/api/projects", 20, 100), ("agentjob", "/api/tasks", 20, 50),
    ("opentask", "/api/tasks", 20, 100),
]  # fmt: skip
"""The public lists with their pages: what a platform gives by itself, and the most that it gives."""


def items(answer: Json) -> list[Json]:
    """The items of a list, under whatever name a market gives them."""
    return next(answer[name] for name in ("data", "tasks", "projects") if name in answer)


@pytest.fixture
async def full(clock: ManualClock) -> AsyncGenerator[httpx2.AsyncClient]:
    """A world with more than a page of everything."""
    world = World(None, clock, pace=PACE, settings=Settings(many=True), rng=random.Random(7))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=world.app), base_url="http://sandbox") as http:
        yield http
    world.close()


@pytest.mark.parametrize(("market", "path", "usual", "most"), FEEDS)
async def test_every_first_page_is_full_where_there_is_much(
    full: httpx2.AsyncClient, http: httpx2.AsyncClient, market: str, path: str, usual: int, most: int
) -> None:
    assert len(items(await Caller(http, f"/{market}", {}).get(path, limit=most))) < usual
    caller = Caller(full, f"/{market}", {})
    assert len(items(await caller.get(path))) == usual
    page = items(await caller.get(path, limit=most))
    assert len({item["id"] for item in page}) == most
    created = [item.get("created_at") or item["createdAt"] for item in page]
    assert created == sorted(created, reverse=True)


@pytest.mark.parametrize(("market", "path", "usual", "most"), FEEDS)
async def test_what_is_new_comes_first_also_where_there_is_much(
    full: httpx2.AsyncClient, http: httpx2.AsyncClient, market: str, path: str, usual: int, most: int
) -> None:
    few = items(await Caller(http, f"/{market}", {}).get(path))
    many = items(await Caller(full, f"/{market}", {}).get(path))
    assert [item["title"] for item in few] == [item["title"] for item in many][: len(few)]


@pytest.mark.parametrize(("market", "path", "usual", "most"), FEEDS)
async def test_a_world_can_be_filled_while_it_is_open(
    http: httpx2.AsyncClient, market: str, path: str, usual: int, most: int
) -> None:
    caller = Caller(http, f"/{market}", {})
    for _ in range(2):
        assert (await http.post("/_sandbox/seed")).status_code == 204
    assert len(items(await caller.get(path, limit=most))) == most


async def test_a_reset_brings_back_the_first_day_and_no_setting_or_log(http: httpx2.AsyncClient, world: World) -> None:
    first = (await http.get("/polt/api/tasks")).json()["total"]
    await http.post("/_sandbox/seed")
    await switch(http, strict=True)
    assert (await http.get("/polt/api/tasks")).json()["total"] > first
    assert (await http.post("/_sandbox/reset")).status_code == 204
    assert (await http.get("/polt/api/tasks")).json()["total"] == first
    assert world.settings.strict and len(world.requests) == 3
    await switch(http, many=True)
    await http.post("/_sandbox/reset")
    assert (await http.get("/polt/api/tasks")).json()["total"] > first
    await at(http, "opentask").get("/api/agent/me")


# --- rate limits --------------------------------------------------------------------------------------------


async def test_a_rate_limit_counts_for_each_account_and_market_by_itself(
    http: httpx2.AsyncClient, world: World, clock: ManualClock
) -> None:
    await switch(http, rate_limit={"calls": 2, "seconds": 60})
    polt, agentjob = at(http, "polt"), at(http, "agentjob")
    await polt.get("/api/leaderboard")
    await clock.advance(20.5)
    await polt.get("/api/tasks")
    limited = await polt.send("GET", "/api/tasks")
    assert (limited.status_code, limited.json()) == (429, {"error": "Too many requests"})
    assert limited.headers["retry-after"] == "40"
    assert last(world).status == 429
    await agentjob.get("/api/tasks")
    await Caller(http, "/polt", {"Authorization": f"Bearer {OTHER_KEYS['polt']}"}).get("/api/tasks")
    await Caller(http, "/polt", {}).get("/api/tasks")
    await clock.advance(39)
    assert (await polt.send("GET", "/api/tasks")).headers["retry-after"] == "1"
    await clock.advance(0.5)
    await polt.get("/api/tasks")
    await polt.refused(429, "GET", "/api/tasks")


async def test_whoever_has_no_account_is_limited_by_the_address(http: httpx2.AsyncClient) -> None:
    await switch(http, rate_limit={"calls": 1, "seconds": 60})
    await Caller(http, "/polt", {}).get("/api/tasks")
    await Caller(http, "/polt", {"Authorization": "Bearer wrong"}).refused(429, "GET", "/api/tasks")


async def test_a_write_that_is_limited_has_no_effect(http: httpx2.AsyncClient, world: World) -> None:
    await switch(http, rate_limit={"calls": 1, "seconds": 60})
    polt = at(http, "polt")
    await polt.send("PATCH", "/api/agents/me", {"bio": "One."})
    await polt.refused(429, "PATCH", "/api/agents/me", {"bio": "Two."})
    assert last(world).effect is False
    await switch(http, rate_limit=None)
    assert (await polt.post("/api/auth/verify"))["agent"]["bio"] == "One."


async def test_a_lowered_limit_is_waited_for_until_it_allows_one(http: httpx2.AsyncClient, clock: ManualClock) -> None:
    await switch(http, rate_limit={"calls": 3, "seconds": 60})
    polt = at(http, "polt")
    for _ in range(3):
        await polt.get("/api/tasks")
        await clock.advance(10)
    await switch(http, rate_limit={"calls": 1, "seconds": 60})
    assert (await polt.send("GET", "/api/tasks")).headers["retry-after"] == "50"


@pytest.mark.parametrize("limit", [{"calls": 0, "seconds": 60}, {"calls": 1, "seconds": 0}, {"calls": 1}, 60])
async def test_a_limit_that_allows_nothing_or_says_too_little_is_refused(
    http: httpx2.AsyncClient, limit: object
) -> None:
    refused = await http.put("/_sandbox/settings", json={"rate_limit": limit})
    assert (refused.status_code, "rate_limit" in refused.json()["error"]) == (400, True)
