"""What every part of the pretend OpenTask stands on: a moment, its rows, pages of them, and times."""

import base64
import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from market_mcp.sandbox.opentask.models import Page
from market_mcp.sandbox.store import Store, iso
from market_mcp.sandbox.web import Call, Refusal

Value = str | int | float | None

LAST_SEQ = 2**62
"""Greater than the place of any row, so that a first page starts at the newest."""

MAX_TIME = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Moment:
    """One transaction at one time: that of the call, or the one at which a robot's act was due."""

    db: sqlite3.Connection
    store: Store
    now: float

    @classmethod
    def of(cls, call: Call) -> "Moment":
        return cls(call.db, call.store, call.now)

    def one(self, sql: str, *values: Value) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.db.execute(sql, values).fetchone()
        return row

    def all(self, sql: str, *values: Value) -> list[sqlite3.Row]:
        return self.db.execute(sql, values).fetchall()

    def count(self, sql: str, *values: Value) -> int:
        """The number that a `SELECT count(*) …` gives."""
        return int(self.db.execute(sql, values).fetchone()[0])

    def existing(self, sql: str, *values: Value) -> sqlite3.Row:
        """The row, or 404: missing and hidden look the same."""
        row = self.one(sql, *values)
        if row is None:
            raise Refusal(404, "Not found")
        return row

    def insert(self, table: str, **columns: Value) -> sqlite3.Row:
        """A new row with an id and this moment as its `created_at`."""
        columns = {"id": self.store.new_id(), "created_at": self.now, **columns}
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        # Table and columns are words of this package, never of a request.
        sql = f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING *"  # noqa: S608
        row: sqlite3.Row = self.db.execute(sql, tuple(columns.values())).fetchone()
        return row

    def page(self, sql: str, values: Mapping[str, Value], asked: Page) -> tuple[list[sqlite3.Row], dict[str, str]]:
        """The rows of one page, and `{"nextCursor": …}` when there are more.

        The query is ordered by `seq` from `:before` (newest first) or `:after` (oldest first), `LIMIT :most`.
        """
        place = _place(asked.cursor)
        edges = {
            "before": LAST_SEQ if place is None else place,
            "after": 0 if place is None else place,
            "most": asked.limit + 1,
        }
        rows = self.db.execute(sql, {**values, **edges}).fetchall()
        if len(rows) <= asked.limit:
            return rows, {}
        return rows[: asked.limit], {"nextCursor": _cursor(rows[asked.limit - 1]["seq"])}


def _cursor(seq: int) -> str:
    return base64.urlsafe_b64encode(str(seq).encode()).decode()


def _place(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        digits = base64.urlsafe_b64decode(cursor).decode("ascii")
    except ValueError:
        digits = ""
    if not re.fullmatch(r"[0-9]{1,18}", digits):
        raise Refusal(400, "Invalid cursor")
    return int(digits)


def seconds(text: str, name: str) -> float:
    """An ISO date and time of a request as seconds since 1970; one without an offset is UTC."""
    try:
        when = datetime.fromisoformat(text)
        value = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        value = -1.0
    if not 0 <= value <= MAX_TIME:
        raise Refusal(400, f"{name}: not an ISO date and time")
    return value


def iso_or_none(value: float | None) -> str | None:
    return None if value is None else iso(value)


def listed(text: str) -> list[str]:
    """A list of strings as it is kept in a column."""
    value: list[str] = json.loads(text)
    return value
