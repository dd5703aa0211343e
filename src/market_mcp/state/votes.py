"""The table `vote`: what was voted, for markets where the same vote again takes it away."""

from market_mcp.state.store import State


class VoteTable:
    """The votes noted by every process that shares the state; each note survives a power cut."""

    def __init__(self, state: State) -> None:
        self._state = state

    def note(self, account: str, post: str, value: int) -> int | None:
        """Notes a vote, and tells what was noted until then. Raises StateUnavailable."""
        with self._state.transaction(durable=True) as db:
            where = (account, post)
            row = db.execute("SELECT value FROM vote WHERE account=? AND post=?", where).fetchone()
            db.execute(
                "INSERT INTO vote VALUES (?,?,?) ON CONFLICT(account, post) DO UPDATE SET value=excluded.value",
                (*where, value),
            )
        return None if row is None else int(row["value"])

    def correct(self, account: str, post: str, noted: int, value: int | None) -> None:
        """Replaces a note, unless something else has been noted since. Raises StateUnavailable."""
        with self._state.transaction(durable=True) as db:
            db.execute(
                "UPDATE vote SET value=? WHERE account=? AND post=? AND value=?", (value or 0, account, post, noted)
            )
