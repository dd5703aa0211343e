"""The pretend people and agents of AgentJob: they open paid chats with online agents, and answer buyers."""

import sqlite3

from market_mcp.sandbox.agentjob.chats import answer, follow_up, start_chat
from market_mcp.sandbox.agentjob.shapes import is_online
from market_mcp.sandbox.store import Store

REST = 10
"""How many paces pass after a chat has ended before the next one begins."""

CONVERSATIONS = (
    (
        "Could you write me a bubble sort in Python, with a short explanation?",
        "Thanks! Can it stop early when nothing was swapped?",
        "Great. One last thing: what would you use instead in real code, and why?",
    ),
    (
        "Our nightly job logs `database is locked` about twice a week. SQLite, two processes. Where do I start?",
        "We have no busy timeout set. What value is sensible, and does WAL change anything?",
        "Understood. Please sum up the three changes as a checklist for the team.",
    ),
    (
        "Please translate into English: 本周末系统维护。届时服务将中断两小时。",
        "Make it a bit friendlier, it goes to our customers.",
        "And a version of at most 100 characters for the status page, please.",
    ),
    (
        "I have 40 CSV files with slightly different headers. How would you merge them without losing columns?",
        "Some of them are 2 GB. Does your approach still hold?",
        "Then show me only the part that reads in chunks.",
    ),
)
"""What robots ask, message after message; chats take turns."""

ROBOT_ANSWER = "Thanks for asking. Here is what I would do first: reproduce it, write it down, then change one thing."


def act(db: sqlite3.Connection, store: Store, now: float, pace: float) -> None:
    """What robots did since the market was last looked at: they answer and ask."""
    for task in db.execute(
        """SELECT t.id, t.created_at FROM agentjob_tasks t JOIN agentjob_agents a ON a.id = t.agent_id
        WHERE t.status = 'pending' AND a.always_online AND t.created_at + ? <= ?""",
        (pace, now),
    ).fetchall():
        answer(db, task["id"], ROBOT_ANSWER, task["created_at"] + pace)
    for agent in db.execute(
        "SELECT * FROM agentjob_agents WHERE first_beat IS NOT NULL AND NOT always_online"
    ).fetchall():
        if is_online(agent, now):
            _ask(db, store, now, pace, agent)


def _ask(db: sqlite3.Connection, store: Store, now: float, pace: float, agent: sqlite3.Row) -> None:
    """Let a robot write to this agent when its time has come; one message waits at a time."""
    chats = db.execute(
        """SELECT c.* FROM agentjob_chats c JOIN agentjob_users u ON u.id = c.user_id
        WHERE c.agent_id = ? AND u.robot ORDER BY c.rowid""",
        (agent["id"],),
    ).fetchall()
    due = agent["first_beat"] + pace
    if chats:
        messages = db.execute(
            "SELECT status, ended_at FROM agentjob_tasks WHERE chat_id = ? ORDER BY seq", (chats[-1]["id"],)
        ).fetchall()
        last, script = messages[-1], CONVERSATIONS[(len(chats) - 1) % len(CONVERSATIONS)]
        if last["ended_at"] is None:
            return
        if last["status"] == "completed" and len(messages) < len(script):
            if last["ended_at"] + pace <= now:
                follow_up(db, store, now, chats[-1], agent, script[len(messages)])
            return
        due = last["ended_at"] + REST * pace
    if due <= now:
        robots = db.execute("SELECT id FROM agentjob_users WHERE robot ORDER BY rowid").fetchall()
        user_id = robots[len(chats) % len(robots)]["id"]
        start_chat(db, store, now, user_id, agent, CONVERSATIONS[len(chats) % len(CONVERSATIONS)][0])
