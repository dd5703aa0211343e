"""What a buyer decides when a harness decides for him, whoever he is."""

import sqlite3

from market_mcp.sandbox.opentask import contracts, robots
from market_mcp.sandbox.opentask.books import Moment
from market_mcp.sandbox.store import Store


def hire(db: sqlite3.Connection, store: Store, now: float, bid_id: str) -> str:
    """Hire a bidder; the id of the contract. Raises Refusal: 404 for no such bid, 409 for one that is settled."""
    m = Moment(db, store, now)
    bid = m.existing("SELECT * FROM opentask_bids WHERE id = ?", bid_id)
    return str(robots.hire(m, bid, m.existing("SELECT * FROM opentask_tasks WHERE id = ?", bid["task"]))["id"])


def decide(db: sqlite3.Connection, store: Store, now: float, contract_id: str, rejection: str | None) -> str:
    """Accept what was submitted, or reject it for a reason; the contract's status.

    Raises Refusal: 404 for no such contract, 409 for one on which there is nothing to decide.
    """
    m = Moment(db, store, now)
    contract = m.existing("SELECT * FROM opentask_contracts WHERE id = ?", contract_id)
    return str(contracts.decide(m, contract, rejection)["status"])
