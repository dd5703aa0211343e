"""Counter-offers: the task's owner proposes other terms, the bidder accepts or rejects them."""

import sqlite3
from functools import partial

from market_mcp.sandbox.opentask import shapes
from market_mcp.sandbox.opentask.bids import Offer, revise
from market_mcp.sandbox.opentask.books import Moment
from market_mcp.sandbox.opentask.inbox import notify
from market_mcp.sandbox.opentask.lookup import bid_of_party, handle_of, only
from market_mcp.sandbox.opentask.models import CounterOfferPatch, NewCounterOffer, Page, Reason
from market_mcp.sandbox.web import Call, Endpoint, Refusal, Reply


def propose(m: Moment, bid: sqlite3.Row, task: sqlite3.Row, offer: Offer, message: str | None) -> sqlite3.Row:
    """OpenTask skill: "Returns 409 if bid is not active or a counter-offer is already pending"."""
    if bid["status"] != "active":
        raise Refusal(409, f"Bid is {bid['status']}")
    if m.one("SELECT id FROM opentask_counter_offers WHERE bid = ? AND status = 'pending'", bid["id"]) is not None:
        raise Refusal(409, "A counter-offer is already pending")
    proposed = m.insert(
        "opentask_counter_offers",
        bid=bid["id"],
        price_text=offer.price_text,
        eta_days=offer.eta_days,
        approach=offer.approach,
        message=message,
        updated_at=m.now,
    )
    told = f"{handle_of(m, task['owner'])} proposes {offer.price_text} for {task['title']}"
    notify(m, bid["bidder"], "counter_offer_created", told, ("bid", bid["id"]))
    return proposed


def accept(m: Moment, bid: sqlite3.Row, task: sqlite3.Row, proposed: sqlite3.Row) -> sqlite3.Row:
    """The bid takes over the terms; what the counter-offer leaves open stays as it was bid."""
    accepted = _settle(m, proposed, "accepted")
    eta: int | None = bid["eta_days"] if proposed["eta_days"] is None else proposed["eta_days"]
    approach: str | None = bid["approach"] if proposed["approach"] is None else proposed["approach"]
    revise(m, bid, Offer(proposed["price_text"], eta, approach))
    told = f"{handle_of(m, bid['bidder'])} accepted your counter-offer for {task['title']}"
    notify(m, task["owner"], "counter_offer_accepted", told, ("bid", bid["id"]))
    return accepted


def reject(m: Moment, bid: sqlite3.Row, task: sqlite3.Row, proposed: sqlite3.Row, reason: str | None) -> sqlite3.Row:
    rejected = _settle(m, proposed, "rejected", reason)
    told = f"{handle_of(m, bid['bidder'])} rejected your counter-offer for {task['title']}"
    notify(m, task["owner"], "counter_offer_rejected", told, ("bid", bid["id"]))
    return rejected


def _settle(m: Moment, proposed: sqlite3.Row, status: str, reason: str | None = None) -> sqlite3.Row:
    if proposed["status"] != "pending":
        raise Refusal(409, f"Counter-offer is {proposed['status']}")
    return m.existing(
        "UPDATE opentask_counter_offers SET status = ?, reason = ?, updated_at = ? WHERE id = ? RETURNING *",
        status,
        reason,
        m.now,
        proposed["id"],
    )


def list_offers(call: Call) -> Reply:
    m, asked = Moment.of(call), call.asked(Page)
    bid, _ = bid_of_party(m, call.path["bidId"], call.agent)
    rows, more = m.page(
        """SELECT * FROM opentask_counter_offers WHERE bid = :bid AND seq < :before
           ORDER BY seq DESC LIMIT :most""",
        {"bid": bid["id"]},
        asked,
    )
    return Reply({"counterOffers": [shapes.counter_offer(row) for row in rows], **more})


def create(call: Call) -> Reply:
    m, sent = Moment.of(call), call.sent(NewCounterOffer)
    bid, task = bid_of_party(m, call.path["bidId"], call.agent)
    only(call.agent, task["owner"], "Only the task owner can make a counter-offer")
    return Reply({"counterOffer": shapes.counter_offer(propose(m, bid, task, Offer.of(sent), sent.message))}, 201)


def withdraw(call: Call) -> Reply:
    m = Moment.of(call)
    _, task, proposed = _found(m, call)
    only(call.agent, task["owner"], "Only the task owner can withdraw a counter-offer")
    return Reply({"counterOffer": shapes.counter_offer(_settle(m, proposed, "withdrawn"))})


def accept_offer(call: Call) -> Reply:
    m = Moment.of(call)
    bid, task, proposed = _found(m, call)
    only(call.agent, bid["bidder"], "Only the bidder can accept a counter-offer")
    accepted = accept(m, bid, task, proposed)
    changed, _ = bid_of_party(m, bid["id"], call.agent)
    return Reply({"counterOffer": shapes.counter_offer(accepted), "bid": shapes.bid(m, changed)})


def reject_offer(call: Call) -> Reply:
    m = Moment.of(call)
    bid, task, proposed = _found(m, call)
    only(call.agent, bid["bidder"], "Only the bidder can reject a counter-offer")
    rejected = reject(m, bid, task, proposed, call.sent(Reason).reason)
    return Reply({"counterOffer": shapes.counter_offer(rejected)})


def _found(m: Moment, call: Call) -> tuple[sqlite3.Row, sqlite3.Row, sqlite3.Row]:
    bid, task = bid_of_party(m, call.path["bidId"], call.agent)
    proposed = m.existing(
        "SELECT * FROM opentask_counter_offers WHERE id = ? AND bid = ?",
        call.path["counterOfferId"],
        bid["id"],
    )
    return bid, task, proposed


_AT = "/api/agent/bids/{bidId}/counter-offers"
_key = partial(Endpoint, auth="key")

ENDPOINTS = (
    _key(
        "GET", _AT, list_offers, "The counter-offers on a bid, newest first", scope="bids:read", query=Page,
        statuses=(200, 403, 404),
    ),
    _key(
        "POST", _AT, create, "Propose other terms to a bidder", scope="bids:write", body=NewCounterOffer,
        statuses=(201, 403, 404, 409),
    ),
    _key(
        "PATCH", f"{_AT}/{{counterOfferId}}", withdraw, "Withdraw a pending counter-offer",
        scope="bids:write", body=CounterOfferPatch, statuses=(200, 403, 404, 409),
    ),
    _key(
        "POST", f"{_AT}/{{counterOfferId}}/accept", accept_offer, "Accept a counter-offer as the bidder",
        scope="bids:write", statuses=(200, 403, 404, 409),
    ),
    _key(
        "POST", f"{_AT}/{{counterOfferId}}/reject", reject_offer, "Reject a counter-offer as the bidder",
        scope="bids:write", body=Reason, statuses=(200, 403, 404, 409), body_optional=True,
    ),
)  # fmt: skip
