"""What a market's JSON says of the call itself: that it failed, or that it is held back.

No status code decides here. Markets, frameworks and gateways put a refusal under any status and into many forms; those
known here are of the three documents, of RFC 9457, and of the frameworks that such services are built with.
"""

import re
from collections.abc import Iterator, Mapping
from typing import cast

from market_mcp.errors import MalformedReply
from market_mcp.markets.domain import plain
from market_mcp.markets.reply import parse_json

Json = Mapping[str, object]

HELD_BACK = frozenset(
    """pending pending_review pending_approval pending_moderation pending_verification awaiting_moderation
    awaiting_approval awaiting_review in_moderation moderation under_moderation queued processing held on_hold
    unverified verification_required requires_verification challenge_required draft hidden quarantined""".split()  # noqa: SIM905
)
"""States of a thing that is at the market and does not count there yet."""
_HELD_BACK = frozenset(map(plain, HELD_BACK))

WRAPPERS = ("data", "result", "response", "payload")
ERRORS = ("error", "errors", "issues", "fieldErrors", "field_errors", "validationErrors", "violations")
_BESIDE = frozenset("status statusCode status_code code title detail type instance message msg".split())  # noqa: SIM905
"""What may stand beside an error without being what was asked for."""
_SWITCHES = ("success", "ok", "succeeded", "isSuccess", "is_success")
_FAILED = frozenset({"error", "fail", "failed", "failure"})
_STATUSES = ("status", "statusCode", "status_code", "code")
_CHALLENGES = ("challenge", "captcha", "verification")
_TO_SOLVE = frozenset("challenge question prompt instructions code url verifyurl verificationcode".split())  # noqa: SIM905
_REQUIRED = re.compile(r"(?:verification|challenge|captcha|moderation)_?required|requires_?verification", re.IGNORECASE)
_PUBLIC = ("published", "isPublished", "is_published")
_DEPTH = 4


def says_no(reply: object) -> bool:
    """Whether the reply is an envelope of failure."""
    return any(_fails(level) for level in levels(reply))


def says_both(reply: object) -> bool:
    """Whether the reply names an error and yet shows a thing, so that neither can be believed."""
    return any(_names_error(level) and _holds_a_thing(level) for level in levels(reply))


def held_back(reply: object, usual: frozenset[str] = frozenset()) -> bool:
    """Whether what was asked for waits for somebody: a moderator, a challenge to be solved, a queue.

    `usual` are the states in which such a thing begins, and which therefore hold nothing back.
    """
    begun = set(map(plain, usual))
    return any(
        any(_to_be_solved(level.get(name)) for name in _CHALLENGES)
        or any(_REQUIRED.fullmatch(name) and value in (True, "true") for name, value in level.items())
        or any(level.get(name) is False for name in _PUBLIC)
        or ((said := plain(level.get("status", ""))) in _HELD_BACK and not ("id" in level and said in begun))
        for level in _levels_and_things(reply)
    )


def levels(reply: object, depth: int = _DEPTH) -> Iterator[Json]:
    """The reply, and what its usual wrappers hold; of an MCP tool's result also what it says in its text."""
    if isinstance(reply, Mapping) and depth:
        level = cast("Json", reply)
        yield level
        for name in WRAPPERS:
            yield from levels(level.get(name), depth - 1)
        yield from levels(told(level), depth - 1)


def told(tool_result: Json) -> object:
    """What an MCP tool's result says: its structured content, or the JSON in its text, or the text; else None."""
    structured = tool_result.get("structuredContent")
    if isinstance(structured, Mapping):
        return cast("Json", structured)
    content = tool_result.get("content")
    parts = cast("list[object]", content) if isinstance(content, list) else []
    texts = [str(cast("Json", part).get("text", "")) for part in parts if isinstance(part, Mapping)]
    words = " ".join(texts).strip()
    if not words:
        return None
    try:
        return parse_json(words.encode())
    except MalformedReply:
        return words


def _levels_and_things(reply: object) -> Iterator[Json]:
    for level in levels(reply):
        yield level
        for name, inner in level.items():
            if isinstance(inner, Mapping) and name not in WRAPPERS and "id" in inner:
                yield cast("Json", inner)


def _fails(level: Json) -> bool:
    if any(name in level and level[name] in (False, "false") for name in _SWITCHES) or level.get("isError") is True:
        return True
    if _holds_a_thing(level):
        return False
    status = next((level[name] for name in _STATUSES if level.get(name) is not None), None)
    return (
        _names_error(level)
        or (isinstance(status, int) and 400 <= status < 600)
        or (isinstance(status, str) and plain(status) in _FAILED)
        # A reason and nothing else, as frameworks write it: `{"detail": "Not authenticated"}`.
        or (bool(level.get("detail")) and set(level) <= {"detail", "title", "type", "instance"})
    )


def _names_error(level: Json) -> bool:
    # A number is a count of errors.
    return any(level.get(name) is True or _is_error(level.get(name)) for name in ERRORS)


def _is_error(value: object) -> bool:
    if isinstance(value, str):
        return plain(value) not in ("", "false", "none", "null", "ok")
    return isinstance(value, Mapping | list) and bool(cast("Json | list[object]", value))


def _holds_a_thing(level: Json) -> bool:
    """Whether there is something beside what tells of an error."""
    # The id of a JSON-RPC message is none of the market's.
    if level.get("id") and "jsonrpc" not in level:
        return True
    beside = {name: value for name, value in level.items() if name not in ERRORS and name not in _BESIDE}
    return any(
        isinstance(value, Mapping | list)
        and bool(cast("Json | list[object]", value))
        and not (name in WRAPPERS and says_no(cast("object", value)))
        for name, value in beside.items()
    )


def _to_be_solved(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(plain(name) in _TO_SOLVE for name in cast("Json", value))
    return isinstance(value, str) and _is_error(value)
