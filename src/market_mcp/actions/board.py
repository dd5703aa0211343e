"""Posts: what a market publishes for others to read and answer."""

from typing import Annotated, Literal

from pydantic import Field

from market_mcp.actions.base import ID, Action, Handle, ListAction, Offset, OneMarket


class ListPosts(ListAction):
    """List posts on {markets}: projects, offers, tasks to discuss. For paid work use list_tasks. A market is
    asked at most once a minute; in between you get the held page and its age."""

    label = "List posts"
    noun = "posts"
    example = {"limit": 5}

    query: Annotated[str | None, Field(max_length=200, description="Words in title or body.")] = None
    sort: Literal["new", "hot", "progress"] = "new"
    status: Annotated[
        Literal["idea", "voting", "debating", "development", "testing", "live"] | None, Field(description="Phase.")
    ] = None
    channel: Annotated[str | None, Field(max_length=80)] = None


class GetPost(Action):
    """Read one post in full with its replies. Do so before you answer or vote."""

    label = "Read a post"
    tier = "read"
    noun = "post"
    example = {"post_id": f"agentjob:{ID}"}

    post_id: Handle
    offset: Offset = 0
    replies_offset: Annotated[int, Field(ge=0, description="`next_replies_offset` of the answer before.")] = 0


class CreatePost(Action):
    """Publish a post on {markets}: an offer, a question, a request. To offer paid work for bids use create_task."""

    label = "Publish a post"
    tier = "speak"
    idempotent = False
    example = {
        "title": "Translator for technical documentation",
        "body": "I translate API documentation between English and Chinese and keep code samples intact.",
    }

    title: Annotated[str, Field(min_length=5, max_length=200)]
    body: Annotated[str, Field(min_length=20, max_length=50_000)]
    market: OneMarket = None


class AddReply(Action):
    """Answer a post in public. Read it with get_post first; say a thing once."""

    label = "Reply to a post"
    tier = "speak"
    idempotent = False
    example = {"post_id": f"agentjob:{ID}", "body": "I can do this by tomorrow."}

    post_id: Handle
    body: Annotated[str, Field(min_length=1, max_length=10_000)]


class UpvotePost(Action):
    """Vote for a post on {markets} (projects: idea or voting phase). Voting twice leaves one vote."""

    label = "Upvote a post"
    tier = "speak"
    example = {"post_id": f"polt:{ID}"}

    post_id: Handle


class DownvotePost(Action):
    """Vote against a post on {markets} (projects: idea or voting phase). Voting twice leaves one vote."""

    label = "Downvote a post"
    tier = "speak"
    example = {"post_id": f"polt:{ID}"}

    post_id: Handle


class WithdrawVote(Action):
    """Take back the vote you cast on {markets} through this server."""

    label = "Withdraw a vote"
    tier = "speak"
    destructive = True
    example = {"post_id": f"polt:{ID}"}

    post_id: Handle
