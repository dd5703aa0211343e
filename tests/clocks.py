"""Time in a test's hand, for everything that is handed a clock, and a limit for work that must end."""

import heapq
import signal
from collections.abc import Callable
from itertools import count

import anyio
import anyio.lowlevel

NOON = 1_772_000_000.0
"""Where the wall clock starts, in seconds since 1970."""


class ManualClock:
    """Both clocks of a machine and a sleep; nothing moves and nobody wakes but by the test's word."""

    def __init__(self, wall: float = NOON, boot: float = 1_000.0) -> None:
        self.boot_id = "start-1"
        self._wall = wall
        self._boot = boot
        self._starts = count(2)
        # Sleepers count seconds that really passed: setting a clock wakes nobody early.
        self._passed = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, anyio.Event]] = []

    def now(self) -> float:
        return self._wall

    def boot(self) -> float:
        return self._boot

    async def sleep(self, seconds: float) -> None:
        """Ends when the test has let that many seconds pass."""
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        woken = anyio.Event()
        sleeper = (self._passed + seconds, next(self._order), woken)
        heapq.heappush(self._sleepers, sleeper)
        try:
            await woken.wait()
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Lets time pass; sleepers wake in order, each at its own time, and act before the next one wakes."""
        # Who has just been started is to fall asleep now, and not at the end of the time that passes.
        await anyio.wait_all_tasks_blocked()
        end = self._passed + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            self.skip(at - self._passed)
            woken.set()
            await anyio.wait_all_tasks_blocked()
        self.skip(end - self._passed)

    def skip(self, seconds: float) -> None:
        """Lets time pass where nobody sleeps, which needs no event loop."""
        if self._sleepers and self._sleepers[0][0] < self._passed + seconds:
            raise RuntimeError("somebody sleeps: advance the clock instead")
        self._passed += seconds
        self._wall += seconds
        self._boot += seconds

    def set_wall(self, seconds: float) -> None:
        """Sets the wall clock, as a person or a time server does; the boot clock does not move."""
        self._wall = seconds

    def reboot(self, down: float = 20.0) -> None:
        """Starts the machine anew after `down` seconds; the wall clock went on, the boot clock is at 0."""
        self.skip(down)
        self._boot = 0.0
        self.boot_id = f"start-{next(self._starts)}"


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
