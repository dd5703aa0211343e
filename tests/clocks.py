"""Time in a test's hand, for everything that is handed a clock, and a limit for work that must end."""

import signal
from collections.abc import Callable
from itertools import count

from market_mcp.clock import NOON, StandingClock

__all__ = ["CPU_SECONDS", "LONG", "NOON", "ManualClock", "ends"]


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
