"""`market-mcp serve`: from settings to a running server."""

import gc
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp.server.mcpserver import MCPServer

from market_mcp import config
from market_mcp.accounts import Accounts
from market_mcp.clock import Clock, SystemClock
from market_mcp.errors import ConfigError
from market_mcp.gateway.embedded import mounts
from market_mcp.gateway.transport import new_client
from market_mcp.sandbox import KEYS
from market_mcp.server.app import build_server
from market_mcp.server.logs import configure_logs
from market_mcp.server.stdio import serve_stdio
from market_mcp.server.tools import offered_actions
from market_mcp.services.dispatcher import Dispatcher, open_dispatcher
from market_mcp.state.credentials import CredentialStore
from market_mcp.state.store import State

ResponseHook = Callable[[httpx2.Response], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "::1", "localhost")

HELLO = """\
market-mcp speaks the Model Context Protocol on stdin and stdout and is started by an MCP client, not by hand.
To connect one, give it this command: {command}
To see the whole job done now: market-mcp demo"""


def serve(
    transport: str, host: str, port: int, flags: Mapping[str, Any], file: Path | None, environment: Mapping[str, str]
) -> None:
    """Serves until the client leaves or a signal comes. Raises ConfigError."""
    if transport not in {"stdio", "sse", "http"}:
        raise ConfigError(f"there is no transport {transport!r}; there are: stdio, sse, http")
    if transport != "stdio" and host not in LOOPBACK:
        raise ConfigError(
            f"listening on {host} would let others act with your keys, since callers are not authenticated yet; "
            "use 127.0.0.1, and a tunnel such as `ssh -L` from elsewhere"
        )
    settings = config.load(flags, config.config_file(file, environment))
    if transport == "stdio":
        if sys.stdin.isatty():
            print(HELLO.format(command="market-mcp serve"), file=sys.stderr)  # noqa: T201
        anyio.run(_run, settings, serve_stdio)
    else:
        from market_mcp.server.http import listening_at, serve_http

        with listening_at(host, port) as listening:

            async def serve_here(server: MCPServer) -> None:
                await serve_http(server, "sse" if transport == "sse" else "http", listening)

            anyio.run(_run, settings, serve_here)


async def _run(settings: config.Settings, serve_over: Callable[[MCPServer], Awaitable[None]]) -> None:
    async with open_parts(settings, SystemClock(), serving=True) as dispatcher:
        configure_logs(lambda: [*dispatcher.accounts.secrets(), *settings.passwords().values()])
        server = build_server(dispatcher)
        # What is there now stays; from here on there is waste to find.
        gc.freeze()
        gc.enable()
        await serve_over(server)


@asynccontextmanager
async def open_parts(
    settings: config.Settings, clock: Clock, *, serving: bool, onlooker: ResponseHook | None = None
) -> AsyncGenerator[Dispatcher]:
    """The dispatcher that these settings describe, with everything it stands on; closed when the block is left.

    One that is not `serving` offers nothing to anybody, and so brings no agent online. An `onlooker` is shown every
    answer that comes in.
    """
    store = CredentialStore(settings.state_path.with_name("credentials.json"))
    accounts = Accounts(config.accounts(settings, KEYS, store.load()))
    state = State(settings.state_path)
    try:
        client = new_client(mounts(settings.state_path.parent / "sandbox.db", clock))
        client.event_hooks = {"response": [onlooker] if onlooker else []}
        opened = open_dispatcher(
            accounts,
            client,
            state,
            clock,
            store,
            offered=offered_actions(settings.toolsets, settings.read_only, accounts) if serving else (),
            interval=settings.poll_interval,
            budget=settings.poll_budget,
            passwords=settings.passwords(),
            timeouts=settings.timeouts,
        )
        async with opened as dispatcher:
            yield dispatcher
    finally:
        state.close()
