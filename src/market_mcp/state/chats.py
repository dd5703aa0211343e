"""The tables `chat` and `heartbeat`: claimed questions of paying users, and the last heartbeat."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from market_mcp.clock import Clock, elapsed, stamp
from market_mcp.state.store import State, stamp_of

KEPT = 24 * 3600.0
"""Seconds for which a claimed question is kept: long past its deadline, however clocks are set."""


class ChatTable:
    """The questions that were claimed by any process that shares the state."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def claim(self, account: str, chat: Mapping[str, Any]) -> None:
        """Keeps a question so that it survives a power cut. Raises StateUnavailable."""
        now = stamp(self._clock)
        with self._state.transaction(durable=True) as db:
            db.execute("DELETE FROM chat WHERE wall < ?", (now.wall - KEPT,))
            db.execute(
                "INSERT OR IGNORE INTO chat(account, task, body, wall, boot, boot_id) VALUES (?,?,?,?,?,?)",
                (account, chat["task_id"], json.dumps(chat), *now),
            )

    def settle(self, account: str, task: str) -> None:
        """Notes that a question wants no answer any more. Raises StateUnavailable."""
        with self._state.transaction() as db:
            db.execute("UPDATE chat SET answered=1 WHERE account=? AND task=?", (account, task))

    def unanswered(self, account: str) -> list[tuple[dict[str, Any], float]]:
        """The questions without an answer, the oldest first, each with the seconds since it was claimed."""
        with self._state.transaction() as db:
            rows = db.execute("SELECT * FROM chat WHERE account=? AND answered=0 ORDER BY wall", (account,)).fetchall()
        return [(json.loads(row["body"]), elapsed(stamp_of(row), self._clock)) for row in rows]


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
