"""MCP over HTTP: Streamable HTTP at /mcp, or the older SSE transport at /sse."""

import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal

import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from market_mcp.errors import ConfigError
from market_mcp.server.stopping import GRACE, Calls, Closing, stopped_by_signal

Transport = Literal["sse", "http"]
PATHS: dict[Transport, str] = {"sse": "/sse", "http": "/mcp"}

SESSION_IDLE = 1800.0
"""Seconds without a request after which a session of the earlier protocol eras ends; its client starts another."""

MOST_SESSIONS = 256
"""Such sessions at once. Each holds some 40 KB, and a client that goes away without a word leaves its own behind."""


async def serve_http(server: MCPServer[Any], transport: Transport, listening: socket.socket) -> None:
    """Serves many clients until a signal comes."""
    calls = Calls(GRACE)
    server.middleware.append(calls)
    app = application(server, transport, listening.getsockname()[0])
    print(f"market-mcp serves {address(listening)}{PATHS[transport]}", file=sys.stderr, flush=True)  # noqa: T201
    await serve_app(app, listening, calls)


def application(
    server: MCPServer[Any],
    transport: Transport,
    host: str,
    *,
    idle: float = SESSION_IDLE,
    most: int = MOST_SESSIONS,
) -> ASGIApp:
    """The server as an ASGI application on `host`, with at most `most` sessions, which end when `idle` for long."""
    if transport == "sse":
        # A session of this transport is its open connection, and ends with it.
        return server.sse_app(host=host)
    # Else the defaults on purpose: `json_response` loses progress and the way back to the client, `stateless_http`
    # cancellation.
    return server.streamable_http_app(host=host, session_idle_timeout=idle, max_sessions=most)


async def serve_app(app: ASGIApp, listening: socket.socket, *closing: Closing) -> None:
    """Serves an application until a signal comes; then `closing` and the open answers get a last moment."""
    door = Door(app, GRACE + 0.2)
    config = uvicorn.Config(door, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
    http = HttpServer(config)

    def stop() -> None:
        http.should_exit = True
        for open_things in (*closing, door):
            open_things.close()

    async with stopped_by_signal(stop):
        await http.serve(sockets=[listening])


def address(listening: socket.socket) -> str:
    """The URL at which a socket is reached: `http://127.0.0.1:8765`."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listening_at(host: str, port: int) -> socket.socket:
    """A bound socket that says it is TCP: `socket.create_server` leaves proto 0, and asyncio then Nagle's 40 ms a call.

    Raises ConfigError.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, proto)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}: {error.strerror}; choose another --host") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None
    return listening


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers, which would raise the signal again before the rest of us has closed."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Door(Closing):
    """ASGI middleware: ends the event streams that clients keep open instead of waiting for them."""

    def __init__(self, app: ASGIApp, grace: float) -> None:
        super().__init__(grace)
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = ended = False

        async def watched(message: Message) -> None:
            nonlocal started, ended
            started = True
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        with self.holding() as request:
            try:
                await self._app(scope, receive, watched)
            except ValueError:
                # The SDK refuses an SSE client of another Host or Origin, logs that, and then raises as well.
                if not ended:
                    raise
        if request.cancelled_caught and not ended:
            if not started:
                await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})
