"""Accounts: registering, logging in, the own profile and what everybody sees of a profile."""

import hashlib
import hmac
import json
import math
import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import get_args

from market_mcp.sandbox.opentask import shapes
from market_mcp.sandbox.opentask.books import Moment
from market_mcp.sandbox.opentask.models import Login, Page, ProfilePatch, Register, Scope
from market_mcp.sandbox.web import Call, Endpoint, Identity, Refusal, Reply

ALL_SCOPES: tuple[str, ...] = get_args(Scope)
MINUTE = 60.0


def by_key(db: sqlite3.Connection, value: str) -> Identity | None:
    """Who a bearer token belongs to."""
    row = db.execute(
        """SELECT t.*, p.handle FROM opentask_tokens t JOIN opentask_profiles p ON p.id = t.profile
           WHERE t.digest = ?""",
        (digest(value),),
    ).fetchone()
    if row is None:
        return None
    return Identity(row["profile"], row["handle"], frozenset(json.loads(row["scopes"])), row["id"])


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def new_token(m: Moment, profile: str, name: str, scopes: Sequence[str], value: str | None = None) -> shapes.Json:
    """A token and its value, which is never shown again."""
    value = value or m.store.new_secret("ot_")
    names = json.dumps([scope for scope in ALL_SCOPES if scope in scopes])
    row = m.insert("opentask_tokens", profile=profile, name=name, scopes=names, digest=digest(value))
    return {"token": shapes.token(row), "tokenValue": value}


def _sealed(email: str, password: str) -> str:
    """A pretend market keeps no passwords either: people type real ones. The address is the salt."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), email.lower().encode(), 1000).hex()


def _allow(m: Moment, kind: str, ip: str, per_minute: int) -> None:
    """Count an attempt, or refuse it with 429 and the seconds until the oldest one no longer counts."""
    m.db.execute("DELETE FROM opentask_attempts WHERE at <= ?", (m.now - MINUTE,))
    seen = m.all("SELECT at FROM opentask_attempts WHERE kind = ? AND ip = ? ORDER BY at", kind, ip)
    if len(seen) >= per_minute:
        wait = math.ceil(seen[0]["at"] + MINUTE - m.now)
        raise Refusal(429, "Too many requests", {"Retry-After": str(max(1, wait))})
    m.db.execute("INSERT INTO opentask_attempts VALUES (?, ?, ?)", (kind, ip, m.now))


def register(call: Call) -> Reply:
    m, sent = Moment.of(call), call.sent(Register)
    _allow(m, "register", call.client_ip, 5)
    taken = m.one("SELECT * FROM opentask_profiles WHERE email = ? OR handle = ?", sent.email, sent.handle)
    if taken is not None:
        # An answer and no refusal, for the attempt counts.
        what = "Handle" if taken["handle"].lower() == sent.handle.lower() else "Email"
        return Reply({"error": f"{what} is already taken"}, 409)
    row = enrol(m, sent.handle, sent.displayName, sent.email, sent.password)
    if sent.publicKey is not None:
        m.insert("opentask_keys", profile=row["id"], public_key=sent.publicKey, label=sent.publicKeyLabel)
    scopes = ALL_SCOPES if sent.tokenScopes is None else sent.tokenScopes
    return Reply({"profile": _account(row), **new_token(m, row["id"], sent.tokenName, scopes)}, 201)


def enrol(m: Moment, handle: str, name: str | None, email: str, password: str) -> sqlite3.Row:
    """A new profile that can log in."""
    return m.insert(
        "opentask_profiles", handle=handle, display_name=name, email=email, password=_sealed(email, password)
    )


def login(call: Call) -> Reply:
    m, sent = Moment.of(call), call.sent(Login)
    _allow(m, "login", call.client_ip, 10)
    row = m.one("SELECT * FROM opentask_profiles WHERE email = ? AND password IS NOT NULL", sent.email)
    if row is None or not hmac.compare_digest(row["password"], _sealed(sent.email, sent.password)):
        return Reply({"error": "Invalid email or password"}, 401)
    scopes = ALL_SCOPES if sent.tokenScopes is None else sent.tokenScopes
    return Reply({"profile": _account(row), **new_token(m, row["id"], sent.tokenName, scopes)})


def _account(row: sqlite3.Row) -> shapes.Json:
    shown = shapes.profile(row)
    return {name: shown[name] for name in ("id", "kind", "handle", "displayName", "createdAt")}


def show_own(call: Call) -> Reply:
    m = Moment.of(call)
    row = m.existing("SELECT * FROM opentask_profiles WHERE id = ?", call.agent)
    stats = {
        "tasksPosted": m.count("SELECT count(*) FROM opentask_tasks WHERE owner = ?", call.agent),
        "activeBids": m.count("SELECT count(*) FROM opentask_bids WHERE bidder = ? AND status = 'active'", call.agent),
        "contractsAsBuyer": m.count("SELECT count(*) FROM opentask_contracts WHERE buyer = ?", call.agent),
        "contractsAsSeller": m.count("SELECT count(*) FROM opentask_contracts WHERE seller = ?", call.agent),
        **_reputation(m, call.agent),
    }
    return Reply({"profile": shapes.profile(row), "stats": stats})


def _reputation(m: Moment, profile: str) -> shapes.Json:
    row = m.existing("SELECT avg(rating) AS mean, count(*) AS n FROM opentask_reviews WHERE subject = ?", profile)
    return {"averageRating": None if row["mean"] is None else round(row["mean"], 2), "reviewCount": row["n"]}


def patch_own(call: Call) -> Reply:
    m, sent = Moment.of(call), call.sent(ProfilePatch)
    before, named = (
        m.existing("SELECT * FROM opentask_profiles WHERE id = ?", call.agent),
        sent.model_fields_set,
    )
    row = m.existing(
        """UPDATE opentask_profiles SET display_name = ?, bio = ?, tags = ?, links = ?, availability = ?
           WHERE id = ? RETURNING *""",
        sent.displayName if "displayName" in named else before["display_name"],
        sent.bio if "bio" in named else before["bio"],
        json.dumps(sent.tags) if "tags" in named else before["tags"],
        json.dumps(sent.links) if "links" in named else before["links"],
        sent.availability if "availability" in named else before["availability"],
        call.agent,
    )
    return Reply({"profile": shapes.profile(row)})


def show_public(call: Call) -> Reply:
    m = Moment.of(call)
    row = _public(m, call)
    return Reply({"profile": shapes.profile(row), "stats": _reputation(m, row["id"])})


def public_denominations(call: Call) -> Reply:
    """OpenTask skill: "Public (denominations only, no addresses)"."""
    m, asked = Moment.of(call), call.asked(Page)
    rows, more = m.page(
        """SELECT * FROM opentask_payout_methods WHERE profile = :profile AND is_active AND seq > :after
           ORDER BY seq LIMIT :most""",
        {"profile": _public(m, call)["id"]},
        asked,
    )
    return Reply({"payoutMethods": [shapes.denomination(row) for row in rows], **more})


def public_reviews(call: Call) -> Reply:
    m, asked = Moment.of(call), call.asked(Page)
    rows, more = m.page(
        """SELECT * FROM opentask_reviews WHERE subject = :profile AND seq < :before
           ORDER BY seq DESC LIMIT :most""",
        {"profile": _public(m, call)["id"]},
        asked,
    )
    return Reply({"reviews": [shapes.review(m, row) for row in rows], **more})


def _public(m: Moment, call: Call) -> sqlite3.Row:
    return m.existing("SELECT * FROM opentask_profiles WHERE id = ?", call.path["profileId"])


_get = partial(Endpoint, "GET")

ENDPOINTS = (
    Endpoint(
        "POST", "/api/agent/register", register, "Open an account; the token is shown once", body=Register,
        statuses=(201, 409, 429),
    ),
    Endpoint(
        "POST", "/api/agent/login", login, "A new token for an account; it is shown once", body=Login,
        statuses=(200, 401, 429),
    ),
    _get("/api/agent/me", show_own, "The own profile and its record", auth="key", scope="profile:read"),
    Endpoint(
        "PATCH", "/api/agent/me", patch_own, "Change the own profile", "key", "profile:write",
        body=ProfilePatch,
    ),
    _get("/api/profiles/{profileId}", show_public, "What everybody sees of a profile", statuses=(200, 404)),
    _get(
        "/api/profiles/{profileId}/payout-methods", public_denominations, "What a profile takes as payment",
        query=Page, statuses=(200, 404),
    ),
    _get(
        "/api/profiles/{profileId}/reviews", public_reviews, "The reviews about a profile, newest first",
        query=Page, statuses=(200, 404),
    ),
)  # fmt: skip
