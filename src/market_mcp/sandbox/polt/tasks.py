"""Bounty tasks of POLT: found, committed to by one agent at a time, submitted, reviewed."""

import sqlite3
from typing import Literal

from market_mcp.sandbox.polt import shapes
from market_mcp.sandbox.polt.models import Submission, TaskQuery
from market_mcp.sandbox.polt.rows import the_task
from market_mcp.sandbox.store import Store
from market_mcp.sandbox.web import Call, Refusal, Reply

MAX_COMMITTED = 3
"""POLT skill: "You can have a maximum of 3 tasks committed at once"."""

GOOD_ENOUGH = 40
"""Characters from which the robot reviewer takes a submission without a link for finished work."""

Outcome = Literal["approved", "rejected", "needs_revision"]


def list_tasks(call: Call) -> Reply:
    asked = call.asked(TaskQuery)
    wanted = asked.model_dump() | {"offset": (asked.page - 1) * asked.limit}
    total = call.db.execute(
        """SELECT count(*) FROM polt_tasks WHERE (:status IS NULL OR status = :status)
        AND (:difficulty IS NULL OR difficulty = :difficulty)
        AND (:project_id IS NULL OR project_id = :project_id)""",
        wanted,
    ).fetchone()[0]
    rows = call.db.execute(
        """SELECT * FROM polt_task_rows WHERE (:status IS NULL OR status = :status)
        AND (:difficulty IS NULL OR difficulty = :difficulty)
        AND (:project_id IS NULL OR project_id = :project_id)
        ORDER BY CASE :sort WHEN 'payout' THEN -CAST(payout AS REAL)
            WHEN 'deadline' THEN coalesce(deadline, 9e99) ELSE -created_at END, id
        LIMIT :limit OFFSET :offset""",
        wanted,
    ).fetchall()
    found = [shapes.task(row) for row in rows]
    return Reply({"tasks": found, "page": asked.page, "limit": asked.limit, "total": total})


def recent_tasks(call: Call) -> Reply:
    """POLT skill: "the 5 most recently created available tasks"."""
    rows = call.db.execute(
        "SELECT * FROM polt_task_rows WHERE status = 'available' ORDER BY created_at DESC, id LIMIT 5"
    ).fetchall()
    return Reply({"tasks": [shapes.task(row) for row in rows]})


def get_task(call: Call) -> Reply:
    task = the_task(call)
    history = call.db.execute(
        "SELECT * FROM polt_submission_rows WHERE task_id = ? ORDER BY submitted_at, place", (task["id"],)
    ).fetchall()
    return Reply({"task": shapes.task(task) | {"submissions": [shapes.submission(row) for row in history]}})


def commit(call: Call) -> Reply:
    """Lock an available task to the caller, who may hold three at once."""
    task = the_task(call)
    if task["status"] != "available":
        raise Refusal(409, f"Task is not available (status: {task['status']})")
    held = call.db.execute(
        "SELECT count(*) FROM polt_tasks WHERE committed_by = ? AND status = 'committed'", (call.agent,)
    ).fetchone()[0]
    if held >= MAX_COMMITTED:
        raise Refusal(409, f"You already have {MAX_COMMITTED} committed tasks, which is the maximum")
    call.db.execute(
        "UPDATE polt_tasks SET status = 'committed', committed_by = ?, committed_at = ? WHERE id = ?",
        (call.agent, call.now, task["id"]),
    )
    return Reply({"message": "Successfully committed to task", "task": shapes.task(the_task(call))})


def uncommit(call: Call) -> Reply:
    """Give a committed task back; one that came back for revision counts as committed."""
    task = _held(call)
    _reopen(call.db, task["id"])
    return Reply({"message": "Task abandoned", "task": shapes.task(the_task(call))})


def submit(call: Call) -> Reply:
    task, submission_id = _held(call), call.store.new_id()
    call.db.execute(
        "INSERT INTO polt_submissions (id, task_id, agent_id, content, submitted_at) VALUES (?, ?, ?, ?, ?)",
        (submission_id, task["id"], call.agent, call.sent(Submission).submission_content, call.now),
    )
    call.db.execute("UPDATE polt_tasks SET status = 'in_review' WHERE id = ?", (task["id"],))
    row = call.db.execute("SELECT * FROM polt_submission_rows WHERE id = ?", (submission_id,)).fetchone()
    return Reply({"message": "Submission received and awaiting review", "submission": shapes.submission(row)}, 201)


def _held(call: Call) -> sqlite3.Row:
    """The task that the call names, if it is committed, and to the caller."""
    task = the_task(call)
    if task["status"] not in ("committed", "in_review"):
        raise Refusal(409, f"Task is not committed (status: {task['status']})")
    if task["committed_by"] != call.agent:
        raise Refusal(403, "Task is committed to another agent")
    if task["status"] == "in_review":
        raise Refusal(409, "Task has a submission in review")
    return task


def _reopen(db: sqlite3.Connection, task_id: str) -> None:
    db.execute(
        "UPDATE polt_tasks SET status = 'available', committed_by = NULL, committed_at = NULL WHERE id = ?",
        (task_id,),
    )


def review(db: sqlite3.Connection, submission_id: str, outcome: Outcome, reason: str | None, now: float) -> bool:
    """Decide a pending submission; False when there is none of this id.

    Approved completes the task and credits the reward; rejected reopens it for everyone; needs_revision gives
    it back to its committer.
    """
    submission = db.execute(
        "SELECT task_id, agent_id FROM polt_submissions WHERE id = ? AND status = 'pending'", (submission_id,)
    ).fetchone()
    if submission is None:
        return False
    db.execute(
        "UPDATE polt_submissions SET status = ?, reason = ?, reviewed_at = ? WHERE id = ?",
        (outcome, reason, now, submission_id),
    )
    task_id = submission["task_id"]
    match outcome:
        case "approved":
            db.execute(
                """UPDATE polt_tasks SET status = 'completed', committed_by = NULL, completed_by = ?,
                completed_at = ? WHERE id = ?""",
                (submission["agent_id"], now, task_id),
            )
        case "rejected":
            _reopen(db, task_id)
        case "needs_revision":
            db.execute("UPDATE polt_tasks SET status = 'committed' WHERE id = ?", (task_id,))
    return True


def act(db: sqlite3.Connection, _store: Store, now: float, pace: float) -> None:
    """OpenPOLT reviews what was submitted `pace` seconds ago; what robots submitted stays as it is."""
    due = db.execute(
        """SELECT s.id, s.content, s.submitted_at, (SELECT count(*) FROM polt_submissions earlier
            WHERE earlier.task_id = s.task_id AND earlier.agent_id = s.agent_id
            AND earlier.status = 'needs_revision') AS revisions
        FROM polt_submissions s JOIN polt_agents a ON a.id = s.agent_id
        WHERE s.status = 'pending' AND a.robot = 0 AND s.submitted_at + ? <= ?""",
        (pace, now),
    ).fetchall()
    for row in due:
        outcome, reason = _opinion(row["content"], row["revisions"])
        review(db, row["id"], outcome, reason, row["submitted_at"] + pace)


def _opinion(content: str, revisions: int) -> tuple[Outcome, str | None]:
    if "http://" in content or "https://" in content or len(content) >= GOOD_ENOUGH:
        return "approved", None
    if revisions:
        return "rejected", "Still no link and no description of the work. The task is open for others again."
    return "needs_revision", "Please link the result or describe what you did; this is too short to review."
