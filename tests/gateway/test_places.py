"""Calls wait for a place in front of the market, never within its time: what leaves can be heard, what waits too long
has not left.

The time of these tests' event loop jumps to what is due next, so seconds are counted and take none.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from at_the_gate import At
from clocks import JumpingLoop
from market_mcp.gateway import places
from market_mcp.gateway.messages import HttpRequest, Kind
from market_mcp.gateway.places import PATIENCE, PLACES, WAITING, NoPlace
from market_mcp.gateway.transport import CONNECT_TIMEOUT, NoAnswer, NotSent, Transport, new_client

pytestmark = pytest.mark.anyio

JUMPING: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"loop_factory": JumpingLoop}
NEVER = 10_000.0
TIMEOUT = 30.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Callable[[], asyncio.AbstractEventLoop]]]:
    return "asyncio", JUMPING


@dataclass
class SlowMarket(httpx2.AsyncBaseTransport):
    """Answers each request after as many seconds as its path ends in, and notes what it had left to be heard."""

    seen: list[str] = field(default_factory=list[str])
    left: list[float] = field(default_factory=list[float])
    """Seconds from a request's arrival to the time-out of its answer."""
    at_once: int = 0
    most: int = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request.url.path)
        self.left.append(anyio.current_effective_deadline() - anyio.current_time())
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await anyio.sleep(float(request.url.path.rpartition("-")[2]))
        finally:
            self.at_once -= 1
        return httpx2.Response(200, json={})


@dataclass
class Caller:
    """Calls from `begins` on, leaves after `stays` seconds at the latest, and is answered `takes` after it is heard."""

    number: int
    begins: float
    takes: float
    stays: float
    ended: str = "left"
    took: float = 0.0

    @property
    def path(self) -> str:
        return f"/n{self.number}-{self.takes:g}"

    async def call(self, transport: Transport) -> None:
        await anyio.sleep(self.begins)
        async with anyio.create_task_group() as group:
            group.start_soon(self._leave, group.cancel_scope)
            self.ended, self.took = await ending(transport, self.path)
            group.cancel_scope.cancel()

    async def _leave(self, scope: anyio.CancelScope) -> None:
        await anyio.sleep(self.stays)
        scope.cancel()


async def ending(
    transport: Transport, path: str, kind: Kind = "write", account: str = "market", seconds: float = TIMEOUT
) -> tuple[str, float]:
    """How a call ends whose answer may take so many seconds, and after how many."""
    began = anyio.current_time()
    try:
        await transport.send(At(name=account), HttpRequest("POST", path, kind=kind, timeout=seconds))
        how = "answered"
    except (NoPlace, NoAnswer, NotSent) as error:
        how = type(error).__name__
    return how, anyio.current_time() - began


CALLERS = st.tuples(
    st.sampled_from([0.0, 0.0, 1.0, 4.0, 29.0]),
    st.sampled_from([0.5, 3.0, 29.5, 31.0, NEVER]),
    st.sampled_from([2.0, NEVER, NEVER, NEVER]),
)


# The last of these leaves in the instant in which the others make room for it.
@example([(0.0, 3.0, NEVER)] * 3 + [(1.0, 0.5, 2.0)])
@given(st.lists(CALLERS, max_size=20))
def test_whatever_leaves_has_all_its_time_and_whoever_gets_no_place_has_sent_nothing(
    drawn: list[tuple[float, float, float]],
) -> None:
    callers = [Caller(number, *seconds) for number, seconds in enumerate(drawn)]
    market = SlowMarket()

    async def day() -> None:
        async with new_client({"all://": market}) as client:
            transport = Transport(client)
            async with anyio.create_task_group() as group:
                for caller in callers:
                    group.start_soon(caller.call, transport)
            # Whatever happened, every place is free again.
            begun = len(market.seen)
            async with anyio.create_task_group() as group:
                for number in range(4):
                    group.start_soon(ending, transport, f"/after{number}-1")
                await anyio.wait_all_tasks_blocked()
                assert len(market.seen) == begun + 3

    with pytest.MonkeyPatch.context() as few:
        few.setattr(places, "PLACES", 3)
        few.setattr(places, "WAITING", 4)
        anyio.run(day, backend_options=JUMPING)
    assert market.left == pytest.approx([TIMEOUT] * len(market.seen))
    assert market.most <= 3
    for caller in callers:
        assert market.seen.count(caller.path) <= 1
        match caller.ended:
            case "NoPlace":
                assert caller.path not in market.seen
                assert caller.took <= PATIENCE + 1e-6
            case "answered":
                assert caller.takes < TIMEOUT and caller.path in market.seen
            case "NoAnswer":
                assert caller.takes > TIMEOUT and caller.path in market.seen
            case how:
                assert how == "left" and caller.stays < NEVER
        assert caller.took <= PATIENCE + TIMEOUT + 1e-6


@pytest.mark.parametrize("kind", ["read", "heartbeat", "claim", "answer"])
async def test_a_call_waits_for_none_of_another_kind_and_for_none_of_another_account(kind: Kind) -> None:
    market = SlowMarket()
    async with new_client({"all://": market}) as client, anyio.create_task_group() as group:
        transport = Transport(client)
        for number in range(PLACES + WAITING):
            group.start_soon(ending, transport, f"/n{number}-{NEVER:g}")
        await anyio.wait_all_tasks_blocked()
        assert len(market.seen) == PLACES
        assert await ending(transport, "/other-1", kind) == ("answered", pytest.approx(1))
        assert await ending(transport, "/other-1", "write", "second") == ("answered", pytest.approx(1))
        group.cancel_scope.cancel()


async def test_one_call_too_many_is_turned_away_at_once_and_the_others_wait_no_longer_for_it() -> None:
    market = SlowMarket()
    endings: list[tuple[str, float]] = []

    async def call(transport: Transport, number: int) -> None:
        endings.append(await ending(transport, f"/n{number}-{NEVER:g}"))

    async with new_client({"all://": market}) as client, anyio.create_task_group() as group:
        transport = Transport(client)
        for number in range(PLACES + WAITING + 3):
            group.start_soon(call, transport, number)
    expected = [("NoPlace", 0.0)] * 3 + [("NoPlace", PATIENCE)] * WAITING + [("NoAnswer", TIMEOUT)] * PLACES
    assert [how for how, _ in endings] == [how for how, _ in expected]
    assert [took for _, took in endings] == pytest.approx([took for _, took in expected])


# Connecting


@dataclass
class Far(httpx2.AsyncBaseTransport):
    """A market that takes so many seconds to connect to and so many to answer, as the library tells of it."""

    away: float
    takes: float

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        tell = request.extensions["trace"]
        await tell("connection.connect_tcp.started", {})
        with anyio.move_on_after(request.extensions["timeout"]["connect"]) as connecting:
            await anyio.sleep(self.away)
        if connecting.cancelled_caught:
            raise httpx2.ConnectTimeout("")
        await tell("http11.send_request_headers.started", {})
        await anyio.sleep(self.takes)
        return httpx2.Response(200, json={})


@pytest.mark.parametrize(
    ("away", "takes", "seconds", "ends"),
    [
        (CONNECT_TIMEOUT - 1, 1, 2, ("answered", CONNECT_TIMEOUT)),
        (CONNECT_TIMEOUT - 1, TIMEOUT - 1, TIMEOUT, ("answered", CONNECT_TIMEOUT + TIMEOUT - 2)),
        (CONNECT_TIMEOUT - 1, TIMEOUT + 1, TIMEOUT, ("NoAnswer", CONNECT_TIMEOUT - 1 + TIMEOUT)),
        (CONNECT_TIMEOUT + 1, 0, TIMEOUT, ("NotSent", CONNECT_TIMEOUT)),
    ],
)
async def test_connecting_is_no_part_of_the_markets_time(
    away: float, takes: float, seconds: float, ends: tuple[str, float]
) -> None:
    async with new_client({"all://": Far(away, takes)}) as client:
        how, took = await ending(Transport(client), "/call", seconds=seconds)
    assert (how, took) == (ends[0], pytest.approx(ends[1]))
