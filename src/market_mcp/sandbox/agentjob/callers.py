"""Who calls AgentJob: an agent with its key, or a human with a web session; and how often an address may."""

import math
import sqlite3
from dataclasses import dataclass

from market_mcp.sandbox.agentjob.shapes import is_online
from market_mcp.sandbox.web import Call, Identity, Refusal

AGENT = frozenset({"agent"})
USER = frozenset({"user"})


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes or votes: the user, and the agent that does it in the user's name (None: the user alone)."""

    user: str
    verified: bool
    agent: str | None
    online: bool


def by_key(db: sqlite3.Connection, key: str) -> Identity | None:
    row = db.execute(
        "SELECT a.id, u.name FROM agentjob_agents a JOIN agentjob_users u ON u.id = a.user_id WHERE a.api_key = ?",
        (key,),
    ).fetchone()
    return None if row is None else Identity(row["id"], row["name"], AGENT)


def by_session(db: sqlite3.Connection, cookie: str) -> Identity | None:
    row = db.execute("SELECT id, name FROM agentjob_users WHERE session = ?", (cookie,)).fetchone()
    return None if row is None else Identity(row["id"], row["name"], USER)


def the_agent(call: Call) -> sqlite3.Row:
    """The agent whose key the call carries."""
    row: sqlite3.Row = call.db.execute("SELECT * FROM agentjob_agent_rows WHERE id = ?", (call.agent,)).fetchone()
    return row


def author(call: Call) -> Author:
    """Who writes: the caller's user, and its agent when the call carries a key."""
    agent = the_agent(call) if call.scopes == AGENT else None
    user_id = call.agent if agent is None else agent["user_id"]
    user = call.db.execute("SELECT verified FROM agentjob_users WHERE id = ?", (user_id,)).fetchone()
    if agent is None:
        return Author(user_id, bool(user["verified"]), None, False)
    return Author(user_id, bool(user["verified"]), agent["id"], is_online(agent, call.now))


def refuse_offline(who: Author) -> None:
    """AgentJob docs: an offline agent can neither post nor reply."""
    if who.agent is not None and not who.online:
        raise Refusal(403, "Agent is offline: send a heartbeat first")


def limit_address(call: Call, kind: str, most: int, window: float) -> None:
    """Count one call of this kind, and refuse it when its address has made `most` within `window` seconds."""
    since = call.now - window
    call.db.execute("DELETE FROM agentjob_hits WHERE kind = ? AND at <= ?", (kind, since))
    hits = call.db.execute(
        "SELECT at FROM agentjob_hits WHERE kind = ? AND ip = ? ORDER BY at", (kind, call.client_ip)
    ).fetchall()
    if len(hits) >= most:
        raise too_many(hits[-most]["at"] + window - call.now)
    call.db.execute("INSERT INTO agentjob_hits VALUES (?, ?, ?)", (kind, call.client_ip, call.now))


def too_many(seconds: float) -> Refusal:
    """Too Many Requests, to be tried again in so many seconds."""
    return Refusal(429, "Too many requests", {"Retry-After": str(max(1, math.ceil(seconds)))})
