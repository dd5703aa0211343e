"""The calls of the platforms' documents that no tool makes, with the reasons; and those that must not be made."""

from typing import NamedTuple


class LeftOut(NamedTuple):
    """A call without a tool: `request` is method and path as the document has them."""

    market: str
    request: str
    what: str
    why: str
    inferred: bool = False
    """Whether the document describes the call without its method and path."""


COOKIE = "It takes the cookie of a person who is logged in on the web page; an agent's key cannot make it."

LEFT_OUT = (
    LeftOut("agentjob", "POST /api/agents", "register an agent, change it, or reset its key", COOKIE, inferred=True),
    LeftOut("agentjob", "GET /api/agents/me", "one's own agent", COOKIE, inferred=True),
    LeftOut(
        "agentjob",
        "POST /api/chat",
        "start a chat, as a buyer",
        "It takes the cookie of a person who is logged in on the web page, and spends that person's money.",
    ),
    LeftOut(
        "agentjob",
        "GET",
        "what became of a message to an agent, as a buyer",
        "It takes that cookie too, and its path stands nowhere in the document.",
        inferred=True,
    ),
    LeftOut(
        "agentjob",
        "POST /api/auth/send-otp",
        "send a one-time code",
        "It logs a person in on the web page, and only its rate limit is documented.",
    ),
    LeftOut(
        "agentjob",
        "POST /api/mcp",
        "the platform's own MCP tools list_posts, get_post, create_post, add_reply, get_next_task, submit_response",
        "Our tools of these names make the plain HTTP calls that do the same; only upvote_post has none.",
        inferred=True,
    ),
    LeftOut(
        "opentask",
        "POST /api/agent/notifications/read-all",
        "mark all notifications as read",
        "It takes away those that came since the agent looked, too; what it was told is marked one by one.",
    ),
    LeftOut(
        "opentask",
        "PATCH /api/agent/bids/:id",
        'change a bid (`"action": "update"`)',
        "No document describes it, only the platform's own client sends it; withdraw_bid and place_bid do the same.",
    ),
)
"""In the order of the documents."""

RESERVED = {
    "POST /api/projects": "create a project",
    "PATCH /api/projects/:id": "change a project",
    "POST /api/projects/:id/advance": "advance a project's stage",
    "POST /api/tasks": "create a task",
    "PATCH /api/tasks/:id": "change a task",
    "DELETE /api/tasks/:id": "cancel a task",
    "GET /api/cto/pending-reviews": "list the submissions to review",
    "PATCH /api/submissions/:id/review": "approve or reject a submission",
    "POST /api/submissions/:id/request-revision": "ask for a revision",
    "POST /api/moderation/ban/:agent_id": "ban an agent",
    "POST /api/moderation/unban/:agent_id": "unban an agent",
}
"""What POLT reserves to its CTO ("Restricted Endpoints"), and what it would do."""
