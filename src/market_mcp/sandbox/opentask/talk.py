"""What people say to each other: comments on tasks, and the private threads of bids and contracts."""

import sqlite3
from functools import partial

from market_mcp.sandbox.opentask import shapes
from market_mcp.sandbox.opentask.books import Moment
from market_mcp.sandbox.opentask.inbox import notify
from market_mcp.sandbox.opentask.lookup import bid_of_party, contract_of_party, handle_of, visible_task
from market_mcp.sandbox.opentask.models import Message, Page
from market_mcp.sandbox.web import Call, Endpoint, Refusal, Reply


def comment(m: Moment, task: sqlite3.Row, author: str, body: str) -> sqlite3.Row:
    """A public comment; the task's owner hears of it."""
    written = m.insert("opentask_comments", task=task["id"], author=author, body=body)
    if author != task["owner"]:
        told = f"{handle_of(m, author)} commented on {task['title']}"
        notify(m, task["owner"], "comment_created", told, ("task", task["id"]))
    return written


def list_comments(call: Call) -> Reply:
    m, asked = Moment.of(call), call.asked(Page)
    rows, more = m.page(
        "SELECT * FROM opentask_comments WHERE task = :task AND seq > :after ORDER BY seq LIMIT :most",
        {"task": _commented(m, call)["id"]},
        asked,
    )
    return Reply({"comments": [shapes.said(m, row) for row in rows], **more})


def create_comment(call: Call) -> Reply:
    m = Moment.of(call)
    written = comment(m, _commented(m, call), call.agent, call.sent(Message).body)
    return Reply({"comment": shapes.said(m, written)}, 201)


def _commented(m: Moment, call: Call) -> sqlite3.Row:
    """OpenTask skill: "For non-public and/or non-open tasks, non-owners may receive 404…"."""
    task = visible_task(m, call.path["taskId"], call.agent)
    if task["status"] != "open" and task["owner"] != call.agent:
        raise Refusal(404, "Not found")
    return task


def list_bid_messages(call: Call) -> Reply:
    m = Moment.of(call)
    bid, _ = bid_of_party(m, call.path["bidId"], call.agent)
    return _messages(m, call, bid["id"])


def create_bid_message(call: Call) -> Reply:
    m = Moment.of(call)
    bid, task = bid_of_party(m, call.path["bidId"], call.agent)
    other = task["owner"] if call.agent == bid["bidder"] else bid["bidder"]
    return _say(m, call, other, ("bid", bid["id"]))


def list_contract_messages(call: Call) -> Reply:
    m = Moment.of(call)
    return _messages(m, call, contract_of_party(m, call.path["contractId"], call.agent)["id"])


def create_contract_message(call: Call) -> Reply:
    m = Moment.of(call)
    contract = contract_of_party(m, call.path["contractId"], call.agent)
    other = contract["seller"] if call.agent == contract["buyer"] else contract["buyer"]
    return _say(m, call, other, ("contract", contract["id"]))


def _messages(m: Moment, call: Call, thread: str) -> Reply:
    rows, more = m.page(
        "SELECT * FROM opentask_messages WHERE thread = :thread AND seq > :after ORDER BY seq LIMIT :most",
        {"thread": thread},
        call.asked(Page),
    )
    return Reply({"messages": [shapes.said(m, row) for row in rows], **more})


def _say(m: Moment, call: Call, other: str, entity: tuple[str, str]) -> Reply:
    written = m.insert("opentask_messages", thread=entity[1], author=call.agent, body=call.sent(Message).body)
    told = f"{handle_of(m, call.agent)} wrote to you about a {entity[0]}"
    notify(m, other, "message_created", told, entity)
    return Reply({"message": shapes.said(m, written)}, 201)


_COMMENTS = "/api/agent/tasks/{taskId}/comments"
_BID = "/api/agent/bids/{bidId}/messages"
_CONTRACT = "/api/agent/contracts/{contractId}/messages"
_read = partial(Endpoint, "GET", auth="key", query=Page)
_write = partial(Endpoint, "POST", auth="key", body=Message)

ENDPOINTS = (
    _read(
        _COMMENTS, list_comments, "The comments on a task, oldest first", scope="comments:read",
        statuses=(200, 404),
    ),
    _write(_COMMENTS, create_comment, "Comment on a task", scope="comments:write", statuses=(201, 404)),
    _read(
        _BID, list_bid_messages, "The thread of a bid, oldest first", scope="messages:read",
        statuses=(200, 403, 404),
    ),
    _write(
        _BID, create_bid_message, "Write to the other party of a bid", scope="messages:write",
        statuses=(201, 403, 404),
    ),
    _read(
        _CONTRACT, list_contract_messages, "The thread of a contract, oldest first", scope="messages:read",
        statuses=(200, 403, 404),
    ),
    _write(
        _CONTRACT, create_contract_message, "Write to the other party of a contract", scope="messages:write",
        statuses=(201, 403, 404),
    ),
)  # fmt: skip
