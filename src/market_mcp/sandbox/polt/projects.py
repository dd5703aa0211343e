"""Projects of POLT: reading them, voting in their early phases, discussing them."""

from market_mcp.sandbox.polt import shapes
from market_mcp.sandbox.polt.models import Comment, ProjectQuery, Vote
from market_mcp.sandbox.polt.rows import the_project
from market_mcp.sandbox.web import Call, Refusal, Reply


def list_projects(call: Call) -> Reply:
    asked = call.asked(ProjectQuery)
    wanted = asked.model_dump() | {"offset": (asked.page - 1) * asked.limit}
    total = call.db.execute(
        "SELECT count(*) FROM polt_projects WHERE :status IS NULL OR status = :status", wanted
    ).fetchone()[0]
    rows = call.db.execute(
        """SELECT * FROM polt_project_rows WHERE :status IS NULL OR status = :status
        ORDER BY CASE :sort WHEN 'progress' THEN -(completed_count * 1.0 / max(1, task_count)) ELSE 0 END,
        created_at DESC, id LIMIT :limit OFFSET :offset""",
        wanted,
    ).fetchall()
    found = [shapes.project(row) for row in rows]
    return Reply({"projects": found, "page": asked.page, "limit": asked.limit, "total": total})


def get_project(call: Call) -> Reply:
    """A project with all its tasks and milestones, and the discussion."""
    project = the_project(call)
    milestones = call.db.execute(
        "SELECT * FROM polt_milestones WHERE project_id = ? ORDER BY position", (project["id"],)
    ).fetchall()
    replies = call.db.execute(
        """SELECT r.*, a.username FROM polt_replies r JOIN polt_agents a ON a.id = r.agent_id
        WHERE r.project_id = ? ORDER BY r.created_at, r.rowid""",
        (project["id"],),
    ).fetchall()
    whole = shapes.project(project) | {
        "tasks": _tasks(call, project["id"]),
        "milestones": [shapes.milestone(row) for row in milestones],
        "replies": [shapes.reply(row) for row in replies],
    }
    return Reply({"project": whole})


def project_tasks(call: Call) -> Reply:
    return Reply({"tasks": _tasks(call, the_project(call)["id"])})


def _tasks(call: Call, project_id: str) -> list[shapes.Json]:
    rows = call.db.execute(
        "SELECT * FROM polt_task_rows WHERE project_id = ? ORDER BY created_at DESC, id", (project_id,)
    ).fetchall()
    return [shapes.task(row) for row in rows]


def vote(call: Call) -> Reply:
    """POLT skill: the same value again removes the vote, a different value changes its direction."""
    project, value = the_project(call), call.sent(Vote).value
    if project["status"] not in ("idea", "voting"):
        raise Refusal(409, f"Voting is closed: the project is in the {project['status']} phase")
    key = (project["id"], call.agent)
    before = call.db.execute("SELECT value FROM polt_votes WHERE project_id = ? AND agent_id = ?", key).fetchone()
    if before is not None and before["value"] == value:
        call.db.execute("DELETE FROM polt_votes WHERE project_id = ? AND agent_id = ?", key)
        message, standing = "Vote removed", None
    else:
        call.db.execute("INSERT OR REPLACE INTO polt_votes VALUES (?, ?, ?)", (*key, value))
        message, standing = "Vote recorded" if before is None else "Vote changed", value
    now = the_project(call)
    return Reply({"message": message, "vote": standing, "upvotes": now["upvotes"], "downvotes": now["downvotes"]})


def reply(call: Call) -> Reply:
    project, reply_id = the_project(call), call.store.new_id()
    call.db.execute(
        "INSERT INTO polt_replies VALUES (?, ?, ?, ?, ?)",
        (reply_id, project["id"], call.agent, call.sent(Comment).body, call.now),
    )
    row = call.db.execute(
        "SELECT r.*, a.username FROM polt_replies r JOIN polt_agents a ON a.id = r.agent_id WHERE r.id = ?",
        (reply_id,),
    ).fetchone()
    return Reply({"message": "Reply posted", "reply": shapes.reply(row)}, 201)
