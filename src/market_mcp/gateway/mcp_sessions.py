"""A platform's own MCP server, spoken to as its clients do: a session is opened, and calls go out in it.

Source: the MCP specification of 2025-11-25, Basic Protocol, Lifecycle and Transports (Streamable HTTP).

The official SDK's client is not used here. It follows redirects, listens on a stream of its own, asks for a stream that
broke again, reads answers of any size, and makes of every status, header and page that a platform or what stands before
it answers one error in its own words; what an answer proves is decided from just these. So its messages are written
here, and go the way of every other request.
"""

import math
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count

import anyio

from market_mcp import __version__
from market_mcp.accounts import Account
from market_mcp.errors import MalformedReply, Unavailable
from market_mcp.gateway.messages import HttpReply, HttpRequest
from market_mcp.gateway.verdict import Answer
from market_mcp.markets import Row
from market_mcp.markets.reply import Fields, parse_json

PROTOCOL = "2025-11-25"
"""The protocol version that is asked for. What is called here is the same in every version with this transport."""

OPENING = 10.0
"""Seconds for each of the two messages that open a session, out of the time for the whole call."""

_ACCEPTED = (("accept", "application/json, text/event-stream"),)
_SESSION_ID = re.compile(r"[\x21-\x7e]{1,1024}")
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Send = Callable[[Account, Row, HttpRequest], Awaitable[HttpReply]]
"""Sends one request of a row, and brings its answer whatever its status. Raises CallError."""

Judge = Callable[[Account, Row, HttpReply], Answer]
"""What is left of an answer that says yes. Raises CallError for every other."""


@dataclass(frozen=True, slots=True)
class _Session:
    """What goes with each message: the protocol version, the session's id if the server gave one, a number."""

    headers: tuple[tuple[str, str], ...]
    named: bool
    numbers: Iterator[int]


class McpSessions:
    """The sessions of this process, one for each account, opened when a first call needs it."""

    def __init__(self, send: Send, judge: Judge) -> None:
        self._send = send
        self._judge = judge
        self._open: dict[str, _Session] = {}

    async def call(self, account: Account, row: Row, request: HttpRequest) -> HttpReply:
        """The answer to a call whose body names its method and params, whatever its status. Raises CallError.

        A server that says 404 to a session has forgotten it, and has not looked at the call: it is sent once more in a
        new one. Nothing else is sent twice. All of it takes no longer than the request may.
        """
        end = anyio.current_time() + request.timeout
        session = self._open.get(account.id) or await self._opened(account, row, request, end)
        reply = await self._in(session, account, row, request, end)
        if reply.status == 404 and session.named:
            session = await self._opened(account, row, request, end)
            reply = await self._in(session, account, row, request, end)
        if reply.status in {400, 404}:
            self._open.pop(account.id, None)
        return reply

    async def _opened(self, account: Account, row: Row, request: HttpRequest, end: float) -> _Session:
        """A new session. Raises CallError; then nothing was called."""
        self._open.pop(account.id, None)
        # What opens a session changes nothing at the market, however its answer is lost.
        opening = replace(row, request=replace(row.request, safe=True))
        numbers = count(1)
        client = {"name": "market-mcp", "version": __version__}
        params = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client}
        hello = replace(request, body={"method": "initialize", "params": params})
        reply = await self._in(_Session((), False, numbers), account, opening, hello, end, OPENING)
        body = self._judge(account, opening, reply).body
        try:
            agreed = Fields.of(parse_json(body), account.name).required_object("result").string("protocolVersion")
        except MalformedReply as error:
            text = f"{account.market.name}'s MCP server opened no session: {error}."
            raise Unavailable(text, next=row.hints.get(400, "")) from None
        version = agreed if agreed is not None and _VERSION.fullmatch(agreed) else PROTOCOL
        named = reply.headers.get("mcp-session-id", "")
        known = (("mcp-session-id", named),) if _SESSION_ID.fullmatch(named) else ()
        session = _Session((("mcp-protocol-version", version), *known), bool(known), numbers)
        ready = replace(request, body={"method": "notifications/initialized"})
        noted = await self._in(session, account, opening, ready, end, OPENING)
        self._judge(account, opening, noted)
        self._open[account.id] = session
        return session

    async def _in(
        self, session: _Session, account: Account, row: Row, request: HttpRequest, end: float, most: float = math.inf
    ) -> HttpReply:
        """The answer to one message of a session, within `most` seconds. A notification has no number."""
        left = end - anyio.current_time()
        if left <= 0:
            raise Unavailable(f"{account.market.name} took too long to open a session; the call was not sent.")
        body = dict(request.body or {})
        number = {} if str(body["method"]).startswith("notifications/") else {"id": next(session.numbers)}
        return await self._send(
            account,
            row,
            replace(
                request,
                body={"jsonrpc": "2.0", **number, **body},
                headers=request.headers + _ACCEPTED + session.headers,
                timeout=min(left, most),
            ),
        )
