"""Contracts: hiring, delivering, deciding, reviewing."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from market_mcp.sandbox.opentask import bids, shapes
from market_mcp.sandbox.opentask.books import Moment, iso_or_none, listed
from market_mcp.sandbox.opentask.inbox import notify
from market_mcp.sandbox.opentask.lookup import contract_of_party, handle_of, only, visible_task
from market_mcp.sandbox.opentask.models import (
    ContractSearch,
    Decision,
    Hire,
    NewReview,
    NewSubmission,
    Page,
)
from market_mcp.sandbox.web import Call, Endpoint, Refusal, Reply


@dataclass(frozen=True, slots=True)
class Payment:
    """Where the buyer will pay, outside the platform, as it was known at hiring."""

    wallet: str = ""
    token: str = ""
    network: str | None = None
    memo: str | None = None
    method: str | None = None

    @classmethod
    def to(cls, method: sqlite3.Row) -> "Payment":
        return cls(method["address"], method["symbol"], method["network"], method["memo"], method["id"])


def hire(m: Moment, task: sqlite3.Row, bid: sqlite3.Row, payment: Payment) -> sqlite3.Row:
    """A contract for an active bid.

    OpenTask skill: "Contract is created with a terms snapshot (task + bid details). Selected bid becomes
    accepted. Other active bids become rejected. Task becomes closed."
    """
    if task["status"] != "open":
        raise Refusal(409, f"Task is {task['status']}")
    bids.settle(m, bid, "accepted")
    m.db.execute("UPDATE opentask_tasks SET status = 'closed', updated_at = ? WHERE id = ?", (m.now, task["id"]))
    bids.refuse_bids(m, task, "Another bid was accepted.")
    contract = m.insert(
        "opentask_contracts",
        task=task["id"],
        bid=bid["id"],
        buyer=task["owner"],
        seller=bid["bidder"],
        terms=json.dumps(_terms(task, bid)),
        payout_method=payment.method,
        payment_wallet=payment.wallet,
        preferred_token=payment.token,
        payment_network=payment.network,
        payment_memo=payment.memo,
        updated_at=m.now,
    )
    notify(m, bid["bidder"], "bid_accepted", f"Your bid on {task['title']} was accepted", ("bid", bid["id"]))
    told = f"{handle_of(m, task['owner'])} hired you for {task['title']}"
    notify(m, bid["bidder"], "contract_created", told, ("contract", contract["id"]))
    return contract


def _terms(task: sqlite3.Row, bid: sqlite3.Row) -> shapes.Json:
    return {
        "title": task["title"],
        "description": task["description"],
        "acceptanceCriteria": listed(task["criteria"]),
        "skillsTags": listed(task["skills"]),
        "budgetText": task["budget_text"],
        "deadline": iso_or_none(task["deadline"]),
        "priceText": bid["price_text"],
        "etaDays": bid["eta_days"],
        "approach": bid["approach"],
    }


def submit(m: Moment, contract: sqlite3.Row, url: str, notes: str | None) -> sqlite3.Row:
    """A deliverable of the seller, the first one or one after a rejection."""
    if contract["status"] not in ("in_progress", "rejected"):
        raise Refusal(409, f"Contract is {contract['status']}")
    submission = m.insert("opentask_submissions", contract=contract["id"], deliverable_url=url, notes=notes)
    _move(m, contract, "submitted", None)
    told = f"{handle_of(m, contract['seller'])} submitted a deliverable for {_title(contract)}"
    notify(m, contract["buyer"], "submission_created", told, ("contract", contract["id"]))
    return submission


def decide(m: Moment, contract: sqlite3.Row, rejection: str | None) -> sqlite3.Row:
    """The buyer's word on what was submitted: accepted, or rejected for the reason given."""
    if contract["status"] != "submitted":
        raise Refusal(409, "Contract is not awaiting review")
    status = "accepted" if rejection is None else "rejected"
    told = f"Your submission for {_title(contract)} was {status}" + (f": {rejection}" if rejection else "")
    notify(m, contract["seller"], f"submission_{status}", told, ("contract", contract["id"]))
    return _move(m, contract, status, rejection)


def review(m: Moment, contract: sqlite3.Row, author: str, rating: int, text: str | None) -> sqlite3.Row:
    """OpenTask skill: "Allowed only after contract is accepted; one review per participant per contract"."""
    if contract["status"] != "accepted":
        raise Refusal(409, "Contract is not accepted yet")
    mine = "SELECT id FROM opentask_reviews WHERE contract = ? AND author = ?"
    if m.one(mine, contract["id"], author) is not None:
        raise Refusal(409, "You have already reviewed this contract")
    subject = contract["seller"] if author == contract["buyer"] else contract["buyer"]
    written = m.insert(
        "opentask_reviews", contract=contract["id"], author=author, subject=subject, rating=rating, text=text
    )
    told = f"{handle_of(m, author)} reviewed you for {_title(contract)}"
    notify(m, subject, "review_created", told, ("contract", contract["id"]))
    return written


def _move(m: Moment, contract: sqlite3.Row, status: str, reason: str | None) -> sqlite3.Row:
    return m.existing(
        "UPDATE opentask_contracts SET status = ?, reason = ?, updated_at = ? WHERE id = ? RETURNING *",
        status,
        reason,
        m.now,
        contract["id"],
    )


def _title(contract: sqlite3.Row) -> str:
    return str(json.loads(contract["terms"])["title"])


def create(call: Call) -> Reply:
    """The document's platform pays as the hirer says."""
    sent = call.sent(Hire)
    if sent.payoutMethodId is None and (sent.paymentWallet is None or sent.preferredToken is None):
        raise Refusal(400, "payoutMethodId is required, or paymentWallet with preferredToken")
    return _hire(call, sent, current=False)


def create_current(call: Call) -> Reply:
    """The current platform pays to a payout method of the seller and nowhere else."""
    sent = call.sent(Hire)
    if sent.paymentWallet is not None or sent.preferredToken is not None:
        raise Refusal(400, "paymentWallet and preferredToken are not accepted; use payoutMethodId")
    if sent.payoutMethodId is None:
        raise Refusal(400, "payoutMethodId is required")
    return _hire(call, sent, current=True)


def _hire(call: Call, sent: Hire, current: bool) -> Reply:
    m = Moment.of(call)
    task = visible_task(m, sent.taskId, call.agent)
    only(call.agent, task["owner"], "Only the task owner can hire")
    bid = m.existing("SELECT * FROM opentask_bids WHERE id = ? AND task = ?", sent.bidId, task["id"])
    payment = Payment(sent.paymentWallet or "", sent.preferredToken or "")
    if sent.payoutMethodId is not None:
        method = m.one(
            "SELECT * FROM opentask_payout_methods WHERE id = ? AND profile = ? AND is_active",
            sent.payoutMethodId,
            bid["bidder"],
        )
        if method is None:
            raise Refusal(400, "payoutMethodId is not an active payout method of the bidder")
        payment = Payment.to(method)
    return Reply({"contract": shapes.contract(m, hire(m, task, bid, payment), current)}, 201)


def list_own(call: Call, current: bool) -> Reply:
    m, asked = Moment.of(call), call.asked(ContractSearch)
    rows, more = m.page(
        """SELECT * FROM opentask_contracts
           WHERE ((buyer = :me AND :role IS NOT 'seller') OR (seller = :me AND :role IS NOT 'buyer'))
           AND seq < :before ORDER BY seq DESC LIMIT :most""",
        {"me": call.agent, "role": asked.role},
        asked,
    )
    return Reply({"contracts": [shapes.contract_card(m, row, current) for row in rows], **more})


def show(call: Call, current: bool) -> Reply:
    m = Moment.of(call)
    return Reply({"contract": shapes.contract(m, _own(m, call), current)})


def list_submissions(call: Call) -> Reply:
    m, asked = Moment.of(call), call.asked(Page)
    rows, more = m.page(
        """SELECT * FROM opentask_submissions WHERE contract = :contract AND seq < :before
           ORDER BY seq DESC LIMIT :most""",
        {"contract": _own(m, call)["id"]},
        asked,
    )
    return Reply({"submissions": [shapes.submission(row) for row in rows], **more})


def create_submission(call: Call, current: bool) -> Reply:
    m, sent = Moment.of(call), call.sent(NewSubmission)
    contract = _own(m, call)
    only(call.agent, contract["seller"], "Only the seller can submit a deliverable")
    submission = shapes.submission(submit(m, contract, sent.deliverableUrl, sent.notes))
    return Reply({"submission": submission, "contract": shapes.contract(m, _own(m, call), current)}, 201)


def create_decision(call: Call, current: bool) -> Reply:
    m, sent = Moment.of(call), call.sent(Decision)
    contract = _own(m, call)
    only(call.agent, contract["buyer"], "Only the buyer can decide on a submission")
    reason = (sent.reason or "").strip()
    if sent.action == "reject" and not reason:
        raise Refusal(400, "reason is required to reject a submission")
    decided = decide(m, contract, reason if sent.action == "reject" else None)
    return Reply({"contract": shapes.contract(m, decided, current)})


def list_reviews(call: Call) -> Reply:
    m, asked = Moment.of(call), call.asked(Page)
    rows, more = m.page(
        """SELECT * FROM opentask_reviews WHERE contract = :contract AND seq < :before
           ORDER BY seq DESC LIMIT :most""",
        {"contract": _own(m, call)["id"]},
        asked,
    )
    return Reply({"reviews": [shapes.review(m, row) for row in rows], **more})


def create_review(call: Call) -> Reply:
    m, sent = Moment.of(call), call.sent(NewReview)
    written = review(m, _own(m, call), call.agent, sent.rating, sent.text)
    return Reply({"review": shapes.review(m, written)}, 201)


def _own(m: Moment, call: Call) -> sqlite3.Row:
    return contract_of_party(m, call.path["contractId"], call.agent)


def endpoints(current: bool) -> Sequence[Endpoint]:
    """The calls about contracts; the two versions differ in how payment is named, and in what is shown."""
    key, at = partial(Endpoint, auth="key"), "/api/agent/contracts"
    shown = [partial(handle, current=current) for handle in (list_own, show, create_submission, create_decision)]
    listed_own, one_shown, submitted, decided = shown
    one = f"{at}/{{contractId}}"
    return (
        key(
            "POST", at, create_current if current else create, "Hire a bidder",
            scope="contracts:write", body=Hire, statuses=(201, 403, 404, 409),
        ),
        key("GET", at, listed_own, "Own contracts, newest first", scope="contracts:read", query=ContractSearch),
        key(
            "GET", one, one_shown, "A contract, for its buyer and seller", scope="contracts:read",
            statuses=(200, 403, 404),
        ),
        key(
            "GET", f"{one}/submissions", list_submissions, "What was delivered, newest first",
            scope="submissions:read", query=Page, statuses=(200, 403, 404),
        ),
        key(
            "POST", f"{one}/submissions", submitted, "Deliver as the seller",
            scope="submissions:write", body=NewSubmission, statuses=(201, 403, 404, 409),
        ),
        key(
            "POST", f"{one}/decision", decided, "Accept or reject as the buyer",
            scope="decision:write", body=Decision, statuses=(200, 403, 404, 409),
        ),
        key(
            "GET", f"{one}/reviews", list_reviews, "The reviews of a contract",
            scope="reviews:read", query=Page, statuses=(200, 403, 404),
        ),
        key(
            "POST", f"{one}/reviews", create_review, "Review the other party",
            scope="reviews:write", body=NewReview, statuses=(201, 403, 404, 409),
        ),
    )  # fmt: skip
