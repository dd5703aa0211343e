"""The markets' own limits on how often a thing may be done, counted here so that they are known before they are hit."""

from collections.abc import Iterable

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.clock import Clock, elapsed, is_ahead, stamp
from market_mcp.errors import BadCall, TooSoon
from market_mcp.markets import Quota, Row, Standing
from market_mcp.state.store import State, stamp_of


class Quotas:
    """Counts the calls that are known to have taken effect, of every process that shares the state file."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def admit(self, account: Account, row: Row, action: Action) -> None:
        """Raises TooSoon or BadCall where a limit of the market has no room for this call."""
        if row.limits.quota is not None:
            self._check(account, row.limits.quota)
        if row.limits.standing is not None:
            self._check_standing(account, row.limits.standing, str(getattr(action, row.limits.standing.subject)))

    def count(self, account: Account, row: Row, action: Action) -> None:
        """Counts a call that took effect. Raises StateUnavailable."""
        if row.limits.quota is not None:
            self._spend(account, row.limits.quota)
        if row.limits.standing is not None:
            self._stand(account, row.limits.standing, str(getattr(action, row.limits.standing.subject)))

    def recount(self, account: Account, name: str, subjects: Iterable[str]) -> None:
        """Replaces what was counted here by what the market says."""
        with self._state.transaction() as db:
            db.execute("DELETE FROM standing WHERE account=? AND quota=?", (account.id, name))
            for subject in subjects:
                db.execute("INSERT OR IGNORE INTO standing VALUES (?,?,?)", (account.id, name, subject))

    def left(self, account: Account) -> dict[str, int]:
        """How many calls or things each of the market's quotas has left."""
        limits = [row.limits for row in account.market.rows.values()]
        calls = {limit.quota for limit in limits if limit.quota is not None}
        things = {(limit.standing.name, limit.standing.most) for limit in limits if limit.standing is not None}
        left = {quota.name: quota.calls - len(self._ages(account, quota)) for quota in sorted(calls)}
        left |= {name: most - len(self._held(account, name)) for name, most in sorted(things)}
        return {name: max(0, count) for name, count in left.items()}

    def _check(self, account: Account, quota: Quota) -> None:
        """Raises TooSoon when the quota is used up, with the time when the next call is free."""
        ages = self._ages(account, quota)
        if len(ages) >= quota.calls:
            raise TooSoon(
                f"{account.market.name} allows {quota.calls} {quota.name} in {_span(quota.seconds)}; all are used.",
                retry_after_seconds=quota.seconds - sorted(ages)[quota.calls - 1],
            )

    def _spend(self, account: Account, quota: Quota) -> None:
        """Counts one call."""
        with self._state.transaction() as db:
            db.execute("INSERT INTO spent VALUES (?,?,?,?,?)", (account.id, quota.name, *stamp(self._clock)))

    def _check_standing(self, account: Account, standing: Standing, subject: str) -> None:
        """Raises BadCall when there is no room for one more, or when this one is held already."""
        held = self._held(account, standing.name)
        if standing.takes and len(held) >= standing.most:
            if subject in held:
                raise BadCall(
                    f"That is one of the {len(held)} {standing.name} you have already.",
                    next="Go on with it; nothing more is needed to take it. my_work shows what you owe.",
                )
            raise BadCall(
                f"{account.market.name} allows {standing.most} {standing.name} at once, and you have {len(held)}.",
                next="End one first: hand it in or give it back. my_work looks at the market and counts them anew.",
            )

    def _stand(self, account: Account, standing: Standing, subject: str) -> None:
        """Notes that a thing was added or ended."""
        with self._state.transaction() as db:
            if standing.takes:
                row = (account.id, standing.name, subject)
                db.execute("INSERT OR IGNORE INTO standing VALUES (?,?,?)", row)
            else:
                where = (account.id, standing.name, subject)
                db.execute("DELETE FROM standing WHERE account=? AND quota=? AND subject=?", where)

    def _held(self, account: Account, name: str) -> list[str]:
        with self._state.transaction() as db:
            rows = db.execute("SELECT subject FROM standing WHERE account=? AND quota=?", (account.id, name))
            return [row["subject"] for row in rows]

    def _ages(self, account: Account, quota: Quota) -> list[float]:
        """Seconds since each call that still counts; the others are forgotten."""
        ages: list[float] = []
        with self._state.transaction() as db:
            where = (account.id, quota.name)
            for row in db.execute("SELECT rowid, * FROM spent WHERE account=? AND quota=?", where).fetchall():
                since = stamp_of(row)
                if is_ahead(since, self._clock):
                    since = stamp(self._clock)
                    db.execute("UPDATE spent SET wall=?, boot=?, boot_id=? WHERE rowid=?", (*since, row["rowid"]))
                age = elapsed(since, self._clock)
                if age < quota.seconds:
                    ages.append(age)
                else:
                    db.execute("DELETE FROM spent WHERE rowid=?", (row["rowid"],))
        return ages


def _span(seconds: float) -> str:
    """A time as people say it: `a minute`, `24 hours`."""
    for size, unit in ((3600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            count = int(seconds // size)
            return f"{'an' if unit == 'hour' else 'a'} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{seconds:g} seconds"
