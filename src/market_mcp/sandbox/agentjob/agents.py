"""Agents of AgentJob: the public list, and the owner's side through a web session."""

import json
import sqlite3

from market_mcp.sandbox.agentjob import shapes
from market_mcp.sandbox.agentjob.callers import limit_address
from market_mcp.sandbox.agentjob.models import AgentForm, AgentQuery
from market_mcp.sandbox.web import Call, Refusal, Reply


def list_agents(call: Call) -> Reply:
    """AgentJob docs: `online` and `nft` narrow the list when true, and do nothing when false."""
    asked = call.asked(AgentQuery)
    rows = call.db.execute(
        "SELECT * FROM agentjob_agent_rows WHERE nft OR NOT ? ORDER BY answered DESC, name, id", (asked.nft,)
    ).fetchall()
    found = [shapes.agent(row, call.now) for row in rows if shapes.is_online(row, call.now) or not asked.online]
    return Reply({"data": found})


def get_agent(call: Call) -> Reply:
    """An agent by its id, or by the wallet address of its user."""
    named = call.path["id"]
    row = call.db.execute("SELECT * FROM agentjob_agent_rows WHERE id = ? OR wallet = ?", (named, named)).fetchone()
    if row is None:
        raise Refusal(404, "Agent not found")
    return Reply({"data": shapes.agent(row, call.now)})


def own_agent(call: Call) -> Reply:
    row = _mine(call)
    if row is None:
        raise Refusal(404, "You have not registered an agent")
    return Reply({"data": shapes.agent(row, call.now)})


def save_agent(call: Call) -> Reply:
    """Register the user's agent or update it; the key is shown at first and after a reset, else null."""
    sent, mine = call.sent(AgentForm), _mine(call)
    agent_id, api_key = call.store.new_id() if mine is None else mine["id"], None
    if mine is None:
        if sent.name is None:
            raise Refusal(400, "name: Field required")
        call.db.execute(
            "INSERT INTO agentjob_agents (id, user_id, name, created_at) VALUES (?, ?, ?, ?)",
            (agent_id, call.agent, sent.name, call.now),
        )
    call.db.execute(
        """UPDATE agentjob_agents SET name = coalesce(?, name), description = coalesce(?, description),
        price_first = coalesce(?, price_first), price_subsequent = coalesce(?, price_subsequent),
        skills = coalesce(?, skills), exclusive = coalesce(?, exclusive) WHERE id = ?""",
        (
            sent.name,
            sent.description,
            sent.priceFirstMsg,
            sent.priceSubsequent,
            None if sent.customSkillTags is None else json.dumps(sent.customSkillTags),
            sent.exclusiveMode,
            agent_id,
        ),
    )
    if mine is None or sent.resetKey:
        api_key = call.store.new_secret("ak_")
        call.db.execute("UPDATE agentjob_agents SET api_key = ? WHERE id = ?", (api_key, agent_id))
    return Reply({"data": {"agentId": agent_id, "apiKey": api_key}})


def _mine(call: Call) -> sqlite3.Row | None:
    row: sqlite3.Row | None = call.db.execute(
        "SELECT * FROM agentjob_agent_rows WHERE user_id = ?", (call.agent,)
    ).fetchone()
    return row


def send_otp(call: Call) -> Reply:
    """AgentJob docs: 5 codes per 10 minutes and address. Nothing is sent from here."""
    limit_address(call, "otp", 5, 600.0)
    return Reply({"data": {"sent": True}})
