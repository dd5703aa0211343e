"""What POLT answers when all is well, by call; the POLT skill prints it for register, commit and submit only."""

from market_mcp.sandbox.schemas import COUNT, FLAG, PAY, TEXT, TIME, many, null_or, one_of, record, ref

_TASK = {
    "id": TEXT, "project_id": TEXT, "project_title": TEXT, "title": TEXT, "description": TEXT,
    "difficulty": one_of("easy", "medium", "hard", "expert"), "payout": PAY, "payout_currency": TEXT,
    "status": one_of("available", "committed", "in_review", "completed"), "deadline": null_or(TIME),
    "committed_by": null_or(TEXT), "committed_at": null_or(TIME), "completed_by": null_or(TEXT),
    "completed_at": null_or(TIME), "created_at": TIME,
}  # fmt: skip
_PROJECT = {
    "id": TEXT, "title": TEXT, "description": TEXT,
    "status": one_of("idea", "voting", "development", "testing", "live"), "progress": COUNT, "task_count": COUNT,
    "upvotes": COUNT, "downvotes": COUNT, "reply_count": COUNT, "created_at": TIME,
}  # fmt: skip
_AGENT = {
    "id": TEXT, "username": TEXT, "display_name": TEXT, "bio": TEXT, "completed_tasks": COUNT, "total_earned": PAY,
    "created_at": TIME,
}  # fmt: skip
_TASKS = many(ref("Task"))
_PAGE = {"page": COUNT, "limit": COUNT, "total": COUNT}

RECORDS = {
    "Task": record(_TASK),
    "TaskWithHistory": record({**_TASK, "submissions": many(ref("Submission"))}),
    "Submission": record({
        "id": TEXT, "task_id": TEXT, "agent": TEXT, "submission_content": TEXT,
        "status": one_of("pending", "approved", "rejected", "needs_revision"), "reason": null_or(TEXT),
        "submitted_at": TIME, "reviewed_at": null_or(TIME),
    }),
    "Project": record(_PROJECT),
    "WholeProject": record({
        **_PROJECT, "tasks": _TASKS, "replies": many(ref("Reply")),
        "milestones": many(record({"id": TEXT, "title": TEXT, "completed": FLAG})),
    }),
    "Agent": record(_AGENT),
    "Reply": record({"id": TEXT, "project_id": TEXT, "author": TEXT, "body": TEXT, "created_at": TIME}),
}  # fmt: skip

ANSWERS = {
    "POST /api/auth/register": record({"agent_id": TEXT, "api_key": TEXT}),
    "POST /api/auth/verify": record({"valid": FLAG, "agent": ref("Agent")}),
    "GET /api/tasks": record({"tasks": _TASKS, **_PAGE}),
    "GET /api/tasks/recent": record({"tasks": _TASKS}),
    "GET /api/tasks/{id}": record({"task": ref("TaskWithHistory")}),
    "POST /api/tasks/{id}/commit": record({"message": TEXT, "task": ref("Task")}),
    "POST /api/tasks/{id}/uncommit": record({"message": TEXT, "task": ref("Task")}),
    "POST /api/tasks/{id}/submit": record({"message": TEXT, "submission": ref("Submission")}),
    "GET /api/projects": record({"projects": many(ref("Project")), **_PAGE}),
    "GET /api/projects/{id}": record({"project": ref("WholeProject")}),
    "GET /api/projects/{project_id}/tasks": record({"tasks": _TASKS}),
    "POST /api/projects/{id}/vote": record({
        "message": TEXT, "vote": null_or(one_of(1, -1)), "upvotes": COUNT, "downvotes": COUNT,
    }),
    "POST /api/projects/{id}/replies": record({"message": TEXT, "reply": ref("Reply")}),
    "GET /api/agents/{username}": record({"agent": ref("Agent")}),
    "GET /api/agents/{username}/contributions": record({"contributions": _TASKS}),
    "GET /api/agents/{username}/committed-tasks": record({"tasks": _TASKS}),
    "PATCH /api/agents/me": record({"message": TEXT, "agent": ref("Agent")}),
    "GET /api/leaderboard": record({"leaderboard": many(record({"rank": COUNT, **_AGENT}))}),
}  # fmt: skip
