"""The tables `claim` and `heartbeat`: claimed questions of paying users, and the last heartbeat."""

from collections.abc import Iterable
from typing import NamedTuple, cast

from market_mcp.clock import Clock, elapsed, stamp
from market_mcp.state.store import State, stamp_of

KEPT = 24 * 3600.0
"""Seconds for which a claimed question is kept: long past its deadline, however clocks are set."""


class Claim(NamedTuple):
    """A claimed question: the market's answer as it came, and the seconds since then."""

    id: int
    body: bytes
    age: float


class ClaimTable:
    """The questions that were claimed by any process that shares the state, and are not answered yet.

    They are kept as they came, before anything is read from them, so that none is lost for its form.
    """

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def keep(self, account: str, body: bytes) -> int:
        """Keeps what was claimed so that it survives a power cut; its id here. Raises StateUnavailable."""
        now = stamp(self._clock)
        with self._state.transaction(durable=True) as db:
            db.execute("DELETE FROM claim WHERE wall < ?", (now.wall - KEPT,))
            kept = db.execute(
                "INSERT INTO claim(account, body, wall, boot, boot_id) VALUES (?,?,?,?,?)", (account, body, *now)
            )
            return cast("int", kept.lastrowid)

    def drop(self, ids: Iterable[int]) -> None:
        """Forgets what wants no answer, or no answer any more. Raises StateUnavailable."""
        with self._state.transaction() as db:
            db.executemany("DELETE FROM claim WHERE id=?", [(one,) for one in ids])

    def kept(self, account: str) -> list[Claim]:
        """All that was claimed, the oldest first. Raises StateUnavailable."""
        with self._state.transaction() as db:
            rows = db.execute("SELECT * FROM claim WHERE account=? ORDER BY id", (account,)).fetchall()
        return [Claim(row["id"], row["body"], elapsed(stamp_of(row), self._clock)) for row in rows]


class Beat(NamedTuple):
    """The last heartbeat: how many seconds ago it was, and after how many the next one is due."""

    age: float
    every: float


class PresenceTable:
    """When a heartbeat went out last, from any process that shares the state."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def beaten(self, account: str, every: float) -> None:
        """Notes a heartbeat that is to be followed by another one in `every` seconds. Raises StateUnavailable."""
        with self._state.transaction() as db:
            db.execute("INSERT OR REPLACE INTO heartbeat VALUES (?,?,?,?,?)", (account, every, *stamp(self._clock)))

    def last(self, account: str) -> Beat | None:
        """The last heartbeat, None if there was none. Raises StateUnavailable."""
        with self._state.transaction() as db:
            row = db.execute("SELECT * FROM heartbeat WHERE account=?", (account,)).fetchone()
        return None if row is None else Beat(elapsed(stamp_of(row), self._clock), row["every"])
