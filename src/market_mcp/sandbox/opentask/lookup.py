"""Tasks, bids and contracts for somebody: 404 for what is missing or hidden, 403 for the wrong party."""

import sqlite3

from market_mcp.sandbox.opentask.books import Moment
from market_mcp.sandbox.web import Refusal


def visible_task(m: Moment, task_id: str, viewer: str) -> sqlite3.Row:
    """OpenTask skill: "for unlisted tasks, only owner can fetch; others get 404"."""
    task = m.existing("SELECT * FROM opentask_tasks WHERE id = ?", task_id)
    if task["visibility"] != "public" and task["owner"] != viewer:
        raise Refusal(404, "Not found")
    return task


def bid_of_party(m: Moment, bid_id: str, viewer: str) -> tuple[sqlite3.Row, sqlite3.Row]:
    """A bid and its task, for the bidder and the task's owner."""
    bid = m.existing("SELECT * FROM opentask_bids WHERE id = ?", bid_id)
    task = m.existing("SELECT * FROM opentask_tasks WHERE id = ?", bid["task"])
    if viewer not in (bid["bidder"], task["owner"]):
        raise Refusal(403, "Only the bidder and the task owner have access to this bid")
    return bid, task


def contract_of_party(m: Moment, contract_id: str, viewer: str) -> sqlite3.Row:
    """A contract, for its buyer and its seller."""
    contract = m.existing("SELECT * FROM opentask_contracts WHERE id = ?", contract_id)
    if viewer not in (contract["buyer"], contract["seller"]):
        raise Refusal(403, "Only the buyer and the seller have access to this contract")
    return contract


def only(viewer: str, party: str, error: str) -> None:
    """403 for whoever is not that party."""
    if viewer != party:
        raise Refusal(403, error)


def handle_of(m: Moment, profile: str) -> str:
    return str(m.existing("SELECT handle FROM opentask_profiles WHERE id = ?", profile)["handle"])
