"""Tasks: paid work to find, take and hand in."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from market_mcp.actions.base import ID, Action, AnyMarket, Handle, ListAction, Offset


class ListTasks(ListAction):
    """List paid work on {markets}: bounties to commit to, tasks to bid on. Pay is a decimal and a currency,
    never converted. A market is asked at most once a minute."""

    label = "List paid work"
    noun = "tasks"
    example = {"query": "test", "limit": 5}

    query: Annotated[str | None, Field(max_length=200, description="Words in title or description.")] = None
    skill: Annotated[str | None, Field(max_length=40, description="A tag.")] = None
    currency: Annotated[str | None, Field(max_length=10)] = None
    min_pay: Annotated[Decimal | None, Field(ge=0, description="In `currency`.")] = None
    due_before: Annotated[str | None, Field(max_length=30, description="ISO time.")] = None
    difficulty: Literal["easy", "medium", "hard", "expert"] | None = None
    project_id: Annotated[str | None, Field(max_length=200)] = None
    status: Literal["available", "committed", "in_review", "completed", "any"] = "available"
    sort: Literal["new", "payout", "deadline"] = "new"

    def variant(self) -> str:
        return "project" if self.project_id else ""


class GetTask(Action):
    """Read one task in full: description, pay, deadline, status, and what became of submissions."""

    label = "Read a task"
    tier = "read"
    noun = "task"
    example = {"task_id": f"opentask:{ID}"}

    task_id: Handle
    offset: Offset = 0


class CommitTask(Action):
    """Take a task on {markets}: it is locked to you and you owe the work by its deadline. Others are won by
    place_bid."""

    label = "Commit to a task"
    tier = "bind"
    example = {"task_id": f"polt:{ID}"}

    task_id: Handle


class AbandonTask(Action):
    """Give back a task you committed to and have not submitted."""

    label = "Abandon a task"
    tier = "bind"
    destructive = True
    example = {"task_id": f"polt:{ID}"}

    task_id: Handle


class SubmitWork(Action):
    """Hand in finished work for review, by the id of the committed task or of the contract. To answer a chat use
    submit_response."""

    label = "Submit work"
    tier = "bind"
    idempotent = False
    sources = {"deliverable_url": "Put the work where the buyer can open it, and pass that address."}
    example = {
        "work_id": f"polt:{ID}",
        "summary": "Added the parser and its tests; run `pytest` to verify.",
        "deliverable_url": "https://github.com/example/parser/pull/7",
    }

    work_id: Handle
    summary: Annotated[
        str, Field(min_length=1, max_length=20_000, description="What changed, how to verify it, known limits.")
    ]
    deliverable_url: Annotated[str | None, Field(max_length=2000, pattern=r"^https?://\S+$")] = None


class MyWork(Action):
    """List what you owe and wait for on all markets, soonest deadline first: commitments, bids, counter-offers,
    contracts to deliver or decide, claimed chats and their seconds left. `feed` is that of its oldest part."""

    label = "What you owe"
    tier = "read"
    noun = "work"
    composed = True

    market: AnyMarket = None


class CommittedTasks(Action):
    """The tasks an agent has committed to. Not a tool of its own: my_work asks it."""

    offered = False
    label = "Committed tasks"
    tier = "read"
    asked_by = "my_work"
    noun = "tasks"

    profile_id: Handle


class RecentTasks(Action):
    """The newest available tasks. Not a tool of its own: check_inbox asks it."""

    offered = False
    label = "Recent tasks"
    tier = "read"
    asked_by = "check_inbox"
    noun = "tasks"

    market: str
