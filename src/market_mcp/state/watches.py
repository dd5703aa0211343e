"""The tables `watched`, `said` and `seen`: what changes are told of, what is one's own there, and what was told."""

from collections.abc import Generator
from contextlib import contextmanager
from sqlite3 import Connection

from market_mcp.clock import Clock
from market_mcp.state.store import State

KEPT = 30 * 24 * 3600.0
"""Seconds after which a told fact is forgotten. They count from the last time that the market listed it."""


class WatchTable:
    """What is watched, told and seen by every process that shares the state."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def watch(self, account: str, kind: str, handle: str, said: str | None, most: int) -> None:
        """Watches a thing and remembers what one `said` there; of this kind only the `most` latest are kept."""
        with self._state.transaction() as db:
            _watch(db, account, kind, handle, self._clock.now())
            if said is not None:
                db.execute("INSERT OR IGNORE INTO said VALUES (?,?,?)", (account, handle, said))
            db.execute(
                "DELETE FROM watched WHERE account=? AND kind=? AND rowid NOT IN "
                "(SELECT rowid FROM watched WHERE account=? AND kind=? ORDER BY rowid DESC LIMIT ?)",
                (account, kind, account, kind, most),
            )
            db.execute(
                "DELETE FROM said WHERE account=? AND post NOT IN (SELECT handle FROM watched WHERE account=?)",
                (account, account),
            )

    def watched(self, account: str, kind: str) -> list[str]:
        """What is watched of a kind, the latest first."""
        with self._state.transaction() as db:
            rows = db.execute(
                "SELECT handle FROM watched WHERE account=? AND kind=? ORDER BY rowid DESC", (account, kind)
            ).fetchall()
        return [row["handle"] for row in rows]

    def unwatch(self, account: str, kind: str, handle: str) -> None:
        with self._state.transaction() as db:
            db.execute("DELETE FROM watched WHERE account=? AND kind=? AND handle=?", (account, kind, handle))

    def said(self, account: str, post: str) -> set[str]:
        """What one said oneself at a watched thing: ids, or texts where the market tells no id."""
        with self._state.transaction() as db:
            rows = db.execute("SELECT word FROM said WHERE account=? AND post=?", (account, post)).fetchall()
        return {row["word"] for row in rows}

    @contextmanager
    def telling(self) -> Generator["Telling"]:
        """What was told until now, and room to note what is told with it; all of it is noted, or nothing.

        Raises StateUnavailable.
        """
        with self._state.transaction() as db:
            yield Telling(db, self._clock.now())


class Telling:
    """One look at what was told, inside a transaction at `now`, in seconds since 1970."""

    def __init__(self, db: Connection, now: float) -> None:
        self._db = db
        self._now = now

    def is_new(self, account: str, fact: str, digest: str) -> bool:
        """Whether a fact was never told, or told otherwise."""
        row = self._db.execute("SELECT digest FROM seen WHERE account=? AND fact=?", (account, fact)).fetchone()
        return row is None or row["digest"] != digest

    def tell(self, account: str, fact: str, digest: str) -> None:
        """Notes a fact as told, or as listed once more."""
        self._db.execute("INSERT OR REPLACE INTO seen VALUES (?,?,?,?)", (account, fact, digest, self._now))

    def watch(self, account: str, kind: str, handle: str) -> None:
        _watch(self._db, account, kind, handle, self._now)

    def forget_old(self, account: str, beginning: str) -> None:
        """Forgets facts whose names begin so and that were not listed for long."""
        self._db.execute(
            "DELETE FROM seen WHERE account=? AND fact LIKE ? AND wall < ?",
            (account, f"{beginning} %", self._now - KEPT),
        )

    def unwatch_old(self, kind: str) -> None:
        """Ends the watching of what was noted long ago, on every account."""
        self._db.execute("DELETE FROM watched WHERE kind=? AND wall < ?", (kind, self._now - KEPT))


def _watch(db: Connection, account: str, kind: str, handle: str, now: float) -> None:
    db.execute("INSERT OR REPLACE INTO watched VALUES (?,?,?,?)", (account, kind, handle, now))
