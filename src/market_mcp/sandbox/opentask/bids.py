"""Bids: placing, listing, withdrawing, rejecting, and on the current platform updating."""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from market_mcp.sandbox.opentask import shapes
from market_mcp.sandbox.opentask.books import Moment, seconds
from market_mcp.sandbox.opentask.inbox import notify
from market_mcp.sandbox.opentask.lookup import bid_of_party, handle_of, only, visible_task
from market_mcp.sandbox.opentask.models import (
    BidPatch,
    BidPatchCurrent,
    BidSearch,
    NewBid,
    NewBidCurrent,
    Page,
)
from market_mcp.sandbox.store import iso
from market_mcp.sandbox.web import Call, Endpoint, Refusal, Reply

DAY = 86400.0
BIDS_PER_DAY = 20
"""The current platform takes this many bids of one bidder in 24 hours."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a bid or a counter-offer proposes."""

    price_text: str
    eta_days: int | None = None
    approach: str | None = None

    @classmethod
    def of(cls, sent: NewBid) -> "Offer":
        return cls(sent.priceText, sent.etaDays, sent.approach)


def place(m: Moment, task: sqlite3.Row, bidder: str, offer: Offer) -> sqlite3.Row:
    """A new active bid.

    OpenTask skill: "You cannot bid on your own task. Task must be open. Only one active bid per task per
    bidder (otherwise 409)."
    """
    if task["owner"] == bidder:
        raise Refusal(403, "You cannot bid on your own task")
    if task["status"] != "open":
        raise Refusal(409, "Task is not open")
    active = "SELECT id FROM opentask_bids WHERE task = ? AND bidder = ? AND status = 'active'"
    if m.one(active, task["id"], bidder) is not None:
        raise Refusal(409, "You already have an active bid on this task")
    bid = m.insert(
        "opentask_bids",
        task=task["id"],
        bidder=bidder,
        price_text=offer.price_text,
        eta_days=offer.eta_days,
        approach=offer.approach,
        updated_at=m.now,
    )
    told = f"{handle_of(m, bidder)} bid {offer.price_text} on {task['title']}"
    notify(m, task["owner"], "bid_created", told, ("bid", bid["id"]))
    return bid


def withdraw(m: Moment, bid: sqlite3.Row, task: sqlite3.Row) -> sqlite3.Row:
    told = f"{handle_of(m, bid['bidder'])} withdrew the bid on {task['title']}"
    notify(m, task["owner"], "bid_withdrawn", told, ("bid", bid["id"]))
    return settle(m, bid, "withdrawn")


def reject(m: Moment, bid: sqlite3.Row, task: sqlite3.Row, reason: str | None) -> sqlite3.Row:
    told = f"Your bid on {task['title']} was rejected" + (f": {reason}" if reason else "")
    notify(m, bid["bidder"], "bid_rejected", told, ("bid", bid["id"]))
    return settle(m, bid, "rejected", reason)


def refuse_bids(m: Moment, task: sqlite3.Row, reason: str) -> None:
    """Reject what is still active on a task that takes no bids any more."""
    for bid in m.all("SELECT * FROM opentask_bids WHERE task = ? AND status = 'active'", task["id"]):
        reject(m, bid, task, reason)


def settle(m: Moment, bid: sqlite3.Row, status: str, reason: str | None = None) -> sqlite3.Row:
    """End an active bid; a counter-offer that waits for an answer ends with it."""
    if bid["status"] != "active":
        raise Refusal(409, f"Bid is {bid['status']}")
    m.db.execute(
        """UPDATE opentask_counter_offers SET status = 'withdrawn', updated_at = ?
           WHERE bid = ? AND status = 'pending'""",
        (m.now, bid["id"]),
    )
    return m.existing(
        "UPDATE opentask_bids SET status = ?, reason = ?, updated_at = ? WHERE id = ? RETURNING *",
        status,
        reason,
        m.now,
        bid["id"],
    )


def revise(m: Moment, bid: sqlite3.Row, offer: Offer) -> sqlite3.Row:
    """Give an active bid other terms."""
    if bid["status"] != "active":
        raise Refusal(409, f"Bid is {bid['status']}")
    return m.existing(
        """UPDATE opentask_bids SET price_text = ?, eta_days = ?, approach = ?, updated_at = ?
           WHERE id = ? RETURNING *""",
        offer.price_text,
        offer.eta_days,
        offer.approach,
        m.now,
        bid["id"],
    )


def create(call: Call) -> Reply:
    m = Moment.of(call)
    task = visible_task(m, call.path["taskId"], call.agent)
    return Reply({"bid": shapes.bid(m, place(m, task, call.agent, Offer.of(call.sent(NewBid))))}, 201)


def create_current(call: Call) -> Reply:
    """The current platform: Pitch tasks only, for the version of the task that was read, 20 bids a day."""
    m, sent = Moment.of(call), call.sent(NewBidCurrent)
    task = visible_task(m, call.path["taskId"], call.agent)
    expected = seconds(sent.expectedTaskUpdatedAt, "expectedTaskUpdatedAt")
    if task["execution_mode"] != "pitch":
        raise Refusal(409, f"Tasks of execution mode {task['execution_mode']} take no bids")
    if iso(expected) != iso(task["updated_at"]):
        raise Refusal(409, "Task has changed since expectedTaskUpdatedAt")
    recent = m.all(
        "SELECT created_at FROM opentask_bids WHERE bidder = ? AND created_at > ? ORDER BY seq DESC LIMIT ?",
        call.agent,
        call.now - DAY,
        BIDS_PER_DAY,
    )
    if len(recent) == BIDS_PER_DAY:
        wait = math.ceil(recent[-1]["created_at"] + DAY - call.now)
        raise Refusal(429, "Too many requests", {"Retry-After": str(max(1, wait))})
    return Reply({"bid": shapes.bid(m, place(m, task, call.agent, Offer.of(sent)))}, 201)


def list_own(call: Call) -> Reply:
    m, asked = Moment.of(call), call.asked(BidSearch)
    rows, more = m.page(
        """SELECT * FROM opentask_bids WHERE bidder = :me AND (:status IS NULL OR status = :status)
           AND (:task IS NULL OR task = :task) AND seq < :before ORDER BY seq DESC LIMIT :most""",
        {"me": call.agent, "status": asked.status, "task": asked.taskId},
        asked,
    )
    return Reply({"bids": [shapes.bid(m, row) for row in rows], **more})


def list_on_task(call: Call) -> Reply:
    m, asked = Moment.of(call), call.asked(Page)
    task = visible_task(m, call.path["taskId"], call.agent)
    only(call.agent, task["owner"], "Only the task owner can view bids")
    rows, more = m.page(
        "SELECT * FROM opentask_bids WHERE task = :task AND seq < :before ORDER BY seq DESC LIMIT :most",
        {"task": task["id"]},
        asked,
    )
    return Reply({"bids": [shapes.bid(m, row) for row in rows], **more})


def show(call: Call) -> Reply:
    m = Moment.of(call)
    bid, _ = bid_of_party(m, call.path["bidId"], call.agent)
    return Reply({"bid": shapes.bid(m, bid)})


def patch(call: Call) -> Reply:
    sent = call.sent(BidPatch)
    return _end(call, sent.action, sent.reason)


def patch_current(call: Call) -> Reply:
    """The current platform also lets the bidder change an active bid."""
    sent = call.sent(BidPatchCurrent)
    if sent.action != "update":
        return _end(call, sent.action, sent.reason)
    m = Moment.of(call)
    bid, task = bid_of_party(m, call.path["bidId"], call.agent)
    only(call.agent, bid["bidder"], "Only the bidder can update a bid")
    named = sent.model_fields_set
    offer = Offer(
        sent.priceText if "priceText" in named else bid["price_text"],
        sent.etaDays if "etaDays" in named else bid["eta_days"],
        sent.approach if "approach" in named else bid["approach"],
    )
    changed = revise(m, bid, offer)
    told = f"{handle_of(m, call.agent)} changed the bid on {task['title']}"
    notify(m, task["owner"], "bid_updated", told, ("bid", bid["id"]))
    return Reply({"bid": shapes.bid(m, changed)})


def _end(call: Call, action: str, reason: str | None) -> Reply:
    m = Moment.of(call)
    bid, task = bid_of_party(m, call.path["bidId"], call.agent)
    if action == "withdraw":
        only(call.agent, bid["bidder"], "Only the bidder can withdraw a bid")
        ended = withdraw(m, bid, task)
    else:
        only(call.agent, task["owner"], "Only the task owner can reject a bid")
        ended = reject(m, bid, task, reason)
    return Reply({"bid": shapes.bid(m, ended)})


def endpoints(current: bool) -> Sequence[Endpoint]:
    """The calls about bids; the current platform asks more of a bid and lets it be changed."""
    key = partial(Endpoint, auth="key")
    return (
        key(
            "POST", "/api/agent/tasks/{taskId}/bids", create_current if current else create,
            "Bid on an open task", scope="bids:write", body=NewBidCurrent if current else NewBid,
            statuses=(201, 403, 404, 409, 429) if current else (201, 403, 404, 409),
        ),
        key(
            "GET", "/api/agent/tasks/{taskId}/bids", list_on_task, "The bids on an own task",
            scope="bids:read", query=Page, statuses=(200, 403, 404),
        ),
        key("GET", "/api/agent/bids", list_own, "Own bids, newest first", scope="bids:read", query=BidSearch),
        key(
            "GET", "/api/agent/bids/{bidId}", show, "A bid, for its bidder and the task's owner",
            scope="bids:read", statuses=(200, 403, 404),
        ),
        key(
            "PATCH", "/api/agent/bids/{bidId}", patch_current if current else patch,
            "Withdraw an own bid or reject one on an own task", scope="bids:write",
            body=BidPatchCurrent if current else BidPatch, statuses=(200, 403, 404, 409),
        ),
    )  # fmt: skip
