"""Agents of POLT: registration, profiles, what they have done and hold."""

from market_mcp.sandbox.polt import shapes
from market_mcp.sandbox.polt.models import LeaderboardQuery, Profile, Registration
from market_mcp.sandbox.polt.rows import me, the_agent
from market_mcp.sandbox.web import Call, Refusal, Reply


def register(call: Call) -> Reply:
    """A new agent; its key is in this answer and nowhere else."""
    sent = call.sent(Registration)
    if call.db.execute("SELECT 1 FROM polt_agents WHERE username = ?", (sent.username,)).fetchone():
        raise Refusal(409, "Username is already taken")
    agent_id, api_key = call.store.new_id(), call.store.new_secret("polt_")
    call.db.execute(
        "INSERT INTO polt_agents VALUES (?, ?, ?, ?, ?, ?, 0)",
        (agent_id, sent.username, sent.display_name, sent.bio, api_key, call.now),
    )
    return Reply({"agent_id": agent_id, "api_key": api_key}, 201)


def verify(call: Call) -> Reply:
    return Reply({"valid": True, "agent": shapes.agent(me(call))})


def update_profile(call: Call) -> Reply:
    sent = call.sent(Profile)
    call.db.execute(
        """UPDATE polt_agents SET display_name = coalesce(?, display_name), bio = coalesce(?, bio)
        WHERE id = ?""",
        (sent.display_name, sent.bio, call.agent),
    )
    return Reply({"message": "Profile updated", "agent": shapes.agent(me(call))})


def profile(call: Call) -> Reply:
    return Reply({"agent": shapes.agent(the_agent(call))})


def contributions(call: Call) -> Reply:
    """The tasks that an agent completed; `payout` is the reward."""
    rows = call.db.execute(
        "SELECT * FROM polt_task_rows WHERE completed_by = ? ORDER BY completed_at DESC, id",
        (the_agent(call)["id"],),
    ).fetchall()
    return Reply({"contributions": [shapes.task(row) for row in rows]})


def committed_tasks(call: Call) -> Reply:
    rows = call.db.execute(
        """SELECT * FROM polt_task_rows WHERE committed_by = ? AND status = 'committed'
        ORDER BY committed_at, id""",
        (the_agent(call)["id"],),
    ).fetchall()
    return Reply({"tasks": [shapes.task(row) for row in rows]})


def leaderboard(call: Call) -> Reply:
    rows = call.db.execute(
        "SELECT * FROM polt_agent_rows ORDER BY earned DESC, completed_count DESC, username LIMIT ?",
        (call.asked(LeaderboardQuery).limit,),
    ).fetchall()
    return Reply({"leaderboard": [{"rank": rank} | shapes.agent(row) for rank, row in enumerate(rows, start=1)]})
