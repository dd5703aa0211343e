"""Tasks with a bounty: found, committed to, handed in and reviewed."""

from collections.abc import Mapping

from market_mcp.actions import work
from market_mcp.markets.domain import Result, Submission, Task, newest, pay, plain, present
from market_mcp.markets.duties import Duties, Item, Judged, Step
from market_mcp.markets.polt.projects import PAGES
from market_mcp.markets.reply import Fields
from market_mcp.markets.row import Effect, Filter, Limits, Listing, Proof, Request, Row, Standing


def submission(f: Fields) -> Submission:
    return present(
        Submission(
            id=f.handle("id"),
            author=f.person("agent", "username", "author", "submitted_by"),
            status=f.text("status", "outcome"),
            content=f.text("submission_content", "content"),
            feedback=f.text("reason", "feedback", "rejection_reason", "review_notes", "revision_notes"),
            created_at=f.time("created_at", "submitted_at"),
        )
    )


def task(f: Fields) -> Task:
    f = f.unwrap("task")
    return present(
        Task(
            id=f.required_handle("id"),
            title=f.required_text("title"),
            description=f.text("description"),
            status=f.text("status"),
            pay=pay(None, f.first("payout", "payout_amount"), f.text("payout_currency", "currency")),
            deadline=f.time("deadline"),
            difficulty=f.text("difficulty"),
            skills=f.tags("skills", "tags"),
            taken_by=f.person("committed_by", "assignee", "committed_agent"),
            project_id=f.handle("project_id"),
            created_at=f.time("created_at"),
            submissions=f.each("submissions", submission),
        )
    )


def last_review(task: Item) -> Judged:
    """What was said of the latest submission: the review decides what is to be done, and not the task's status.

    But a task that is open to all again is nobody's to do, whatever its list still says.
    """
    if plain(task.get("status")) == "available":
        return Judged("available")
    submissions: list[Item] = task.get("submissions", [])
    last = newest(submissions) or {}
    status = last.get("status")
    return Judged(status, last.get("feedback") if plain(status) == plain("needs_revision") else None)


def accepted(f: Fields) -> Result:
    """The task after a commit or an uncommit, with the market's sentence."""
    inner = f.shown("task")
    return present({"message": f.text("message"), "task": inner and task(inner)})


def submitted(f: Fields) -> Result:
    inner = f.shown("submission")
    shown = inner and {**submission(inner), "task_id": inner.handle("task_id")}
    return present({"message": f.text("message"), "submission": shown and present(shown)})


def submission_content(action: work.SubmitWork, _: object) -> Mapping[str, object]:
    """POLT takes one text; the link to the work stands on its last line."""
    link = f"\n\n{action.deliverable_url}" if action.deliverable_url else ""
    return {"submission_content": action.summary + link}


TASK_STATUS = {
    "available": "available",
    "committed": "committed",
    "in_review": "in_review",
    "completed": "completed",
    "any": None,
}
COMMIT_HINT = "If you are committed to 3 tasks already, end one first; my_work lists them."
SAME_TASK = {"task.id": "task_id"}


ROWS = (
    Row(
        work.ListTasks,
        "GET /api/tasks",
        task,
        "List available tasks",
        auth=False,
        listing=Listing(
            "tasks",
            PAGES,
            filters={
                "status": Filter("status", TASK_STATUS),
                "difficulty": Filter("difficulty"),
                "sort": Filter("sort"),
            },
            local=frozenset({"query", "currency", "min_pay", "due_before"}),
        ),
        topic="tasks",
    ),
    Row(
        work.ListTasks,
        "GET /api/projects/{project_id}/tasks",
        task,
        "List tasks for a project",
        variant="project",
        auth=False,
        listing=Listing(
            "tasks", local=frozenset({"query", "currency", "min_pay", "due_before", "status", "difficulty", "sort"})
        ),
        topic="projects/{project_id}/tasks",
    ),
    Row(
        work.RecentTasks,
        "GET /api/tasks/recent",
        task,
        "Get recent available tasks",
        auth=False,
        listing=Listing("tasks"),
        topic="tasks/recent",
    ),
    Row(
        work.GetTask,
        "GET /api/tasks/{task_id}",
        task,
        "Get task details",
        auth=False,
        topic="tasks/{task_id}",
    ),
    Row(
        work.CommitTask,
        "POST /api/tasks/{task_id}/commit",
        accepted,
        "Working on Tasks, Step 1",
        clears=("tasks/{task_id}", "tasks", "committed"),
        proof=Proof("task", documented=True, same=SAME_TASK, state="task.status", states=frozenset({"committed"})),
        effect=Effect(watches=(("task", "task_id"),)),
        limits=Limits(standing=Standing("commitments", 3, "task_id", takes=True)),
        hints={409: COMMIT_HINT, 400: COMMIT_HINT},
    ),
    Row(
        work.AbandonTask,
        "POST /api/tasks/{task_id}/uncommit",
        accepted,
        "Abandon a task",
        clears=("tasks/{task_id}", "tasks", "committed"),
        proof=Proof("task", same=SAME_TASK, state="task.status", states=frozenset({"available"})),
        limits=Limits(standing=Standing("commitments", 3, "task_id", takes=False)),
    ),
    Row(
        work.SubmitWork,
        "POST /api/tasks/{work_id}/submit",
        submitted,
        "Working on Tasks, Step 3",
        request=Request(body=submission_content),
        clears=("tasks/{work_id}", "committed"),
        proof=Proof("submission", documented=True, same={"submission.task_id": "work_id"}, waits=True),
        effect=Effect(watches=(("task", "work_id"),)),
        limits=Limits(standing=Standing("commitments", 3, "work_id", takes=False)),
    ),
    Row(
        work.CommittedTasks,
        "GET /api/agents/{profile_id}/committed-tasks",
        task,
        "View your currently committed tasks",
        auth=False,
        listing=Listing("tasks"),
        topic="committed",
    ),
)

DUTIES = (
    Duties(
        "commitments",
        work.CommittedTasks,
        work.GetTask,
        {"needs_revision": Step("revise what you handed in", work.SubmitWork), "available": None},
        otherwise=Step("finish the committed task", work.SubmitWork),
        own_name="profile_id",
        read=work.GetTask,
        unread="Whether these came back for revision is not known.",
        judge=last_review,
        standing="commitments",
    ),
)
