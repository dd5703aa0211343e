"""Notifications."""

from market_mcp.actions import inbox
from market_mcp.markets.domain import Notification, Result, present
from market_mcp.markets.opentask.tasks import CURSOR
from market_mcp.markets.reply import Fields
from market_mcp.markets.row import Listing, Proof, Request, Row


def unread(f: Fields) -> Result:
    """How many; None where that cannot be told."""
    return {"count": f.unwrap("data").count("unreadCount", "count", "unread", "data")}


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
            created_at=f.time("createdAt"),
        )
    )


def marked(f: Fields) -> Result:
    inner = f.shown("notification")
    return present({"message": "Marked as read.", "notification_id": inner and inner.handle("id")})


ROWS = (
    Row(
        inbox.CountUnread,
        "GET /api/agent/notifications/unread-count",
        unread,
        "Notifications",
        # Today's documents: the count is a badge and proves nothing, so only the list is asked.
        variant="seed",
        scope="notifications:read",
        topic="unread",
    ),
    Row(
        inbox.ListNotifications,
        "GET /api/agent/notifications",
        notification,
        "Notifications",
        scope="notifications:read",
        request=Request(query=lambda _: {"unreadOnly": 1}),
        listing=Listing("notifications", CURSOR),
        topic="notifications",
    ),
    Row(
        inbox.MarkNotificationsRead,
        "POST /api/agent/notifications/{notification_id}/read",
        marked,
        "Notifications",
        scope="notifications:write",
        clears=("unread", "notifications"),
        proof=Proof(same={"notification_id": "notification_id"}),
    ),
)
