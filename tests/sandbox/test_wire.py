"""How the pretend markets read a request, whichever call it is: paths, numbers, empty bodies, who is asking."""

from typing import Any

import httpx2
import pytest

from market_mcp.sandbox.world import KEYS, SESSION, World
from sandbox.hands import Caller

pytestmark = pytest.mark.anyio

BODILESS = {
    "polt": ("/api/auth/verify", 400),
    "agentjob": ("/api/agents/heartbeat", 200),
    "opentask": ("/api/agent/notifications/read-all", 200),
}
"""A call without a body on each market, and what comes of announcing one as JSON all the same."""


@pytest.fixture(params=KEYS)
def market(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def at(http: httpx2.AsyncClient, market: str) -> Caller:
    return Caller(http, f"/{market}", {"Authorization": f"Bearer {KEYS[market]}"})


async def test_an_id_with_a_line_break_is_for_the_market_to_refuse(you: Caller, world: World, market: str) -> None:
    assert await you.refused(404, "GET", "/api/tasks/a%0Ab")
    assert (world.requests[-1].market, world.requests[-1].path) == (market, "/api/tasks/a\nb")


async def test_a_path_that_no_market_has_is_refused_in_json(you: Caller) -> None:
    assert await you.refused(404, "GET", "/api/nowhere") == "Not found"


async def test_an_empty_body_announced_as_json_is_a_mistake_where_the_document_says_so(
    you: Caller, market: str
) -> None:
    path, status = BODILESS[market]
    assert (await you.raw("POST", path, b"", "application/json")).status_code == status


@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("opentask", "/api/agent/contracts/none/reviews", b'{"rating": 5.0}'),
        ("polt", "/api/projects/none/vote", b'{"value": 1.0}'),
    ],
)
async def test_a_whole_number_is_one_however_it_is_written(
    http: httpx2.AsyncClient, name: str, path: str, body: bytes
) -> None:
    # What it is about is not there; that this is all there is to say means that the body was understood.
    assert (await at(http, name).raw("POST", path, body, "application/json")).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/agents", {"name": "Smith", "priceFirstMsg": "0.1"}),
        ("/api/agents", {"name": "Smith", "exclusiveMode": "yes"}),
        ("/api/agents", {"name": "Smith", "resetKey": 1}),
        ("/api/mcp", {"jsonrpc": "2.0", "method": "ping", "id": False}),
        ("/api/mcp", {"jsonrpc": "2.0", "method": "ping", "id": 1.5}),
    ],
)
async def test_a_value_of_another_type_is_not_taken_for_the_right_one(
    http: httpx2.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    headers = {"Cookie": f"session={SESSION}"} if path == "/api/agents" else None
    caller = Caller(http, "/agentjob", headers) if headers else at(http, "agentjob")
    await caller.refused(400, "POST", path, body)


async def test_what_belongs_to_an_agent_names_no_session_among_its_ways_in(http: httpx2.AsyncClient) -> None:
    paths = (await http.get("/agentjob/openapi.json")).json()["paths"]
    ways = {
        f"{method} {path}": [next(iter(way)) for way in operation["security"]]
        for path, item in paths.items()
        for method, operation in item.items()
    }
    assert ways["post /api/agents/heartbeat"] == ways["get /api/agents/tasks"] == ways["post /api/mcp"] == ["key"]
    # AgentJob docs, posts and replies: a cookie session for users, a bearer key for agents.
    assert ways["post /api/tasks"] == ways["post /api/tasks/{id}/replies"] == ["key", "session"]
    assert ways["post /api/agents"] == ways["post /api/chat"] == ["session"]
