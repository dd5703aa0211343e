"""The one place that reads time; everything else is handed a clock."""

import time
from pathlib import Path
from typing import NamedTuple, Protocol

import anyio


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
