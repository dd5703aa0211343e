"""Where the pretend markets keep their rows: one SQLite file (or memory), one clock, one source of ids."""

import random
import sqlite3
import threading
import uuid
from collections.abc import Collection, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """The time of the sandbox: wall clock in seconds since 1970, and a sleep that its owner drives."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Store:
    """A SQLite database shared by the three markets and by every process that opens the same file."""

    def __init__(self, path: Path | None, clock: Clock, rng: random.Random | None = None) -> None:
        self.clock = clock
        self._rng = rng or random.SystemRandom()
        # One connection has one transaction, also when a test looks in from another thread than the server's.
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=10)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self.changes = 0
        """How many rows of watched tables have come, gone or become others through this connection."""
        self._unwatched: frozenset[str] = frozenset()
        self._columns: dict[str, frozenset[str]] = {}
        self._db.create_function("sandbox_changed", 0, self._changed)
        # What is pretend may be lost in a power cut; it need not cost an fsync a call.
        self._db.execute("PRAGMA synchronous=OFF")

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Everything inside happens or nothing does. Reads write too: robots act when they are looked at."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def create(self, schema: str, *, unwatched: frozenset[str] = frozenset()) -> None:
        """Create the tables of `schema` (statements `CREATE … IF NOT EXISTS`) where they are missing.

        Changes of the `unwatched` ones are bookkeeping and count for nothing.
        """
        self._unwatched |= unwatched
        self._db.executescript(schema)
        for (table,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table not in self._unwatched and not table.startswith("sqlite_"):
                self._watch(table)

    def _watch(self, table: str) -> None:
        """Count the changes of a table, by triggers of this connection only."""
        columns = [row["name"] for row in self._db.execute(f"PRAGMA table_info({table})")]
        self._columns[table] = frozenset(columns)
        differs = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)
        for event, condition in (("INSERT", "1"), ("DELETE", "1"), ("UPDATE", differs)):
            self._db.execute(
                f"CREATE TEMP TRIGGER IF NOT EXISTS {table}_{event} AFTER {event} ON main.{table} "
                f"WHEN {condition} BEGIN SELECT sandbox_changed(); END"
            )

    def _changed(self) -> None:
        self.changes += 1

    def entered_after(self, db: sqlite3.Connection, moment: float, columns: Collection[str]) -> set[str]:
        """The ids of rows of which one of these columns holds a time after a moment (seconds since 1970)."""
        found: set[str] = set()
        for table, known in self._columns.items():
            for column in known & set(columns) if "id" in known else ():
                sql = f"SELECT id FROM main.{table} WHERE {column} > ?"  # noqa: S608 - names from the schema
                found |= {row["id"] for row in db.execute(sql, (moment,))}
        return found

    def empty(self, db: sqlite3.Connection) -> None:
        """Take every row out of every table, and begin counting anew."""
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            db.execute(f"DELETE FROM main.{table}")  # noqa: S608 - a name from the schema

    def new_id(self) -> str:
        """A random UUID, as all three platforms use for their ids."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def new_secret(self, prefix: str) -> str:
        """A key in the platform's form, such as `polt_4f…`: the prefix and 32 hexadecimal digits."""
        return f"{prefix}{self._rng.getrandbits(128):032x}"

    def close(self) -> None:
        self._db.close()


def iso(seconds: float) -> str:
    """Seconds since 1970 as the platforms print a time: `2026-03-14T10:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
