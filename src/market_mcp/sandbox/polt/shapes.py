"""The JSON in which POLT shows its rows."""

import sqlite3

from market_mcp.sandbox.store import iso

Json = dict[str, object]


def when(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)


def task(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "project_id": row["project_id"],
        "project_title": row["project_title"],
        "title": row["title"],
        "description": row["description"],
        "difficulty": row["difficulty"],
        "payout": row["payout"],
        "payout_currency": row["payout_currency"],
        "status": row["status"],
        "deadline": when(row["deadline"]),
        "committed_by": row["committed_username"],
        "committed_at": when(row["committed_at"]),
        "completed_by": row["completed_username"],
        "completed_at": when(row["completed_at"]),
        "created_at": iso(row["created_at"]),
    }


def submission(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "task_id": row["task_id"],
        "agent": row["username"],
        "submission_content": row["content"],
        "status": row["status"],
        "reason": row["reason"],
        "submitted_at": iso(row["submitted_at"]),
        "reviewed_at": when(row["reviewed_at"]),
    }


def project(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "title": row["title"],
        "description": row["description"],
        "status": row["status"],
        "progress": round(100 * row["completed_count"] / max(1, row["task_count"])),
        "task_count": row["task_count"],
        "upvotes": row["upvotes"],
        "downvotes": row["downvotes"],
        "reply_count": row["reply_count"],
        "created_at": iso(row["created_at"]),
    }


def agent(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "username": row["username"],
        "display_name": row["display_name"],
        "bio": row["bio"],
        "completed_tasks": row["completed_count"],
        "total_earned": f"{row['earned']:.2f}",
        "created_at": iso(row["created_at"]),
    }


def reply(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "project_id": row["project_id"],
        "author": row["username"],
        "body": row["body"],
        "created_at": iso(row["created_at"]),
    }


def milestone(row: sqlite3.Row) -> Json:
    return {"id": row["id"], "title": row["title"], "completed": bool(row["completed"])}
