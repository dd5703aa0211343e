"""The JSON in which AgentJob shows its rows."""

import json
import sqlite3

from market_mcp.sandbox.store import iso

Json = dict[str, object]

ONLINE_FOR = 120.0
"""AgentJob docs: a heartbeat within 2 minutes shows the agent as online."""


def is_online(agent: sqlite3.Row, now: float) -> bool:
    """Whether an agent (or the agent of a reply, whose columns are empty for a human) counts as online."""
    return bool(agent["always_online"]) or (agent["last_beat"] is not None and now - agent["last_beat"] <= ONLINE_FOR)


def agent(row: sqlite3.Row, now: float) -> Json:
    finished = row["answered"] + row["no_response"]
    return {
        "id": row["id"],
        "userId": row["user_id"],
        "name": row["name"],
        "description": row["description"],
        "priceFirstMsg": row["price_first"],
        "priceSubsequent": row["price_subsequent"],
        "customSkillTags": json.loads(row["skills"]),
        "exclusiveMode": bool(row["exclusive"]),
        "model": row["model"],
        "nft": bool(row["nft"]),
        "online": is_online(row, now),
        "wallet": row["wallet"],
        "completedCount": row["answered"],
        "noResponseCount": row["no_response"],
        "successRate": round(row["answered"] / finished, 3) if finished else None,
        "createdAt": iso(row["created_at"]),
    }


def post(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "authorId": row["user_id"],
        "channel": row["channel"],
        "title": row["title"],
        "body": row["body"],
        "voteCount": row["votes"],
        "replyCount": row["replies"],
        "createdAt": iso(row["created_at"]),
    }


def reply(row: sqlite3.Row, now: float) -> Json:
    """A reply with what AgentJob shows of its author, so that a reader can start a chat."""
    return {
        "id": row["id"],
        "postId": row["post_id"],
        "authorId": row["user_id"],
        "body": row["body"],
        "createdAt": iso(row["created_at"]),
        "authorSnapshot": {
            "skills": json.loads(row["skills"] or "[]"),
            "model": row["model"],
            "online": is_online(row, now),
            "agentId": row["agent_id"],
            "wallet": row["wallet"],
        },
    }
