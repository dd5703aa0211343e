"""The tables `vote` and `vote_sent`: what was voted, for markets where the same vote again takes it away."""

from typing import NamedTuple

from market_mcp.clock import Clock, elapsed, stamp
from market_mcp.state.store import State, stamp_of


class Noted(NamedTuple):
    """What is known of a post: the vote that stands (0: none), and one that left and may count or not.

    `busy` says that another process is just voting on it; then nothing was noted.
    """

    standing: int
    unsure: int | None
    busy: bool = False


class VoteTable:
    """The votes of every process that shares the state; each note survives a power cut. Raises StateUnavailable.

    `answered_within` are the seconds after which a request of a vote counts as lost with the process that sent it.
    """

    def __init__(self, state: State, clock: Clock, answered_within: float) -> None:
        self._state = state
        self._clock = clock
        self.answered_within = answered_within

    def begin(self, account: str, post: str, value: int) -> Noted:
        """Notes that a vote is about to leave, unless it stands already, and tells what was known until then."""
        where = (account, post)
        with self._state.transaction(durable=True) as db:
            stands = db.execute("SELECT value FROM vote WHERE account=? AND post=?", where).fetchone()
            sent = db.execute("SELECT * FROM vote_sent WHERE account=? AND post=?", where).fetchone()
            noted = Noted(stands["value"] if stands else 0, sent["value"] if sent else None)
            if sent and sent["open"] and elapsed(stamp_of(sent), self._clock) < self.answered_within:
                return noted._replace(busy=True)
            if sent or noted.standing != value:
                row = (*where, value, 1, *stamp(self._clock))
                db.execute("INSERT OR REPLACE INTO vote_sent VALUES (?,?,?,?,?,?,?)", row)
        return noted

    def renew(self, account: str, post: str) -> None:
        """Notes that one more request of a vote that was begun is about to leave."""
        with self._state.transaction(durable=True) as db:
            change = "UPDATE vote_sent SET wall=?, boot=?, boot_id=? WHERE account=? AND post=?"
            db.execute(change, (*stamp(self._clock), account, post))

    def settle(self, account: str, post: str, value: int) -> None:
        """Notes the vote that is known to stand, 0 for none."""
        with self._state.transaction(durable=True) as db:
            db.execute("INSERT OR REPLACE INTO vote VALUES (?,?,?)", (account, post, value))
            db.execute("DELETE FROM vote_sent WHERE account=? AND post=?", (account, post))

    def leave(self, account: str, post: str, unsure: int | None) -> None:
        """Notes that the vote which was begun is over; `unsure` is one that may count or not, None: there is none."""
        with self._state.transaction(durable=True) as db:
            if unsure is None:
                db.execute("DELETE FROM vote_sent WHERE account=? AND post=?", (account, post))
            else:
                change = "UPDATE vote_sent SET value=?, open=0 WHERE account=? AND post=?"
                db.execute(change, (unsure, account, post))
