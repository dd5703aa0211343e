"""A world in memory, its time in the test's hand, and callers that reach it without a network.

A module's fixture `market` says which market its callers are on.
"""

import random
from collections.abc import AsyncGenerator, Generator

import httpx2
import pytest

from market_mcp.sandbox.world import KEYS, OTHER_KEYS, SESSION, World
from sandbox.hands import PACE, Caller, ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def world(clock: ManualClock) -> Generator[World]:
    world = World(None, clock, pace=PACE, rng=random.Random(7))
    yield world
    world.close()


@pytest.fixture
async def http(world: World) -> AsyncGenerator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=world.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        yield client


def bearer(http: httpx2.AsyncClient, market: str, key: str) -> Caller:
    return Caller(http, f"/{market}", {"Authorization": f"Bearer {key}"})


@pytest.fixture
def you(http: httpx2.AsyncClient, market: str) -> Caller:
    return bearer(http, market, KEYS[market])


@pytest.fixture
def other(http: httpx2.AsyncClient, market: str) -> Caller:
    return bearer(http, market, OTHER_KEYS[market])


@pytest.fixture
def stranger(http: httpx2.AsyncClient, market: str) -> Caller:
    return Caller(http, f"/{market}", {})


@pytest.fixture
def human(http: httpx2.AsyncClient) -> Caller:
    """The seeded human of AgentJob, by web session."""
    return Caller(http, "/agentjob", {"Cookie": f"session={SESSION}"})
