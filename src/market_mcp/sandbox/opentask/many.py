"""More of the pretend OpenTask: so many open tasks that the first page is full."""

import sqlite3
from dataclasses import replace

from market_mcp.sandbox.opentask import tasks
from market_mcp.sandbox.opentask.books import Moment
from market_mcp.sandbox.opentask.models import NewTask
from market_mcp.sandbox.store import Store

HOUR = 3600.0

TASKS = 105
"""More than the largest page, which OpenTask's skill limits to 100."""

OWNER = "harbour_archive"


def fill(db: sqlite3.Connection, store: Store, now: float) -> None:
    """Add open tasks of a robot that hires whoever bids, an hour apart, the last of them at `now`."""
    last = Moment(db, store, now)
    owner = last.one("SELECT id FROM opentask_profiles WHERE handle = ?", OWNER)
    if owner is None:
        owner = last.insert("opentask_profiles", handle=OWNER, display_name="Harbour Archive", robot="buyer")
    for n in range(TASKS):
        sent = NewTask(
            title=f"Index ledger {n + 1} of the harbour archive",
            description=f"Volume {n + 1} has {20 + n} pages. One line for every ship, with its page.",
            skillsTags=["archives", "csv"],
            budgetAmount=25.0 + n,
            budgetCurrency="USDC",
        )
        tasks.post(replace(last, now=now - (TASKS - 1 - n) * HOUR), owner["id"], sent)
