"""How long nothing is sent to a market that wants to be left alone, known to every process of the account."""

from sqlite3 import Connection
from typing import NamedTuple

from market_mcp.clock import Clock, elapsed, is_ahead, stamp
from market_mcp.state.store import State, stamp_of

PROBED_AFTER = 3600.0
"""Seconds after which one read may find out whether a hold is still meant."""


class Hold(NamedTuple):
    """`left` seconds more, and what the market said; `probe` is whether a read may try it now."""

    left: float
    said: str
    probe: bool


class HoldTable:
    """Holds, by account and by what is held: "" is all of it, else the route of one call."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def put(self, account: str, what: str, seconds: float, said: str) -> None:
        """Begins a hold; a longer one stays."""
        with self._state.transaction() as db:
            present = self.find(db, account, what)
            if present is None or present.left < seconds:
                row = (account, what, seconds, said, *stamp(self._clock))
                db.execute("INSERT OR REPLACE INTO hold VALUES (?,?,?,?,?,?,?)", row)

    def left(self, account: str, what: str = "") -> Hold | None:
        with self._state.transaction() as db:
            return self.find(db, account, what)

    def find(self, db: Connection, account: str, what: str = "") -> Hold | None:
        """The hold that there is, within a transaction."""
        row = db.execute("SELECT * FROM hold WHERE account=? AND what=?", (account, what)).fetchone()
        if row is None:
            return None
        if is_ahead(stamp_of(row), self._clock):
            self._stamp(db, account, what, row["seconds"])
        age = elapsed(stamp_of(row), self._clock)
        if age < row["seconds"]:
            return Hold(row["seconds"] - age, row["said"], age >= PROBED_AFTER)
        self.lift(db, account, what)
        return None

    def probed(self, db: Connection, account: str, hold: Hold) -> None:
        """One read has gone to find out; the next may after as long again."""
        self._stamp(db, account, "", hold.left)

    def lift(self, db: Connection, account: str, what: str = "") -> None:
        """The market answers again."""
        db.execute("DELETE FROM hold WHERE account=? AND what=?", (account, what))

    def _stamp(self, db: Connection, account: str, what: str, seconds: float) -> None:
        db.execute(
            "UPDATE hold SET seconds=?, wall=?, boot=?, boot_id=? WHERE account=? AND what=?",
            (seconds, *stamp(self._clock), account, what),
        )
