"""Tasks as work to bid on, as threads to discuss, and as their owner sees them."""

from market_mcp.actions import board, hiring, work
from market_mcp.markets.domain import Pay, Post, Reply, Result, Task, pay, plain, present
from market_mcp.markets.reply import MAX_BODY, Fields
from market_mcp.markets.row import Filter, Limits, Listing, Paging, Proof, Request, Row, sends

CURSOR = Paging("cursor")
COMMENTS = "/api/agent/tasks/{post_id}/comments"
MOST_COMMENTS = 100
"""Comments asked for at once: as many as OpenTask gives, since further pages draw on the polling budget."""
PUBLIC_TASK = "3) View/update a task"


TAKES_BIDS = "pitch"
"""The platform's documents today: of the modes pitch, bounty and benchmark, only Pitch takes bids."""
ENTRIES = "versioned entries, no bids; no tool here makes one, so tell the user if it is worth entering"


def budget(f: Fields) -> Pay | None:
    """SKILL.md: prefer budgetAmount and budgetCurrency, fall back to budgetText."""
    currency = f.text("budgetCurrency")
    if currency == "OTHER":
        currency = f.text("budgetCurrencyCustom") or currency
    return pay(f.text("budgetText"), f.first("budgetAmount"), currency)


def instead_of_bids(mode: str | None) -> str | None:
    """What a task of this mode takes in place of bids; None where it takes bids, as those do that name no mode."""
    return None if mode is None or plain(mode) == TAKES_BIDS else ENTRIES


def task(f: Fields) -> Task:
    f = f.unwrap("task")
    bids = f.object("bidSummary", "bids")
    owner = f.object("owner")
    mode = f.text("executionMode")
    return present(
        Task(
            id=f.required_handle("id"),
            title=f.required_text("title"),
            description=f.text("description"),
            status=f.text("status"),
            pay=budget(f),
            deadline=f.time("deadline"),
            skills=f.tags("skillsTags"),
            criteria=f.texts("acceptanceCriteria"),
            owner=f.person("owner"),
            owner_kind=owner.text("kind") if owner else None,
            execution_mode=mode,
            execution_phase=f.text("executionPhase"),
            takes=instead_of_bids(mode),
            entry_deadline=f.time("entryDeadline"),
            available_actions=f.texts("availableActions"),
            funding_status=f.text("fundingStatus"),
            bid_count=f.count("bidCount", "bidsCount") if bids is None else bids.count("total", "count"),
            created_at=f.time("createdAt"),
            updated_at=f.time("updatedAt"),
        )
    )


def listed_task(f: Fields) -> Task:
    """An entry of the public list, which names no status: what stands there is open."""
    found = task(f)
    found.setdefault("status", "open")
    return found


def post(f: Fields) -> Post:
    """A public task as something to read and discuss."""
    f = f.unwrap("task")
    return present(
        Post(
            id=f.required_handle("id"),
            title=f.required_text("title"),
            body=f.text("description"),
            author=f.person("owner"),
            status=f.text("status"),
            created_at=f.time("createdAt"),
            pay=budget(f),
            reply_count=f.count("commentCount", "commentsCount"),
        )
    )


def comment(f: Fields) -> Reply:
    return present(
        Reply(
            id=f.handle("id"),
            author=f.person("author", "profile", "owner"),
            body=f.text("body") or "",
            created_at=f.time("createdAt"),
        )
    )


def commented(f: Fields) -> Result:
    inner = f.shown("comment")
    return present({"reply_id": inner and inner.handle("id"), "message": "Comment published."})


def posted(f: Fields) -> Result:
    inner = f.shown("task")
    return present({"task": inner and task(inner), "message": "Task posted. list_task_bids shows the bids on it."})


def changed(f: Fields) -> Result:
    inner = f.shown("task")
    return present({"task": inner and task(inner), "message": "Task changed."})


# SKILL.md: the structured budget is preferred, budgetText deprecated; OTHER needs budgetCurrencyCustom.
TASK_BODY = sends(
    title="title",
    description="description",
    acceptanceCriteria="criteria",
    skillsTags="skills",
    budgetAmount="budget_amount",
    budgetCurrency="budget_currency",
    budgetCurrencyCustom="other_currency",
    deadline="deadline",
    visibility="visibility",
    status="status",
)

CHANGED = Proof(
    "task",
    same={"task.id": "task_id"},
    state="task.status",
    states=lambda a: frozenset({a.status} if a.status else ()),
)

ROWS = (
    Row(
        board.ListPosts,
        "GET /api/tasks",
        post,
        "1) Browse tasks",
        auth=False,
        listing=Listing("tasks", CURSOR, filters={"query": Filter("query"), "sort": Filter("sort", {"new": "new"})}),
        topic="tasks",
    ),
    Row(
        board.GetPost,
        "GET /api/tasks/{post_id}",
        post,
        PUBLIC_TASK,
        auth=False,
        topic="tasks/{post_id}",
        also={
            "replies": Row(
                board.GetPost,
                f"GET {COMMENTS}",
                comment,
                "2b) Task comments",
                scope="comments:read",
                listing=Listing("comments", Paging("cursor", MOST_COMMENTS), max_body=4 * MAX_BODY),
                topic="tasks/{post_id}/comments",
            )
        },
    ),
    Row(
        board.AddReply,
        f"POST {COMMENTS}",
        commented,
        "2b) Task comments",
        scope="comments:write",
        request=Request(body=sends(body="body")),
        clears=("tasks/{post_id}/comments",),
        proof=Proof("reply_id"),
        limits=Limits(max_length={"body": 8000}),
    ),
    Row(
        work.ListTasks,
        "GET /api/tasks",
        listed_task,
        "1) Browse tasks",
        auth=False,
        listing=Listing(
            "tasks",
            CURSOR,
            filters={
                "query": Filter("query"),
                "skill": Filter("skill"),
                "status": Filter("status", {"available": None}),
                "sort": Filter("sort", {"new": "new"}),
            },
            local=frozenset({"currency", "min_pay", "due_before", "sort"}),
        ),
        topic="tasks",
    ),
    Row(
        work.GetTask,
        "GET /api/tasks/{task_id}",
        task,
        PUBLIC_TASK,
        auth=False,
        topic="tasks/{task_id}",
    ),
    # With a token the owner also sees unlisted tasks, and the bids on them in numbers.
    Row(
        work.GetTask,
        "GET /api/agent/tasks/{task_id}",
        task,
        PUBLIC_TASK,
        variant="keyed",
        scope="tasks:read",
        topic="tasks/{task_id}",
    ),
    Row(
        hiring.CreateTask,
        "POST /api/agent/tasks",
        posted,
        "2) Create a task",
        scope="tasks:write",
        request=Request(body=TASK_BODY),
        clears=("tasks", "own-tasks"),
        proof=Proof("task", documented=True),
    ),
    Row(
        hiring.UpdateTask,
        "PATCH /api/tasks/{task_id}",
        changed,
        PUBLIC_TASK,
        request=Request(body=TASK_BODY),
        clears=("tasks/{task_id}", "tasks", "own-tasks"),
        proof=CHANGED,
    ),
    Row(
        hiring.UpdateTask,
        "PATCH /api/agent/tasks/{task_id}",
        changed,
        PUBLIC_TASK,
        inferred="SKILL.md prints PATCH /api/tasks/:id; the platform today takes it below /api/agent",
        variant="current",
        scope="tasks:write",
        request=Request(body=TASK_BODY),
        clears=("tasks/{task_id}", "tasks", "own-tasks"),
        proof=CHANGED,
    ),
    Row(
        hiring.ListMyTasks,
        "GET /api/agent/tasks",
        task,
        "Operational contract, IDs and discovery",
        scope="tasks:read",
        listing=Listing("tasks", CURSOR),
        topic="own-tasks",
    ),
)
