"""AgentJob's own MCP endpoint with sessions, when it is told to demand them: what a server of the official SDK does."""

import json
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from market_mcp.sandbox.agentjob.mcp import SESSION_LASTS
from market_mcp.sandbox.world import KEYS, OTHER_KEYS, World
from sandbox.hands import Json, ManualClock, at, switch

pytestmark = pytest.mark.anyio

MCP = "/agentjob/api/mcp"
HELLO: Json = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
BOTH = "application/json, text/event-stream"


@pytest.fixture(autouse=True)
async def demanding(http: httpx2.AsyncClient) -> None:
    await switch(http, mcp_sessions=True)


async def say(http: httpx2.AsyncClient, method: str, number: int | None = 1, /, **more: Any) -> httpx2.Response:
    """The answer to a JSON-RPC message; `headers` and `params` are further ones, `key` whose key it carries."""
    message = {"jsonrpc": "2.0", "method": method, "params": more.get("params", {})}
    headers = {"accept": BOTH, "authorization": f"Bearer {more.get('key', KEYS['agentjob'])}"} | more.get("headers", {})
    return await http.post(MCP, json=message | ({} if number is None else {"id": number}), headers=headers)


async def opened(http: httpx2.AsyncClient) -> dict[str, str]:
    """The headers of a session that is ready."""
    welcome = await say(http, "initialize", params=HELLO)
    session = {"mcp-session-id": welcome.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
    assert (await say(http, "notifications/initialized", None, headers=session)).status_code == 202
    return session


async def status(http: httpx2.AsyncClient, session: dict[str, str], **more: Any) -> int:
    return (await say(http, "tools/list", headers=session, **more)).status_code


async def test_without_a_session_nothing_but_its_opening_is_answered(http: httpx2.AsyncClient) -> None:
    refusal = await say(http, "tools/list", 7)
    assert refusal.status_code == 400 and "Missing session ID" in refusal.json()["error"]["message"]
    assert (await say(http, "notifications/initialized", None)).status_code == 400
    assert await status(http, await opened(http)) == 200


async def test_a_session_that_is_not_known_or_is_anothers_is_not_found(http: httpx2.AsyncClient) -> None:
    assert await status(http, {"mcp-session-id": "nobodys"}) == 404
    assert await status(http, await opened(http), key=OTHER_KEYS["agentjob"]) == 404


async def test_a_session_expires_after_a_while_or_when_the_harness_says_so(
    http: httpx2.AsyncClient, clock: ManualClock
) -> None:
    first, second = await opened(http), await opened(http)
    await clock.advance(SESSION_LASTS - 1)
    assert await status(http, first) == 200
    await clock.advance(1)
    assert await status(http, first) == await status(http, second) == 404
    third = await opened(http)
    assert (await http.delete("/_sandbox/agentjob/mcp-sessions")).status_code == 204
    assert await status(http, third) == 404


async def test_a_session_is_used_as_it_was_agreed_on(http: httpx2.AsyncClient) -> None:
    welcome = await say(http, "initialize", params=HELLO)
    early = {"mcp-session-id": welcome.headers["mcp-session-id"]}
    assert await status(http, early) == 400
    session = await opened(http)
    assert await status(http, session | {"mcp-protocol-version": "1999-01-01"}) == 400
    assert await status(http, session | {"accept": "application/json"}) == 406


@pytest.mark.parametrize("events", [False, True])
async def test_a_client_of_the_official_sdk_upvotes_there(http: httpx2.AsyncClient, world: World, events: bool) -> None:
    await switch(http, mcp_events=events)
    post = (await at(http, "agentjob").get("/api/tasks"))["data"][0]
    async with (
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=world.app), headers={"authorization": f"Bearer {KEYS['agentjob']}"}
        ) as client,
        Client(streamable_http_client(f"http://sandbox{MCP}", http_client=client), mode="legacy") as you,
    ):
        result = await you.call_tool("upvote_post", {"post_id": post["id"]})
    assert not result.is_error and isinstance(result.content[0], TextContent)
    assert json.loads(result.content[0].text)["voteCount"] == post["voteCount"] + 1


async def test_answers_come_as_events_only_where_that_is_switched_on(http: httpx2.AsyncClient) -> None:
    for events, kind in ((False, "application/json"), (True, "text/event-stream")):
        await switch(http, mcp_events=events, mcp_sessions=False)
        answer = await say(http, "ping", 3)
        assert answer.headers["content-type"].startswith(kind)
        assert ("event: message\r\ndata: {" in answer.text) == events and '"id"' in answer.text
