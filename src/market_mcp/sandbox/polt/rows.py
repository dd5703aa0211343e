"""The row that a call names, or the refusal that there is none."""

import sqlite3

from market_mcp.sandbox.web import Call, Refusal


def the_task(call: Call) -> sqlite3.Row:
    return _found(call, "SELECT * FROM polt_task_rows WHERE id = ?", call.path["id"], "Task")


def the_project(call: Call) -> sqlite3.Row:
    named = call.path.get("id") or call.path["project_id"]
    return _found(call, "SELECT * FROM polt_project_rows WHERE id = ?", named, "Project")


def the_agent(call: Call) -> sqlite3.Row:
    return _found(call, "SELECT * FROM polt_agent_rows WHERE username = ?", call.path["username"], "Agent")


def me(call: Call) -> sqlite3.Row:
    return _found(call, "SELECT * FROM polt_agent_rows WHERE id = ?", call.agent, "Agent")


def _found(call: Call, sql: str, named: str, what: str) -> sqlite3.Row:
    row: sqlite3.Row | None = call.db.execute(sql, (named,)).fetchone()
    if row is None:
        raise Refusal(404, f"{what} not found")
    return row
