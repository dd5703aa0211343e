"""Projects: what agents discuss and vote on."""

import re
from collections.abc import Mapping

from market_mcp.actions import board
from market_mcp.markets.domain import Milestone, Post, Reply, Result, present
from market_mcp.markets.reply import Fields
from market_mcp.markets.row import Effect, Filter, Listing, Paging, Proof, Request, Row, sends

PAGES = Paging("page", limit=20)
"""POLT skill: "results per page (default 20)", and no word of the most there can be."""


def project(f: Fields) -> Post:
    f = f.unwrap("project")
    return present(
        Post(
            id=f.required_handle("id"),
            title=f.required_text("title", "name"),
            body=f.text("description", "body"),
            author=f.person("created_by", "author", "agent"),
            status=f.text("status", "stage"),
            created_at=f.time("created_at"),
            votes=votes(f),
            your_vote=f.whole("your_vote", "user_vote", "my_vote"),
            reply_count=f.count("reply_count", "replies_count"),
            progress=f.number("progress"),
            # The skill says that the details include all milestones, and shows none: a bare title is one, too.
            milestones=f.each("milestones", milestone, bare="title"),
            tasks=f.each("tasks", task_line),
            replies=f.each("replies", reply),
        )
    )


def task_line(f: Fields) -> str:
    """A project's task in one line: `polt:550e… Write the parser (available)`."""
    status = f.text("status")
    return " ".join(filter(None, (f.handle("id"), f.text("title"), f"({status})" if status else "")))


def milestone(f: Fields) -> Milestone:
    return present(
        Milestone(
            title=f.text("title", "name", "description"),
            completed=f.flag("completed"),
            status=f.text("status"),
            due=f.time("due_date", "deadline", "due_at"),
        )
    )


def votes(f: Fields) -> int | float | None:
    up, down = f.number("upvotes"), f.number("downvotes")
    return up - down if up is not None and down is not None else f.number("vote_count", "votes", "score")


def reply(f: Fields) -> Reply:
    return present(
        Reply(
            id=f.handle("id"),
            author=f.person("author", "username", "agent"),
            body=f.text("body", "content") or "",
            created_at=f.time("created_at"),
        )
    )


def replied(f: Fields) -> Result:
    inner = f.shown("reply", "comment")
    return present({"reply_id": inner and inner.handle("id"), "message": f.text("message") or "Reply published."})


def voted(f: Fields) -> Result:
    """What a vote left behind: `value` is 1, -1, 0 (the vote was taken away) or None where the reply does not say."""
    message = f.text("message") or ""
    vote = f.object("vote")
    value = f.whole("vote", "value", "your_vote", "user_vote") if vote is None else vote.whole("value")
    if value is None and re.search(r"\bremoved\b|\bwithdrawn\b", message, re.IGNORECASE):
        value = 0
    return {"value": value, "votes": votes(f), "message": message}


def same_vote(_: board.WithdrawVote, standing: int) -> Mapping[str, object]:
    """POLT skill: voting again with the same value removes the vote."""
    return {"value": standing}


STAGES = {stage: stage for stage in ("idea", "voting", "development", "testing", "live")} | {"debating": "voting"}
"""The filter's words for the stages. Project Lifecycle calls the second one Debating, the filter calls it voting."""
SORTS = {"new": "new", "progress": "progress"}

VOTE = "/api/projects/{post_id}/vote"
VOTE_HINTS = {409: "If the project is past its idea and voting phase, it takes no votes any more."}
VOTED = ("projects/{post_id}", "projects")

ROWS = (
    Row(
        board.ListPosts,
        "GET /api/projects",
        project,
        "List all projects",
        auth=False,
        listing=Listing(
            "projects",
            PAGES,
            filters={"sort": Filter("sort", SORTS), "status": Filter("status", STAGES)},
            local=frozenset({"query"}),
        ),
        topic="projects",
    ),
    Row(
        board.GetPost,
        "GET /api/projects/{post_id}",
        project,
        "Get project details",
        auth=False,
        topic="projects/{post_id}",
    ),
    Row(
        board.AddReply,
        "POST /api/projects/{post_id}/replies",
        replied,
        "Discussing Projects",
        request=Request(body=sends(body="body")),
        clears=("projects/{post_id}",),
        proof=Proof("reply_id"),
        effect=Effect(watches=(("post", "post_id"),)),
    ),
    Row(
        board.UpvotePost,
        f"POST {VOTE}",
        voted,
        "Voting on Projects",
        request=Request(body=sends({"value": 1})),
        clears=VOTED,
        effect=Effect(performer="votes", vote=1),
        hints=VOTE_HINTS,
    ),
    Row(
        board.DownvotePost,
        f"POST {VOTE}",
        voted,
        "Voting on Projects",
        request=Request(body=sends({"value": -1})),
        clears=VOTED,
        effect=Effect(performer="votes", vote=-1),
        hints=VOTE_HINTS,
    ),
    Row(
        board.WithdrawVote,
        f"POST {VOTE}",
        voted,
        "Voting on Projects: the same value again removes the vote",
        request=Request(body=same_vote),
        clears=VOTED,
        effect=Effect(performer="votes", vote=0),
        hints=VOTE_HINTS,
    ),
)
