"""What reached the pretend markets, whatever became of it: the witness of what a client sent."""

from collections import deque
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from market_mcp.sandbox.store import Clock
from market_mcp.sandbox.web import route_path


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: its path without the market's prefix, its raw query, and when it came (wall clock)."""

    market: str
    method: str
    path: str
    query: str
    has_auth: bool
    content_type: str | None
    at: float


class Logged:
    """An ASGI application whose requests are noted before it sees them."""

    def __init__(self, app: ASGIApp, market: str, seen: deque[Seen], clock: Clock) -> None:
        self._app, self._market, self._seen, self._clock = app, market, seen, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            self._seen.append(
                Seen(
                    market=self._market,
                    method=scope["method"],
                    path=route_path(scope),
                    query=scope["query_string"].decode("latin-1"),
                    has_auth="authorization" in headers or "cookie" in headers,
                    content_type=headers.get("content-type"),
                    at=self._clock.now(),
                )
            )
        await self._app(scope, receive, send)
