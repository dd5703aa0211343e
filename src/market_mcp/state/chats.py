"""The tables `chat` and `presence`: claimed questions of paying users, and the last heartbeat."""

import json
from collections.abc import Mapping
from typing import Any

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


class PresenceTable:
    """When a heartbeat went out last, from any process that shares the state."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def beaten(self, account: str) -> None:
        """Notes a heartbeat. Raises StateUnavailable."""
        with self._state.transaction() as db:
            db.execute(
                "INSERT INTO presence VALUES (?,?,?,?) ON CONFLICT(account) DO UPDATE SET "
                "wall=excluded.wall, boot=excluded.boot, boot_id=excluded.boot_id",
                (account, *stamp(self._clock)),
            )

    def since_beat(self, account: str) -> float | None:
        """Seconds since the last heartbeat, None if there was none."""
        with self._state.transaction() as db:
            row = db.execute("SELECT * FROM presence WHERE account=?", (account,)).fetchone()
        return None if row is None else elapsed(stamp_of(row), self._clock)
