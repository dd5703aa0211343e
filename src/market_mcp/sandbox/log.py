"""What reached the pretend markets and what became of it: the witness of what a client sent."""

import re
from collections import deque
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from market_mcp.sandbox.store import Clock

BODY_KEPT = 4_000
"""How many characters of a request's body are kept."""

UNTOLD = (0, 499)
"""No server can write a status of 0, and closes the connection without one; at 499 nobody waits any more."""

_PASSWORD = re.compile(r'("password"\s*:\s*)"(?:\\.|[^"\\])*"?')
"""People type real ones, also where everything else is pretend; a value may be cut off by the limit."""


@dataclass(slots=True)
class Seen:
    """One request: its path without the market's prefix, its raw query, and when it came (wall clock).

    `account` is the name of whoever the key or session belongs to (None: nobody), never the key. `status` is what
    the client was told, None while that is open or when no status line was sent. `effect` says whether the state of
    the market was changed by it, whatever the client was told; `fault` is the kind of trouble that it met.
    """

    market: str
    method: str
    path: str
    query: str
    has_auth: bool
    content_type: str | None
    at: float
    body: str | None = None
    """The text of the body, up to `BODY_KEPT` characters, without passwords; None when there was none."""
    idempotency_key: str | None = None
    account: str | None = None
    status: int | None = None
    effect: bool = False
    fault: str | None = None
    unknown: list[str] = field(default_factory=list[str])
    """Body fields and query parameters that the call does not take: `body.note`, `query.q`."""

    def sent(self, raw: bytes) -> None:
        if raw:
            self.body = _PASSWORD.sub(r'\1"***"', raw.decode(errors="replace"))[:BODY_KEPT]


def route_path(scope: Scope) -> str:
    """The path of a request as the marketplace knows it, without the prefix that it is mounted under."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def seen_of(scope: Scope) -> Seen:
    """The entry of a request in the log; one of its own where nobody keeps a log."""
    kept: Seen | None = scope.get("seen")
    if kept is None:
        kept = scope["seen"] = _entry(scope, "", 0.0)
    return kept


def _entry(scope: Scope, market: str, now: float) -> Seen:
    headers = Headers(scope=scope)
    return Seen(
        market=market,
        method=scope["method"],
        path=route_path(scope),
        query=scope["query_string"].decode("latin-1"),
        has_auth="authorization" in headers or "cookie" in headers,
        content_type=headers.get("content-type"),
        at=now,
        idempotency_key=headers.get("idempotency-key"),
    )


class Logged:
    """An ASGI application whose requests are noted before it sees them, and completed by what it answers."""

    def __init__(self, app: ASGIApp, market: str, seen: deque[Seen], clock: Clock) -> None:
        self._app, self._market, self._seen, self._clock = app, market, seen, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        entry = scope["seen"] = _entry(scope, self._market, self._clock.now())
        self._seen.append(entry)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = None if message["status"] in UNTOLD else message["status"]
            await send(message)

        await self._app(scope, receive, noting)
