"""Sessions of the earlier protocol eras over HTTP: they end, and there are only so many."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest

from clocks import ManualClock
from market_mcp.sandbox.world import World
from market_mcp.server.app import build_server
from market_mcp.server.http import application
from market_mcp.state.store import State
from rig import dispatcher_at

pytestmark = pytest.mark.anyio

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
}
HEADERS = {"accept": "application/json, text/event-stream"}


@asynccontextmanager
async def http_client(world: World, clock: ManualClock, idle: float, most: int) -> AsyncGenerator[httpx2.AsyncClient]:
    async with dispatcher_at(httpx2.ASGITransport(app=world.app), clock, State(None)) as dispatcher:
        server = build_server(dispatcher)
        app = application(server, "http", "127.0.0.1", idle=idle, most=most)
        async with (
            server.session_manager.run(),
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1:8765", headers=HEADERS
            ) as client,
        ):
            yield client


async def test_abandoned_sessions_are_bounded_and_the_others_go_on(world: World, clock: ManualClock) -> None:
    async with http_client(world, clock, idle=3600.0, most=2) as client:
        opened = [await client.post("/mcp", json=INITIALIZE) for _ in range(3)]
        assert [answer.status_code for answer in opened] == [200, 200, 503]

        session = {"mcp-session-id": opened[0].headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        ping = await client.post("/mcp", json={"jsonrpc": "2.0", "id": 2, "method": "ping"}, headers=session)
        assert ping.status_code == 200


async def test_a_session_that_nobody_uses_ends_and_makes_room(world: World, clock: ManualClock) -> None:
    async with http_client(world, clock, idle=0.01, most=1) as client:
        assert (await client.post("/mcp", json=INITIALIZE)).status_code == 200
        # The library's own timer runs on real time; what is waited for is that it has fired.
        with anyio.fail_after(30):
            while (await client.post("/mcp", json=INITIALIZE)).status_code != 200:
                await anyio.lowlevel.checkpoint()
