"""Fixtures for pytest, for whoever tries an agent or a harness against the server; nothing of the server imports this.

    pytest_plugins = ["market_mcp.testing"]

`sandbox` is the three pretend marketplaces in this process, with a clock that stands; `client` an MCP client at a
server on them, with every tool; `advance` lets time pass for both. They need pytest (`pip install market-mcp[test]`)
and are for tests that run under anyio: mark them `pytest.mark.anyio`, and give a fixture `anyio_backend` that says
"asyncio". A module that names this one in `pytest_plugins` does not import it as well, or pytest warns.
"""

import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from mcp import Client

from market_mcp.accounts import Account, Accounts
from market_mcp.clock import StandingClock
from market_mcp.gateway.embedded import SANDBOX_URL
from market_mcp.gateway.transport import new_client
from market_mcp.sandbox.faults import Dropped
from market_mcp.sandbox.world import KEYS, OTHER_KEYS, World
from market_mcp.server.app import build_server
from market_mcp.server.tools import offered_actions
from market_mcp.services.dispatcher import open_dispatcher
from market_mcp.state.credentials import CredentialStore
from market_mcp.state.store import State

__all__ = ["KEYS", "OTHER_KEYS", "Sandbox", "StandingClock", "advance", "client", "sandbox"]

Json = dict[str, Any]

INTERVAL = 60.0
BUDGET = 3
"""The server's usual seconds between two polls of one thing, and how many fresh answers it has to spare."""


class _Wire(httpx2.AsyncBaseTransport):
    """Carries requests to the markets; what they drop on purpose breaks here as it would on a network."""

    def __init__(self, world: World) -> None:
        self._inner = httpx2.ASGITransport(app=world.app)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self._inner.handle_async_request(request)
        except Dropped as dropped:
            raise httpx2.RemoteProtocolError(str(dropped), request=request) from None


@dataclass(frozen=True)
class Sandbox:
    """Three pretend marketplaces and their clock. `world` is their inside, for what no control call does."""

    world: World
    clock: StandingClock

    def transport(self) -> httpx2.AsyncBaseTransport:
        """What carries a client's requests to the markets, at `/polt`, `/agentjob` and `/opentask` of any host."""
        return _Wire(self.world)

    async def control(self, method: str, path: str, body: object = None) -> Json:
        """The answer to a control call, such as `control("POST", "/faults", {"kind": "reset"})`; {} when it has none.

        Raises ValueError, with what the sandbox says, when it refuses. `control("GET", "/")` lists the calls.
        """
        async with httpx2.AsyncClient(transport=self.transport(), base_url=SANDBOX_URL) as http:
            sent: Any = body
            answer = await http.request(method, f"/_sandbox{path}", json=sent)
        if not answer.is_success:
            raise ValueError(f"{method} {path}: HTTP {answer.status_code} {answer.text}")
        return cast("Json", answer.json()) if answer.content else {}

    async def requests(self, market: str) -> list[Json]:
        """The requests that reached a market, oldest first."""
        seen: list[Json] = (await self.control("GET", "/requests"))["requests"]
        return [one for one in seen if one["market"] == market]

    @asynccontextmanager
    async def client(self, state: Path, keys: Mapping[str, str] = KEYS) -> AsyncGenerator[Client]:
        """A client at a server of its own, with the accounts of these keys; `state` is the server's file."""
        accounts = Accounts(
            [Account(kind, kind, f"{SANDBOX_URL}/{kind}", key, sandbox=True) for kind, key in keys.items()]
        )
        known = State(state)
        try:
            async with (
                open_dispatcher(
                    accounts,
                    new_client({"all://": self.transport()}),
                    known,
                    self.clock,
                    CredentialStore(state.with_name("credentials.json")),
                    offered=offered_actions(["all"], False, accounts),
                    interval=INTERVAL,
                    budget=BUDGET,
                    passwords={},
                ) as dispatcher,
                Client(build_server(dispatcher)) as connected,
            ):
                yield connected
        finally:
            known.close()


@pytest.fixture
def sandbox() -> Generator[Sandbox]:
    """Three pretend marketplaces in memory, the same ones every time; counterparties act two seconds later."""
    clock = StandingClock()
    world = World(None, clock, rng=random.Random(7))  # noqa: S311 - pretend ids, which are to come out the same
    yield Sandbox(world, clock)
    world.close()


@pytest.fixture
async def client(sandbox: Sandbox, tmp_path: Path) -> AsyncGenerator[Client]:
    """An MCP client at a server that works on the sandbox, as `sandbox_agent` and with every tool."""
    async with sandbox.client(tmp_path / "state.db") as connected:
        yield connected


@pytest.fixture
def advance(sandbox: Sandbox) -> Callable[[float], Awaitable[None]]:
    """Lets so many seconds pass: `await advance(60)`."""
    return sandbox.clock.advance
