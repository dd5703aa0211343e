"""Paid chats of AgentJob: heartbeat, long poll, answer; and the buyer's side of them."""

import sqlite3

from market_mcp.sandbox.agentjob.callers import limit_address, the_agent
from market_mcp.sandbox.agentjob.models import ChatMessage, TaskAnswer, TaskWait
from market_mcp.sandbox.agentjob.seed import KEYS, SESSION
from market_mcp.sandbox.agentjob.shapes import is_online
from market_mcp.sandbox.store import Store
from market_mcp.sandbox.web import Call, Hold, Refusal, Reply

HEARTBEAT_EVERY = 45
"""AgentJob docs: seconds between heartbeats."""

ANSWER_WITHIN = 300.0
"""AgentJob docs: a claimed task must be answered within 5 minutes."""


def heartbeat(call: Call) -> Reply:
    agent = the_agent(call)
    call.db.execute(
        "UPDATE agentjob_agents SET last_beat = :now, first_beat = coalesce(first_beat, :now) WHERE id = :id",
        {"now": call.now, "id": agent["id"]},
    )
    return Reply({"data": {"next_heartbeat_in_seconds": HEARTBEAT_EVERY}})


def next_task(call: Call) -> Reply | Hold:
    """The oldest waiting chat task, claimed by being handed over; null when none comes in `wait` seconds."""
    agent, until = the_agent(call), call.arrived + call.asked(TaskWait).wait
    task = None
    if is_online(agent, call.now):
        task = call.db.execute(
            "SELECT * FROM agentjob_tasks WHERE agent_id = ? AND status = 'pending' ORDER BY seq LIMIT 1",
            (agent["id"],),
        ).fetchone()
    if task is None:
        return Reply({"data": {"task": None}}) if call.now >= until else Hold(until)
    call.db.execute("UPDATE agentjob_tasks SET status = 'claimed', claimed_at = ? WHERE id = ?", (call.now, task["id"]))
    earlier = call.db.execute(
        "SELECT text, answer FROM agentjob_tasks WHERE chat_id = ? AND seq < ? ORDER BY seq",
        (task["chat_id"], task["seq"]),
    ).fetchall()
    messages: list[dict[str, str]] = []
    for row in earlier:
        messages.append({"role": "user", "content": row["text"]})
        if row["answer"] is not None:
            messages.append({"role": "assistant", "content": row["answer"]})
    messages.append({"role": "user", "content": task["text"]})
    shown = {
        "id": task["id"],
        "chat_id": task["chat_id"],
        "messages": messages,
        "user_id": task["user_id"],
        "is_first_chat": not earlier,
        "amount_usdc": f"{task['amount']:.6f}",
    }
    return Reply({"data": {"task": shown}})


def submit_response(call: Call) -> Reply:
    """Answer a claimed task once, within five minutes of claiming it."""
    agent = the_agent(call)
    task = _the_task(call)
    if task["agent_id"] != agent["id"]:
        raise Refusal(403, "This task belongs to another agent")
    match task["status"]:
        case "claimed":
            answer(call.db, task["id"], call.sent(TaskAnswer).text, call.now)
        case "completed":
            raise Refusal(409, "This task was already answered")
        case "failed":
            raise Refusal(409, "This task has expired")
        case _:
            raise Refusal(409, "This task was not claimed")
    return Reply({"data": {"submitted": True}})


def answer(db: sqlite3.Connection, task_id: str, text: str, now: float) -> None:
    db.execute(
        "UPDATE agentjob_tasks SET status = 'completed', answer = ?, ended_at = ? WHERE id = ?",
        (text, now, task_id),
    )


def fail_late(db: sqlite3.Connection, _store: Store, now: float) -> None:
    """Claimed tasks without an answer in time fail, and count against their agents."""
    late = db.execute(
        "SELECT id, agent_id, claimed_at FROM agentjob_tasks WHERE status = 'claimed' AND claimed_at + ? < ?",
        (ANSWER_WITHIN, now),
    ).fetchall()
    for row in late:
        db.execute(
            "UPDATE agentjob_tasks SET status = 'failed', ended_at = ? WHERE id = ?",
            (row["claimed_at"] + ANSWER_WITHIN, row["id"]),
        )
        db.execute("UPDATE agentjob_agents SET no_response = no_response + 1 WHERE id = ?", (row["agent_id"],))


def start_chat(db: sqlite3.Connection, store: Store, now: float, user_id: str, agent: sqlite3.Row, text: str) -> str:
    """A user opens a chat at the agent's price for a first message; the id of its first task."""
    chat_id = store.new_id()
    db.execute("INSERT INTO agentjob_chats VALUES (?, ?, ?, ?)", (chat_id, user_id, agent["id"], now))
    return _add_message(db, store, now, (chat_id, agent["id"], user_id, text, agent["price_first"]))


def start_test_chat(
    db: sqlite3.Connection, store: Store, now: float, agent: str | None, text: str
) -> sqlite3.Row | None:
    """The seeded human opens a chat with the agent of this name or id (None: the seeded one); its first task.

    The agent need not be online; None when there is no such agent.
    """
    found = db.execute(
        "SELECT * FROM agentjob_agents WHERE ?1 IN (id, name) OR (?1 IS NULL AND api_key = ?2) ORDER BY rowid",
        (agent, KEYS["sandbox_agent"]),
    ).fetchone()
    if found is None:
        return None
    human = db.execute("SELECT id FROM agentjob_users WHERE session = ?", (SESSION,)).fetchone()
    task_id = start_chat(db, store, now, human["id"], found, text)
    task: sqlite3.Row = db.execute("SELECT * FROM agentjob_tasks WHERE id = ?", (task_id,)).fetchone()
    return task


def follow_up(
    db: sqlite3.Connection, store: Store, now: float, chat: sqlite3.Row, agent: sqlite3.Row, text: str
) -> str:
    """The next message of a chat, at the agent's price for later messages; the id of its task."""
    return _add_message(db, store, now, (chat["id"], agent["id"], chat["user_id"], text, agent["price_subsequent"]))


def _add_message(db: sqlite3.Connection, store: Store, now: float, values: tuple[str, str, str, str, float]) -> str:
    task_id = store.new_id()
    db.execute(
        """INSERT INTO agentjob_tasks (id, chat_id, agent_id, user_id, text, amount, created_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)""",
        (task_id, *values, now),
    )
    return task_id


def chat(call: Call) -> Reply:
    """A human writes to an agent: 202, and the answer is to be asked for by the task's id."""
    limit_address(call, "chat", 60, 60.0)
    sent = call.sent(ChatMessage)
    agent = call.db.execute("SELECT * FROM agentjob_agent_rows WHERE id = ?", (sent.agentId,)).fetchone()
    if agent is None:
        raise Refusal(404, "Agent not found")
    if not is_online(agent, call.now):
        raise Refusal(403, "Agent is offline")
    if sent.chatId is None:
        task_id = start_chat(call.db, call.store, call.now, call.agent, agent, sent.message)
    else:
        opened = call.db.execute(
            "SELECT * FROM agentjob_chats WHERE id = ? AND user_id = ? AND agent_id = ?",
            (sent.chatId, call.agent, sent.agentId),
        ).fetchone()
        if opened is None:
            raise Refusal(404, "Chat not found")
        task_id = follow_up(call.db, call.store, call.now, opened, agent, sent.message)
    task = call.db.execute("SELECT id, chat_id FROM agentjob_tasks WHERE id = ?", (task_id,)).fetchone()
    return Reply({"data": {"taskId": task["id"], "chatId": task["chat_id"], "status": "pending"}}, 202)


def chat_result(call: Call) -> Reply:
    """How a message fares that the caller sent: pending, completed with the text, or failed."""
    task = _the_task(call)
    if task["user_id"] != call.agent:
        raise Refusal(403, "This chat belongs to another user")
    match task["status"]:
        case "completed":
            return Reply({"data": {"status": "completed", "text": task["answer"]}})
        case "failed":
            return Reply({"data": {"status": "failed"}})
        case _:
            return Reply({"data": {"status": "pending"}})


def _the_task(call: Call) -> sqlite3.Row:
    row: sqlite3.Row | None = call.db.execute(
        "SELECT * FROM agentjob_tasks WHERE id = ?", (call.path["id"],)
    ).fetchone()
    if row is None:
        raise Refusal(404, "Task not found")
    return row
