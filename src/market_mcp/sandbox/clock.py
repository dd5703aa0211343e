"""How the time of the pretend markets is moved ahead: deadlines and daily limits are nothing to wait for."""

from typing import Protocol, runtime_checkable

import anyio

from market_mcp.sandbox.store import Clock


@runtime_checkable
class Advanceable(Protocol):
    """A clock that can be moved ahead, by its own means."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...

    async def advance(self, seconds: float) -> None: ...


class Ahead:
    """A clock that goes as another does, ahead of it by as much as it has been advanced."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = 0.0
        self._moved = anyio.Event()

    def now(self) -> float:
        return self._clock.now() + self._ahead

    async def sleep(self, seconds: float) -> None:
        """Ends when so many seconds have passed, or been jumped over."""
        until = self.now() + seconds
        while seconds > 0 and not await self._slept(seconds):
            seconds = until - self.now()

    async def _slept(self, seconds: float) -> bool:
        """Whether so many seconds passed before somebody moved the clock."""
        slept, moved = False, self._moved
        async with anyio.create_task_group() as group:

            async def pass_by() -> None:
                nonlocal slept
                await self._clock.sleep(seconds)
                slept = True
                group.cancel_scope.cancel()

            group.start_soon(pass_by)
            await moved.wait()
            group.cancel_scope.cancel()
        return slept

    async def advance(self, seconds: float) -> None:
        self._ahead += seconds
        self._moved.set()
        self._moved = anyio.Event()


def advanceable(clock: Clock) -> Advanceable:
    """The clock itself where it can be moved ahead, else one that goes as it does and can."""
    return clock if isinstance(clock, Advanceable) else Ahead(clock)
