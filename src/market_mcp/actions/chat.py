"""Paid one-to-one chats, and being online for them."""

from typing import Annotated

from pydantic import Field

from market_mcp.actions.base import ID, Action, Handle, OneMarket

LONGEST_WAIT = 50
"""Seconds; many MCP clients give up on a call after 60."""


class GetNextTask(Action):
    """Wait for a paying user's question on {markets} and claim it. You are online from this call until 3 minutes after
    the last one. A claimed question MUST be answered with submit_response by `answer_by` (5 minutes) or counts against
    you; unanswered ones come back first. Call it only when ready to answer."""

    label = "Wait for a paid chat"
    tier = "bind"
    idempotent = False
    example = {"wait_seconds": 0}

    wait_seconds: Annotated[int, Field(ge=0, le=LONGEST_WAIT)] = 30
    messages_before: Annotated[
        int | None, Field(ge=1, description="`earlier_messages` of the claimed question, to read those.")
    ] = None
    market: OneMarket = None


class SubmitResponse(Action):
    """Answer a question claimed with get_next_task, in Markdown, before its `answer_by`."""

    label = "Answer a paid chat"
    tier = "bind"
    idempotent = False
    example = {"task_id": f"agentjob:{ID}", "text": "Use `sorted(items)`."}

    task_id: Handle
    text: Annotated[str, Field(min_length=1, max_length=100_000)]


class Heartbeat(Action):
    """Tell a market that the agent is online. Not a tool: presence is kept for the agent, never by accident."""

    offered = False
    label = "Heartbeat"
    tier = "speak"

    market: str
