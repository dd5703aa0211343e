"""Calls that a market documents as tools of its own MCP server, over Streamable HTTP (MCP specification 2025-11-25).

A server without sessions takes a call by itself. One that wants a session refuses it, and has done nothing; then a
session is begun, and the call sent in it. So is one whose session has expired.
"""

import re
from dataclasses import replace
from typing import NamedTuple, cast

from market_mcp import __version__
from market_mcp.accounts import Account
from market_mcp.errors import MalformedReply
from market_mcp.gateway.messages import HttpReply, HttpRequest
from market_mcp.gateway.transport import NoAnswer, NotSent, Transport
from market_mcp.markets.reply import last_event, parse_json

PROTOCOL = "2025-11-25"
"""The revision that is asked for; the server's answer says which one it speaks."""

WANTS_A_SESSION = frozenset({400, 404})
"""Statuses of a call that names no session, or one that has ended."""

_ID = re.compile(r"[\x21-\x7e]{1,200}")


class Session(NamedTuple):
    """What every message of a session says in its headers; a server may give it no id."""

    id: str
    protocol: str

    def headers(self) -> tuple[tuple[str, str], ...]:
        named = (("mcp-session-id", self.id),) if self.id else ()
        return (*named, ("mcp-protocol-version", self.protocol))


class McpSessions:
    """The sessions of this process, by account. They are begun when the first call is refused for want of one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._sessions: dict[str, Session] = {}

    async def send(self, account: Account, request: HttpRequest) -> HttpReply:
        """The answer to a call of a tool. Raises as Transport.send does; NotSent also where no session came about."""
        session = self._sessions.get(account.id)
        reply = await self._transport.send(account, _within(session, request))
        page = "html" in reply.headers.get("content-type", "")
        if reply.status not in WANTS_A_SESSION or page:
            return reply
        self._sessions.pop(account.id, None)
        begun = await self._begin(account, request)
        if begun is None:
            return reply
        self._sessions[account.id] = begun
        return await self._transport.send(account, _within(begun, request))

    async def _begin(self, account: Account, request: HttpRequest) -> Session | None:
        """A new session; None where the market begins none. Raises NotSent."""
        client = {"name": "market-mcp", "version": __version__}
        params = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client}
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        try:
            welcome = await self._transport.send(account, replace(request, body=hello))
            session = _session_of(welcome)
            if session is not None:
                ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
                await self._transport.send(account, _within(session, replace(request, body=ready)))
        except NoAnswer as error:
            # The call itself had been refused, so nothing of it can have happened.
            raise NotSent(f"its MCP session did not come about ({error})") from None
        return session


def _within(session: Session | None, request: HttpRequest) -> HttpRequest:
    return request if session is None else replace(request, headers=request.headers + session.headers())


def _session_of(welcome: HttpReply) -> Session | None:
    """The session that an answer to `initialize` begins, if it is one."""
    if not 200 <= welcome.status < 300:
        return None
    streamed = welcome.headers.get("content-type", "").startswith("text/event-stream")
    try:
        said = parse_json(last_event(welcome.body) if streamed else welcome.body)
    except MalformedReply:
        return None
    result = cast("dict[str, object]", said).get("result") if isinstance(said, dict) else None
    protocol = cast("dict[str, object]", result).get("protocolVersion") if isinstance(result, dict) else None
    id = welcome.headers.get("mcp-session-id", "")
    fits = isinstance(protocol, str) and _ID.fullmatch(protocol) and (not id or _ID.fullmatch(id))
    return Session(id, str(protocol)) if fits else None
