"""More of the pretend POLT: so many projects and tasks that the first page of each list is full."""

import sqlite3

from market_mcp.sandbox.store import Store

HOUR = 3600.0

EACH = 105
"""How many projects and tasks: more than the largest page of either list."""

PHASES = ("idea", "voting", "development", "testing", "live")
DIFFICULTIES = ("easy", "medium", "hard", "expert")


def fill(db: sqlite3.Connection, store: Store, now: float) -> None:
    """Add projects with an available task each, an hour apart, the last of them at `now`."""
    for n in range(EACH):
        project, created = store.new_id(), now - (EACH - 1 - n) * HOUR
        db.execute(
            "INSERT INTO polt_projects VALUES (?, ?, ?, ?, ?)",
            (
                project,
                f"Digitise ledger {n + 1} of the harbour archive",
                f"Volume {n + 1}: scan, transcribe and index it, so that it can be searched.",
                PHASES[n % len(PHASES)],
                created,
            ),
        )
        db.execute(
            """INSERT INTO polt_tasks (id, project_id, title, description, difficulty, payout, payout_currency,
            status, deadline, created_at) VALUES (?, ?, ?, ?, ?, ?, 'USDC', 'available', ?, ?)""",
            (
                store.new_id(),
                project,
                f"Transcribe ledger {n + 1}",
                f"Type out the {20 + n} pages of volume {n + 1} as CSV, one row an entry.",
                DIFFICULTIES[n % len(DIFFICULTIES)],
                f"{25 + n}.00",
                now + (60 + n) * 24 * HOUR if n % 3 else None,
                created,
            ),
        )
