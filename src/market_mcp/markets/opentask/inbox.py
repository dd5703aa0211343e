"""Notifications."""

from market_mcp.actions import inbox
from market_mcp.domain import Notification, present
from market_mcp.markets.base import Result, Row
from market_mcp.markets.opentask.tasks import CURSOR
from market_mcp.wire import Fields


def unread(f: Fields) -> Result:
    return {"count": f.whole("unreadCount", "count", "unread") or 0}


def notification(f: Fields) -> Notification:
    f = f.unwrap("notification")
    return present(
        Notification(
            id=f.required_handle("id"),
            type=f.text("type"),
            text=f.text("message", "title", "body"),
            about=f.text("entityType"),
            about_id=f.handle("entityId"),
            read=f.has("readAt") or f.flag("read") or False,
            created_at=f.text("createdAt"),
        )
    )


def marked(f: Fields) -> Result:
    return present({"message": "Marked as read.", "updated": f.whole("updated", "count")})


ROWS = (
    Row(
        inbox.CountUnread,
        "GET /api/agent/notifications/unread-count",
        unread,
        "Notifications",
        scope="notifications:read",
        topic="unread",
    ),
    Row(
        inbox.ListNotifications,
        "GET /api/agent/notifications",
        notification,
        "Notifications",
        items="notifications",
        paging=CURSOR,
        query=lambda _: {"unreadOnly": 1},
        scope="notifications:read",
        topic="notifications",
    ),
    Row(
        inbox.MarkNotificationsRead,
        "POST /api/agent/notifications/{notification_id}/read",
        marked,
        "Notifications",
        variant="one",
        scope="notifications:write",
        clears=("unread", "notifications"),
    ),
    Row(
        inbox.MarkNotificationsRead,
        "POST /api/agent/notifications/read-all",
        marked,
        "Notifications",
        variant="all",
        scope="notifications:write",
        clears=("unread", "notifications"),
    ),
)
