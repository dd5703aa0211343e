"""The JSON in which OpenTask shows its rows."""

import json
import sqlite3

from market_mcp.sandbox.opentask.books import Moment, iso_or_none, listed
from market_mcp.sandbox.store import iso

Json = dict[str, object]


def profile(row: sqlite3.Row) -> Json:
    return {
        **_person(row),
        "bio": row["bio"],
        "tags": listed(row["tags"]),
        "links": listed(row["links"]),
        "availability": row["availability"],
        "createdAt": iso(row["created_at"]),
    }


def person(m: Moment, profile_id: str) -> Json:
    """Who owns, bids, sells or writes, as far as everybody may know."""
    return _person(m.existing("SELECT * FROM opentask_profiles WHERE id = ?", profile_id))


def _person(row: sqlite3.Row) -> Json:
    return {name: row[column] for name, column in _PERSON.items()}


_PERSON = {"id": "id", "handle": "handle", "displayName": "display_name", "kind": "kind"}


def token(row: sqlite3.Row) -> Json:
    """What is known of a token; its value is not kept."""
    return {
        "id": row["id"],
        "name": row["name"],
        "scopes": listed(row["scopes"]),
        "createdAt": iso(row["created_at"]),
    }


def key(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "publicKey": row["public_key"],
        "label": row["label"],
        "createdAt": iso(row["created_at"]),
    }


def denomination(row: sqlite3.Row) -> Json:
    """A payout method as everybody may see it: what is taken, not where it goes."""
    return {"id": row["id"], "symbol": row["symbol"], "network": row["network"]}


def payout_method(row: sqlite3.Row) -> Json:
    return {
        **denomination(row),
        "address": row["address"],
        "memo": row["memo"],
        "label": row["label"],
        "isActive": bool(row["is_active"]),
        "createdAt": iso(row["created_at"]),
    }


def task_card(m: Moment, row: sqlite3.Row, current: bool) -> Json:
    """A task in a list."""
    # RETURNING gives a whole number of a REAL column as an int.
    amount = None if row["budget_amount"] is None else float(row["budget_amount"])
    card: Json = {
        "id": row["id"],
        "title": row["title"],
        "skillsTags": listed(row["skills"]),
        "budgetText": row["budget_text"],
        "budgetAmount": int(amount) if amount is not None and amount.is_integer() else amount,
        "budgetCurrency": row["budget_currency"],
        "deadline": iso_or_none(row["deadline"]),
        "createdAt": iso(row["created_at"]),
        "owner": person(m, row["owner"]),
    }
    if row["budget_custom"] is not None:
        card["budgetCurrencyCustom"] = row["budget_custom"]
    return {**card, **_task_today(row)} if current else card


def _task_today(row: sqlite3.Row) -> Json:
    """What the current platform says besides: how a task is won, what may be done now, and that nobody holds its pay.

    Entries are taken until the deadline.
    """
    pitch = row["execution_mode"] == "pitch"
    return {
        "executionMode": row["execution_mode"],
        "executionPhase": row["status"],
        "availableActions": ["bid" if pitch else "submit_entry"] if row["status"] == "open" else [],
        "fundingStatus": "not_escrowed",
        "entryDeadline": None if pitch else iso_or_none(row["deadline"]),
    }


def task(m: Moment, row: sqlite3.Row, current: bool) -> Json:
    return {
        **task_card(m, row, current),
        "description": row["description"],
        "acceptanceCriteria": listed(row["criteria"]),
        "visibility": row["visibility"],
        "status": row["status"],
        "updatedAt": iso(row["updated_at"]),
    }


def bid_summary(m: Moment, task_id: str) -> Json:
    """How many bids a task has in each state; its owner may know."""
    found = m.all("SELECT status, count(*) AS n FROM opentask_bids WHERE task = ? GROUP BY status", task_id)
    by_status = {row["status"]: row["n"] for row in found}
    states = ("active", "accepted", "rejected", "withdrawn")
    return {"total": sum(by_status.values()), **{state: by_status.get(state, 0) for state in states}}


def bid(m: Moment, row: sqlite3.Row) -> Json:
    task_row = m.existing("SELECT * FROM opentask_tasks WHERE id = ?", row["task"])
    shown: Json = {
        "id": row["id"],
        "taskId": row["task"],
        "task": {"id": task_row["id"], "title": task_row["title"], "status": task_row["status"]},
        "bidder": person(m, row["bidder"]),
        "priceText": row["price_text"],
        "etaDays": row["eta_days"],
        "approach": row["approach"],
        "status": row["status"],
        "rejectionReason": row["reason"],
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
    }
    contract_row = m.one("SELECT id FROM opentask_contracts WHERE bid = ?", row["id"])
    if contract_row is not None:
        shown["contractId"] = contract_row["id"]
    return shown


def counter_offer(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "bidId": row["bid"],
        "priceText": row["price_text"],
        "etaDays": row["eta_days"],
        "approach": row["approach"],
        "message": row["message"],
        "status": row["status"],
        "rejectionReason": row["reason"],
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
    }


def contract_card(m: Moment, row: sqlite3.Row, current: bool) -> Json:
    """A contract in a list, without the text of its terms."""
    terms: Json = json.loads(row["terms"])
    card: Json = {
        "id": row["id"],
        "taskId": row["task"],
        "bidId": row["bid"],
        "status": row["status"],
        "title": terms["title"],
        "priceText": terms["priceText"],
        "etaDays": terms["etaDays"],
        "deadline": terms["deadline"],
        "buyer": person(m, row["buyer"]),
        "seller": person(m, row["seller"]),
        "rejectionReason": row["reason"],
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
    }
    return {**card, **_contract_today(row)} if current else card


PAID_WITHIN = 7 * 86400.0
"""Seconds after acceptance within which a contract of the current platform is to be paid."""


def _contract_today(row: sqlite3.Row) -> Json:
    """What the current platform says besides: what may be done now, by whomever, and when payment is due."""
    accepted = row["status"] == "accepted"
    deliverable, decidable = row["status"] in ("in_progress", "rejected"), row["status"] == "submitted"
    return {
        "availableActions": ["submit"] * deliverable + ["decide"] * decidable + ["review"] * accepted,
        "fundingStatus": "not_escrowed",
        "paymentDueAt": iso(row["updated_at"] + PAID_WITHIN) if accepted else None,
    }


def contract(m: Moment, row: sqlite3.Row, current: bool) -> Json:
    """A contract as its two parties see it: the terms and payment instructions as they were at hiring."""
    return {
        **contract_card(m, row, current),
        "terms": json.loads(row["terms"]),
        "payoutMethodId": row["payout_method"],
        "preferredToken": row["preferred_token"],
        "paymentWallet": row["payment_wallet"],
        "paymentNetwork": row["payment_network"],
        "paymentMemo": row["payment_memo"],
    }


def submission(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "contractId": row["contract"],
        "deliverableUrl": row["deliverable_url"],
        "notes": row["notes"],
        "createdAt": iso(row["created_at"]),
    }


def review(m: Moment, row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "contractId": row["contract"],
        "rating": row["rating"],
        "text": row["text"],
        "author": person(m, row["author"]),
        "subject": person(m, row["subject"]),
        "createdAt": iso(row["created_at"]),
    }


def said(m: Moment, row: sqlite3.Row) -> Json:
    """A comment or a message."""
    return {
        "id": row["id"],
        "body": row["body"],
        "author": person(m, row["author"]),
        "createdAt": iso(row["created_at"]),
    }


def notification(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "type": row["type"],
        "message": row["message"],
        "entityType": row["entity_type"],
        "entityId": row["entity_id"],
        "readAt": iso_or_none(row["read_at"]),
        "createdAt": iso(row["created_at"]),
    }
