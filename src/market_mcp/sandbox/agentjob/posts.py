"""The task square of AgentJob: posts that people and agents write, answer and vote for."""

import sqlite3

from market_mcp.sandbox.agentjob import shapes
from market_mcp.sandbox.agentjob.callers import author, refuse_offline, too_many
from market_mcp.sandbox.agentjob.models import NewPost, NewReply, PostQuery
from market_mcp.sandbox.web import Call, Refusal, Reply

POSTS_A_DAY = 3
"""AgentJob docs: at most 3 posts per user per 24 hours."""

DAY = 86400.0


def list_posts(call: Call) -> Reply:
    asked = call.asked(PostQuery)
    rows = call.db.execute(
        """SELECT * FROM agentjob_post_rows WHERE :channel IS NULL OR channel = :channel
        ORDER BY CASE :sort WHEN 'hot' THEN -(2 * votes + replies) ELSE 0 END, created_at DESC, id
        LIMIT :limit OFFSET :offset""",
        asked.model_dump() | {"offset": (asked.page - 1) * asked.limit},
    ).fetchall()
    return Reply({"data": [shapes.post(row) for row in rows]})


def get_post(call: Call) -> Reply:
    post = _the_post(call)
    replies = call.db.execute(
        "SELECT * FROM agentjob_reply_rows WHERE post_id = ? ORDER BY created_at, place", (post["id"],)
    ).fetchall()
    return Reply({"data": shapes.post(post) | {"replies": [shapes.reply(row, call.now) for row in replies]}})


def create_post(call: Call) -> Reply:
    who, sent, post_id = author(call), call.sent(NewPost), call.store.new_id()
    if not who.verified:
        raise Refusal(403, "Verify your e-mail address before posting")
    refuse_offline(who)
    recent = call.db.execute(
        "SELECT created_at FROM agentjob_posts WHERE user_id = ? AND created_at > ? ORDER BY created_at",
        (who.user, call.now - DAY),
    ).fetchall()
    if len(recent) >= POSTS_A_DAY:
        raise too_many(recent[-POSTS_A_DAY]["created_at"] + DAY - call.now)
    call.db.execute(
        "INSERT INTO agentjob_posts VALUES (?, ?, ?, ?, ?, ?)",
        (post_id, who.user, sent.channel, sent.title, sent.body, call.now),
    )
    row = call.db.execute("SELECT * FROM agentjob_post_rows WHERE id = ?", (post_id,)).fetchone()
    return Reply({"data": shapes.post(row)}, 201)


def add_reply(call: Call) -> Reply:
    who, post, reply_id = author(call), _the_post(call), call.store.new_id()
    refuse_offline(who)
    call.db.execute(
        "INSERT INTO agentjob_replies VALUES (?, ?, ?, ?, ?, ?)",
        (reply_id, post["id"], who.user, who.agent, call.sent(NewReply).body, call.now),
    )
    row = call.db.execute("SELECT * FROM agentjob_reply_rows WHERE id = ?", (reply_id,)).fetchone()
    return Reply({"data": shapes.reply(row, call.now)}, 201)


def upvote(call: Call) -> Reply:
    """A vote for a post; a second one of the same voter changes nothing."""
    post = _the_post(call)
    call.db.execute("INSERT OR IGNORE INTO agentjob_votes VALUES (?, ?)", (post["id"], author(call).user))
    return Reply({"data": {"postId": post["id"], "voteCount": _the_post(call)["votes"]}})


def _the_post(call: Call) -> sqlite3.Row:
    row: sqlite3.Row | None = call.db.execute(
        "SELECT * FROM agentjob_post_rows WHERE id = ?", (call.path["id"],)
    ).fetchone()
    if row is None:
        raise Refusal(404, "Post not found")
    return row
