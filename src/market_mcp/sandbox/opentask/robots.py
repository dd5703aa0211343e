"""The other side of the market: robots read their notifications `pace` seconds late and act on them."""

import re
import sqlite3
from collections.abc import Callable
from decimal import Decimal

from market_mcp.sandbox.opentask import bids, contracts, offers
from market_mcp.sandbox.opentask.bids import Offer
from market_mcp.sandbox.opentask.books import Moment
from market_mcp.sandbox.opentask.budget import plain
from market_mcp.sandbox.opentask.contracts import Payment
from market_mcp.sandbox.opentask.inbox import notify
from market_mcp.sandbox.store import Store

COUNTER_FACTOR = Decimal("0.9")
"""What the haggling buyer offers of a bid's price."""

ASKED = (Decimal("0.9"), Decimal("1.05"))
"""What the two robots that bid on a task ask of its budget."""

_NUMBER = re.compile(r"[0-9][0-9,]{0,15}(?:\.[0-9]{1,18})?")


def act(db: sqlite3.Connection, store: Store, now: float, pace: float) -> None:
    """Let robots do what has come due by `now`, each thing at the time it was due, in order."""
    while True:
        due = Moment(db, store, now).one(
            """SELECT n.* FROM opentask_notifications AS n JOIN opentask_profiles AS p ON p.id = n.profile
               WHERE p.robot IS NOT NULL AND n.read_at IS NULL AND n.created_at <= ?
               ORDER BY n.created_at, n.seq LIMIT 1""",
            now - pace,
        )
        if due is None:
            return
        # A sum may round above `now`, and nobody acts in the future.
        m = Moment(db, store, min(now, due["created_at"] + pace))
        db.execute("UPDATE opentask_notifications SET read_at = ? WHERE id = ?", (m.now, due["id"]))
        react = _REACTIONS.get(due["type"])
        if react is not None:
            react(m, due["profile"], due["entity_id"])


def _meet_bid(m: Moment, robot: str, bid_id: str) -> None:
    """Hire whoever bids, unless this is the task whose buyer first asks for a better price."""
    bid, task = _bid(m, bid_id)
    if bid["status"] != "active" or task["status"] != "open":
        return
    if task["haggles"]:
        price = scaled(bid["price_text"], COUNTER_FACTOR)
        message = "The approach fits. Could you do it for a little less?"
        offers.propose(m, bid, task, Offer(price), message)
    else:
        hire(m, bid, task)


def _meet_agreement(m: Moment, robot: str, bid_id: str) -> None:
    bid, task = _bid(m, bid_id)
    if bid["status"] == "active" and task["status"] == "open":
        hire(m, bid, task)


def _meet_refused_offer(m: Moment, robot: str, bid_id: str) -> None:
    bid, task = _bid(m, bid_id)
    if bid["status"] == "active":
        bids.reject(m, bid, task, "We could not agree on a price.")


def _meet_offer(m: Moment, robot: str, bid_id: str) -> None:
    bid, task = _bid(m, bid_id)
    proposed = m.one("SELECT * FROM opentask_counter_offers WHERE bid = ? AND status = 'pending'", bid_id)
    if proposed is not None:
        offers.accept(m, bid, task, proposed)


def _meet_task(m: Moment, robot: str, task_id: str) -> None:
    """Bid near the budget, one robot below and the next above it."""
    task = m.existing("SELECT * FROM opentask_tasks WHERE id = ?", task_id)
    mine = "SELECT count(*) FROM opentask_bids WHERE task = ? AND bidder = ?"
    if task["status"] != "open" or task["visibility"] != "public" or m.count(mine, task_id, robot):
        return
    others = m.count("SELECT count(*) FROM opentask_bids WHERE task = ? AND bidder <> ?", task_id, robot)
    price = scaled(task["budget_text"] or "200 USDC", ASKED[min(others, 1)])
    approach = (
        "Plan: clarify the open questions, deliver a first version early, then polish against the acceptance "
        "criteria. Verification: a checklist with evidence for every criterion."
    )
    bids.place(m, task, robot, Offer(price, 2 + others, approach))


def _meet_contract(m: Moment, robot: str, contract_id: str) -> None:
    contract = _contract(m, contract_id)
    if contract["status"] in ("in_progress", "rejected"):
        again = m.count("SELECT count(*) FROM opentask_submissions WHERE contract = ?", contract_id)
        url = f"https://example.com/deliveries/{contract_id}/v{again + 1}"
        notes = "Reworked as you asked." if again else "First complete version. The checklist is in the README."
        contracts.submit(m, contract, url, notes)


def _meet_submission(m: Moment, robot: str, contract_id: str) -> None:
    """Accept what is reachable over https, and plan the review that follows."""
    contract = _contract(m, contract_id)
    if contract["status"] != "submitted":
        return
    latest = m.existing(
        "SELECT deliverable_url FROM opentask_submissions WHERE contract = ? ORDER BY seq DESC LIMIT 1",
        contract_id,
    )
    if latest["deliverable_url"].startswith("https://"):
        contracts.decide(m, contract, None)
        notify(m, robot, "review_due", "Review what you accepted", ("contract", contract_id))
    else:
        contracts.decide(m, contract, "I cannot open the deliverable; please give an https:// address.")


def _meet_acceptance(m: Moment, robot: str, contract_id: str) -> None:
    contract = _contract(m, contract_id)
    mine = "SELECT count(*) FROM opentask_reviews WHERE contract = ? AND author = ?"
    if contract["status"] == "accepted" and not m.count(mine, contract_id, robot):
        buyer = contract["buyer"] == robot
        text = "Delivered as agreed, with clear notes." if buyer else "Clear task and a quick decision."
        contracts.review(m, contract, robot, 5, text)


def hire(m: Moment, bid: sqlite3.Row, task: sqlite3.Row) -> sqlite3.Row:
    """Hire a bidder, to be paid where the bidder wants to be paid."""
    method = m.one(
        "SELECT * FROM opentask_payout_methods WHERE profile = ? AND is_active ORDER BY seq LIMIT 1",
        bid["bidder"],
    )
    return contracts.hire(m, task, bid, Payment() if method is None else Payment.to(method))


def _bid(m: Moment, bid_id: str) -> tuple[sqlite3.Row, sqlite3.Row]:
    bid = m.existing("SELECT * FROM opentask_bids WHERE id = ?", bid_id)
    return bid, m.existing("SELECT * FROM opentask_tasks WHERE id = ?", bid["task"])


def _contract(m: Moment, contract_id: str) -> sqlite3.Row:
    return m.existing("SELECT * FROM opentask_contracts WHERE id = ?", contract_id)


def scaled(text: str, factor: Decimal) -> str:
    """A price with its first number multiplied, to four significant digits: "450 USDC" becomes "405 USDC"."""

    def times(match: re.Match[str]) -> str:
        amount = float(f"{float(Decimal(match[0].replace(',', '')) * factor):.4g}")
        return plain(amount)

    return _NUMBER.sub(times, text, count=1)


_REACTIONS: dict[str, Callable[[Moment, str, str], None]] = {
    "bid_created": _meet_bid,
    "counter_offer_accepted": _meet_agreement,
    "counter_offer_rejected": _meet_refused_offer,
    "counter_offer_created": _meet_offer,
    "task_posted": _meet_task,
    "contract_created": _meet_contract,
    "submission_rejected": _meet_contract,
    "submission_created": _meet_submission,
    "submission_accepted": _meet_acceptance,
    "review_due": _meet_acceptance,
}
