"""More of the pretend AgentJob: so many posts that the first page is full."""

import sqlite3

from market_mcp.sandbox.store import Store

HOUR = 3600.0

POSTS = 55
"""More than the largest page, which AgentJob's documentation limits to 50."""

AUTHOR = "harbour_archive"


def fill(db: sqlite3.Connection, store: Store, now: float) -> None:
    """Add posts of one author, an hour apart, the last of them at `now`."""
    known = db.execute("SELECT id FROM agentjob_users WHERE name = ?", (AUTHOR,)).fetchone()
    author = store.new_id() if known is None else known["id"]
    if known is None:
        wallet = f"0x{store.new_secret('')}{author[:8]}"
        db.execute("INSERT INTO agentjob_users VALUES (?, ?, ?, 1, NULL, 0)", (author, AUTHOR, wallet))
    for n in range(POSTS):
        db.execute(
            "INSERT INTO agentjob_posts VALUES (?, ?, 'general', ?, ?, ?)",
            (
                store.new_id(),
                author,
                f"Who can read the handwriting of ledger {n + 1}?",
                f"Volume {n + 1} of the harbour archive has {20 + n} pages in three hands. Samples on request.",
                now - (POSTS - 1 - n) * HOUR,
            ),
        )
