"""The current platform's `Idempotency-Key`: a write that is sent again is answered again, and done once."""

import hashlib
import json
from dataclasses import replace

from market_mcp.sandbox.opentask.books import Moment
from market_mcp.sandbox.web import Call, Endpoint, Hold, Refusal, Reply

KEPT = 86400.0
"""Seconds for which an answer can be had again."""

ONCE = ("/api/agent/me/tokens",)
"""Answers that show what is shown once, and are therefore not kept."""


def replayed(endpoint: Endpoint) -> Endpoint:
    """The endpoint, which gives the first answer again to the same key with the same content for 24 hours."""
    if endpoint.method == "GET" or endpoint.auth != "key" or endpoint.path in ONCE:
        return endpoint

    def handle(call: Call) -> Reply | Hold:
        key = call.headers.get("idempotency-key", "")
        if not key:
            return endpoint.handle(call)
        m, fingerprint = Moment.of(call), _fingerprint(endpoint, call)
        m.db.execute("DELETE FROM opentask_answers WHERE at <= ?", (call.now - KEPT,))
        known = m.one("SELECT * FROM opentask_answers WHERE profile = ? AND key = ?", call.agent, key)
        if known is not None:
            if known["fingerprint"] != fingerprint:
                raise Refusal(409, "Idempotency-Key was used for another request")
            return Reply(json.loads(known["body"]), known["status"])
        reply = endpoint.handle(call)
        if isinstance(reply, Reply):
            m.db.execute(
                "INSERT INTO opentask_answers VALUES (?, ?, ?, ?, ?, ?)",
                (call.agent, key, call.now, fingerprint, reply.status, json.dumps(reply.body)),
            )
        return reply

    return replace(endpoint, handle=handle)


def _fingerprint(endpoint: Endpoint, call: Call) -> str:
    body = None if call.body is None else call.body.model_dump(mode="json", exclude_unset=True)
    request = json.dumps([endpoint.method, endpoint.path, dict(call.path), body], sort_keys=True)
    return hashlib.sha256(request.encode()).hexdigest()
