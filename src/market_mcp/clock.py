"""The one place that reads time; everything else is handed a clock."""

import heapq
import time
from itertools import count
from pathlib import Path
from typing import NamedTuple, Protocol

import anyio
import anyio.lowlevel


class Clock(Protocol):
    """Two readings of time, both in seconds, and a sleep.

    `now` is the wall clock since 1970: comparable between machines, but people and daemons set it. `boot` counts
    since the machine started, suspend included, and cannot be set; `boot_id` names that start, so that a reading
    of an earlier one is not compared.
    """

    @property
    def boot_id(self) -> str: ...

    def now(self) -> float: ...

    def boot(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Stamp(NamedTuple):
    """An instant on both clocks, as it is stored."""

    wall: float
    boot: float
    boot_id: str


def stamp(clock: Clock) -> Stamp:
    """The present instant on both clocks."""
    return Stamp(clock.now(), clock.boot(), clock.boot_id)


def elapsed(since: Stamp, clock: Clock) -> float:
    """Seconds since an instant, at least 0.

    Within one start of the machine the boot clock decides, so that a wall clock set forward lets nobody poll
    early and one set back locks nobody out. Across a restart there is only the wall clock.
    """
    if _same_start(since, clock):
        return clock.boot() - since.boot
    return max(0.0, clock.now() - since.wall)


def is_ahead(since: Stamp, clock: Clock) -> bool:
    """Whether an instant lies in the future, as it does when the wall clock was set back across a restart.

    Nothing tells how long ago it was, so whoever waits for it to be some time ago has to start anew.
    """
    return not _same_start(since, clock) and since.wall > clock.now()


def _same_start(since: Stamp, clock: Clock) -> bool:
    return since.boot_id == clock.boot_id and clock.boot() >= since.boot


class SystemClock:
    """The machine's own clocks."""

    def __init__(self) -> None:
        # Only Linux names its starts; elsewhere a boot clock that runs backwards gives the restart away.
        try:
            self.boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            self.boot_id = ""
        # Linux counts suspend in CLOCK_BOOTTIME, macOS in CLOCK_MONOTONIC, Windows in its only one.
        self._boot_clock: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))

    def now(self) -> float:
        return time.time()

    def boot(self) -> float:
        return time.monotonic() if self._boot_clock is None else time.clock_gettime(self._boot_clock)

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


NOON = 1_772_000_000.0
"""Where the wall clock of a standing clock is at first, in seconds since 1970."""


class StandingClock:
    """A clock in somebody's hand: nothing moves and nobody wakes but by `advance`. For tests and harnesses."""

    def __init__(self, wall: float = NOON, boot: float = 0.0) -> None:
        self.boot_id = "start-1"
        self._wall = wall
        self._boot = boot
        # Sleepers count seconds that really passed: setting a clock wakes nobody early.
        self._passed = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, anyio.Event]] = []

    def now(self) -> float:
        return self._wall

    def boot(self) -> float:
        return self._boot

    async def sleep(self, seconds: float) -> None:
        """Ends when somebody has let that many seconds pass."""
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
        """Lets so many seconds pass; sleepers wake in order, each at its time, and act before the next one wakes.

        Raises ValueError for a time that would run backwards.
        """
        if seconds < 0:
            raise ValueError("time does not run backwards")
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
        """Lets time pass where nobody sleeps, which needs no event loop. Raises RuntimeError where somebody does."""
        if self._sleepers and self._sleepers[0][0] < self._passed + seconds:
            raise RuntimeError("somebody sleeps: advance the clock instead")
        self._passed += seconds
        self._wall += seconds
        self._boot += seconds
