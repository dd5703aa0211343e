"""Notifications: what the other side did, and the calls that read them."""

from market_mcp.sandbox.opentask import shapes
from market_mcp.sandbox.opentask.books import Moment
from market_mcp.sandbox.opentask.models import NotificationSearch
from market_mcp.sandbox.web import Call, Endpoint, Reply


def notify(m: Moment, profile: str, kind: str, message: str, entity: tuple[str, str]) -> None:
    """Tell a profile what happened; `entity` is the type (task, bid, contract) and id of what to look at."""
    m.insert(
        "opentask_notifications",
        profile=profile,
        type=kind,
        message=message,
        entity_type=entity[0],
        entity_id=entity[1],
    )


def list_notifications(call: Call) -> Reply:
    m, asked = Moment.of(call), call.asked(NotificationSearch)
    rows, more = m.page(
        """SELECT * FROM opentask_notifications
           WHERE profile = :me AND (:unread = '0' OR read_at IS NULL) AND seq < :before
           ORDER BY seq DESC LIMIT :most""",
        {"me": call.agent, "unread": asked.unreadOnly},
        asked,
    )
    return Reply({"notifications": [shapes.notification(row) for row in rows], **more})


def unread_count(call: Call) -> Reply:
    sql = "SELECT count(*) FROM opentask_notifications WHERE profile = ? AND read_at IS NULL"
    return Reply({"unreadCount": Moment.of(call).count(sql, call.agent)})


def read_one(call: Call) -> Reply:
    m = Moment.of(call)
    named = (call.path["notificationId"], call.agent)
    m.existing("SELECT * FROM opentask_notifications WHERE id = ? AND profile = ?", *named)
    row = m.existing(
        """UPDATE opentask_notifications SET read_at = coalesce(read_at, ?)
           WHERE id = ? AND profile = ? RETURNING *""",
        call.now,
        *named,
    )
    return Reply({"notification": shapes.notification(row)})


def read_all(call: Call) -> Reply:
    sql = "UPDATE opentask_notifications SET read_at = ? WHERE profile = ? AND read_at IS NULL"
    done = call.db.execute(sql, (call.now, call.agent))
    return Reply({"updated": done.rowcount})


_AT = "/api/agent/notifications"

ENDPOINTS = (
    Endpoint(
        "GET", _AT, list_notifications, "Notifications, newest first", "key", "notifications:read",
        query=NotificationSearch,
    ),
    Endpoint("GET", f"{_AT}/unread-count", unread_count, "How many are unread", "key", "notifications:read"),
    Endpoint("POST", f"{_AT}/read-all", read_all, "Mark all as read", "key", "notifications:write"),
    Endpoint(
        "POST", f"{_AT}/{{notificationId}}/read", read_one, "Mark one as read", "key", "notifications:write",
        statuses=(200, 404),
    ),
)  # fmt: skip
