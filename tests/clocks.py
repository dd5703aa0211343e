"""Time in a test's hand, for everything that is handed a clock, and a limit for work that must end."""

import asyncio
import selectors
import signal
from collections.abc import Callable
from itertools import count

import anyio

from market_mcp.clock import NOON, StandingClock

__all__ = ["CPU_SECONDS", "LONG", "NOON", "JumpingLoop", "LoopClock", "ManualClock", "ends"]


class ManualClock(StandingClock):
    """A standing clock that can be set, on a machine that can be started anew."""

    def __init__(self, wall: float = NOON, boot: float = 1_000.0) -> None:
        super().__init__(wall, boot)
        self._starts = count(2)

    def set_wall(self, seconds: float) -> None:
        """Sets the wall clock, as a person or a time server does; the boot clock does not move."""
        self._wall = seconds

    def reboot(self, down: float = 20.0) -> None:
        """Starts the machine anew after `down` seconds; the wall clock went on, the boot clock is at 0."""
        self.skip(down)
        self._boot = 0.0
        self.boot_id = f"start-{next(self._starts)}"


class Jump(selectors.SelectSelector):
    """Waits for nothing that has a time: what would take a while is over at once, and counted in `passed`."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.passed += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop with a time of its own, which jumps to what is due next whenever nobody has anything to do; so
    seconds are counted exactly and take none."""

    def __init__(self) -> None:
        self._jump = Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.passed


class LoopClock(ManualClock):
    """Both clocks of a machine, by the time of the event loop."""

    def now(self) -> float:
        return NOON + anyio.current_time()

    def boot(self) -> float:
        return 1_000.0 + anyio.current_time()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


LONG = 400_000
"""Characters of a text on which work that grows with the square of the length takes minutes, and other work none."""

CPU_SECONDS = 60.0


def ends(work: Callable[[str], object], part: str) -> None:
    """Does the work on a very long text; fails where that does not end.

    Nothing is timed: the limit counts the seconds that this process computes, however busy the machine is, and lies a
    hundred times above what is needed.
    """

    def endless(_: int, __: object) -> None:
        raise AssertionError(f"{LONG} characters of {part!r} take more than their length")

    before = signal.signal(signal.SIGVTALRM, endless)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        work(part * (LONG // len(part)))
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
