"""How many calls may be at a market at once: each account has places of its own for every kind of call.

A call waits here and not in the connection pool, so that its market's time begins when it leaves, and one that finds no
place is known not to have left.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel

from market_mcp.errors import MarketMcpError
from market_mcp.gateway.messages import Kind

PLACES = 20
"""Calls of an account and kind that are at the market at once."""

WAITING = 80
"""Calls that wait for these places. Any further one is turned away at once, so that a market that hangs fills no
memory."""

PATIENCE = 5.0
"""Seconds that a call waits for a place. With the time-out of a write after it, it ends before hosts give up on it, as
many do after 60 s."""


class NoPlace(MarketMcpError):
    """The request did not leave: too many of its account and kind have no answer as yet."""


class Places:
    """The places of all accounts. They exist from the first call that takes one."""

    def __init__(self) -> None:
        self._free: defaultdict[tuple[str, Kind], anyio.Semaphore] = defaultdict(
            lambda: anyio.Semaphore(PLACES, fast_acquire=True)
        )

    @asynccontextmanager
    async def one(self, account: str, kind: Kind) -> AsyncGenerator[None]:
        """A place, held while the block runs; whoever waits longest is next. Raises NoPlace."""
        free = self._free[account, kind]
        if free.statistics().tasks_waiting >= WAITING:
            raise NoPlace(f"{PLACES + WAITING} such calls are under way and have no answer")
        try:
            with anyio.fail_after(PATIENCE):
                await free.acquire()
        except TimeoutError:
            raise NoPlace(f"{PLACES} such calls have no answer yet, and none got one within {PATIENCE:g} s") from None
        try:
            # Whoever was called away in the instant that brought the place sends nothing more.
            await anyio.lowlevel.checkpoint_if_cancelled()
            yield
        finally:
            free.release()
