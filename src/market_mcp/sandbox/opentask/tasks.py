"""Tasks: browsing, posting, changing, cancelling."""

import json
import sqlite3
from collections.abc import Sequence
from functools import partial

from market_mcp.sandbox.opentask import shapes
from market_mcp.sandbox.opentask.bids import refuse_bids
from market_mcp.sandbox.opentask.books import Moment, seconds
from market_mcp.sandbox.opentask.budget import Budget, budget
from market_mcp.sandbox.opentask.inbox import notify
from market_mcp.sandbox.opentask.lookup import only, visible_task
from market_mcp.sandbox.opentask.models import NewTask, NewTaskCurrent, Page, TaskPatch, TaskSearch, TaskTerms
from market_mcp.sandbox.web import Call, Endpoint, Refusal, Reply

ROBOTS_PER_TASK = 2
"""How many robot sellers look at a task that somebody posts for everybody."""


def post(m: Moment, owner: str, sent: NewTask, mode: str = "pitch") -> sqlite3.Row:
    """A new open task."""
    pay = budget(sent)
    task = m.insert(
        "opentask_tasks",
        owner=owner,
        title=sent.title,
        description=sent.description,
        criteria=json.dumps(sent.acceptanceCriteria or []),
        skills=json.dumps(sent.skillsTags),
        budget_amount=pay.amount,
        budget_currency=pay.currency,
        budget_custom=pay.custom,
        budget_text=pay.text,
        deadline=_deadline(sent),
        visibility=sent.visibility,
        execution_mode=mode,
        updated_at=m.now,
    )
    _announce(m, task)
    return task


def _deadline(sent: TaskTerms) -> float | None:
    return None if sent.deadline is None else seconds(sent.deadline, "deadline")


def _announce(m: Moment, task: sqlite3.Row) -> None:
    """Robot sellers look at what others than robots post, two at a task, in turn."""
    owner = m.existing("SELECT robot FROM opentask_profiles WHERE id = ?", task["owner"])
    if owner["robot"] is not None or task["execution_mode"] != "pitch":
        return
    sellers = m.all("SELECT id FROM opentask_profiles WHERE robot = 'seller' ORDER BY seq")
    for n in range(min(ROBOTS_PER_TASK, len(sellers))):
        seller = sellers[(int(task["seq"]) + n) % len(sellers)]["id"]
        notify(m, seller, "task_posted", f"New task: {task['title']}", ("task", task["id"]))


def change(m: Moment, task: sqlite3.Row, sent: TaskPatch) -> sqlite3.Row:
    """The open task with what was sent; cancelling it rejects its active bids."""
    if task["status"] != "open":
        raise Refusal(409, f"Task is {task['status']}")
    named = sent.model_fields_set
    pay: Budget = budget(sent, task)
    criteria = json.dumps(sent.acceptanceCriteria or [])
    changed = m.existing(
        """UPDATE opentask_tasks SET title = ?, description = ?, criteria = ?, skills = ?, budget_amount = ?,
           budget_currency = ?, budget_custom = ?, budget_text = ?, deadline = ?, visibility = ?, status = ?,
           updated_at = ? WHERE id = ? RETURNING *""",
        sent.title if "title" in named else task["title"],
        sent.description if "description" in named else task["description"],
        criteria if "acceptanceCriteria" in named else task["criteria"],
        json.dumps(sent.skillsTags) if "skillsTags" in named else task["skills"],
        pay.amount,
        pay.currency,
        pay.custom,
        pay.text,
        _deadline(sent) if "deadline" in named else task["deadline"],
        sent.visibility if "visibility" in named else task["visibility"],
        sent.status if "status" in named else task["status"],
        # No two versions of a task print the same time, however fast they follow each other.
        max(m.now, int(task["updated_at"]) + 1.0),
        task["id"],
    )
    if changed["status"] == "cancelled":
        refuse_bids(m, changed, "The task was cancelled.")
    elif task["visibility"] != changed["visibility"]:
        _announce(m, changed)
    return changed


def browse(call: Call, current: bool) -> Reply:
    m, asked = Moment.of(call), call.asked(TaskSearch)
    rows, more = m.page(
        """SELECT * FROM opentask_tasks AS t
           WHERE status = 'open' AND visibility = 'public' AND seq < :before
           AND (:query = '' OR instr(lower(title || char(10) || description), lower(:query)) > 0)
           AND (:skill = '' OR EXISTS (SELECT 1 FROM json_each(t.skills) WHERE lower(value) = lower(:skill)))
           ORDER BY seq DESC LIMIT :most""",
        {"query": asked.query, "skill": asked.skill},
        asked,
    )
    return Reply({"tasks": [shapes.task_card(m, row, current) for row in rows], **more})


def show(call: Call, current: bool) -> Reply:
    m = Moment.of(call)
    return Reply({"task": shapes.task(m, visible_task(m, call.path["taskId"], call.agent), current)})


def show_to_agent(call: Call, current: bool) -> Reply:
    m = Moment.of(call)
    row = visible_task(m, call.path["taskId"], call.agent)
    shown = shapes.task(m, row, current)
    if row["owner"] == call.agent:
        shown["bidSummary"] = shapes.bid_summary(m, row["id"])
    return Reply({"task": shown})


def list_own(call: Call, current: bool) -> Reply:
    m, asked = Moment.of(call), call.asked(Page)
    rows, more = m.page(
        "SELECT * FROM opentask_tasks WHERE owner = :me AND seq < :before ORDER BY seq DESC LIMIT :most",
        {"me": call.agent},
        asked,
    )
    return Reply({"tasks": [_own_card(m, row, current) for row in rows], **more})


def _own_card(m: Moment, row: sqlite3.Row, current: bool) -> shapes.Json:
    summary = shapes.bid_summary(m, row["id"])
    return {
        **shapes.task_card(m, row, current),
        "visibility": row["visibility"],
        "status": row["status"],
        "bidCount": summary["total"],
        "bidSummary": summary,
    }


def create(call: Call, current: bool) -> Reply:
    m = Moment.of(call)
    if current:
        sent = call.sent(NewTaskCurrent)
        row = post(m, call.agent, sent, sent.executionMode)
    else:
        row = post(m, call.agent, call.sent(NewTask))
    return Reply({"task": shapes.task(m, row, current)}, 201)


def patch(call: Call, current: bool) -> Reply:
    m = Moment.of(call)
    row = visible_task(m, call.path["taskId"], call.agent)
    only(call.agent, row["owner"], "Only the owner can update this task")
    return Reply({"task": shapes.task(m, change(m, row, call.sent(TaskPatch)), current)})


def endpoints(current: bool) -> Sequence[Endpoint]:
    """The calls about tasks; the current platform also takes changes under /api/agent.

    No scope is documented for the change outside /api/agent, so any token of the owner will do.
    """
    changed = Endpoint(
        "PATCH", "/api/tasks/{taskId}", partial(patch, current=current), "Change or cancel an own task",
        "key", body=TaskPatch, statuses=(200, 403, 404, 409),
    )  # fmt: skip
    also = Endpoint(
        "PATCH", "/api/agent/tasks/{taskId}", changed.handle, changed.summary,
        "key", "tasks:write", body=TaskPatch, statuses=changed.statuses, inferred=True,
    )  # fmt: skip
    return (
        Endpoint(
            "GET", "/api/tasks", partial(browse, current=current), "Open public tasks, newest first",
            query=TaskSearch,
        ),
        Endpoint(
            "GET", "/api/tasks/{taskId}", partial(show, current=current),
            "A task; unlisted ones for their owner", statuses=(200, 404),
        ),
        changed,
        *((also,) if current else ()),
        Endpoint(
            "GET", "/api/agent/tasks", partial(list_own, current=current), "Own tasks with their bid counts",
            "key", "tasks:read", query=Page,
        ),
        Endpoint(
            "POST", "/api/agent/tasks", partial(create, current=current), "Post a task",
            "key", "tasks:write", body=NewTaskCurrent if current else NewTask, statuses=(201,),
        ),
        Endpoint(
            "GET", "/api/agent/tasks/{taskId}", partial(show_to_agent, current=current),
            "A task, with a bid summary for its owner", "key", "tasks:read", statuses=(200, 404),
        ),
    )  # fmt: skip
