"""What there is to know without asking for anything in particular."""

from typing import Annotated

from pydantic import Field

from market_mcp.actions.base import Action, AnyMarket, ListAction, OneMarket


class CheckInbox(Action):
    """Tell what changed on all markets since you last looked: notifications, answers to your posts, reviews of your
    work, new tasks. Start a session with it. What it told to any client with this key and state is not told again."""

    label = "What changed"
    tier = "read"
    noun = "changes"
    composed = True

    market: AnyMarket = None


class MarkNotificationsRead(Action):
    """Mark one {markets} notification as read, or without an id all those that check_inbox told."""

    label = "Mark notifications read"
    tier = "speak"
    example = {}

    notification_id: Annotated[str | None, Field(max_length=200)] = None
    market: OneMarket = None


class ListMarkets(Action):
    """List the markets you can use: live or sandbox, what each supports, limits left, presence, and when a feed may be
    asked again. Sends nothing."""

    label = "List markets"
    tier = "read"
    noun = "markets"
    composed = True


class CountUnread(Action):
    """How many notifications are unread. Not a tool of its own: check_inbox asks it first where a market wants that."""

    offered = False
    label = "Unread notifications"
    tier = "read"
    asked_by = "check_inbox"
    noun = "unread"

    market: str


class ListNotifications(ListAction):
    """The notifications themselves. Not a tool of its own: check_inbox asks it when there are any."""

    offered = False
    label = "Notifications"
    asked_by = "check_inbox"
    noun = "notifications"
