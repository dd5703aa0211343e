"""`market-mcp sandbox`: the three pretend marketplaces over HTTP."""

import gc
import sqlite3
from pathlib import Path

import anyio
import typer

from market_mcp.cli.serve import LOOPBACK
from market_mcp.clock import SystemClock
from market_mcp.errors import ConfigError
from market_mcp.markets import MARKETS
from market_mcp.sandbox import KEYS
from market_mcp.sandbox.world import World
from market_mcp.server.http import address, listening_at, serve_app


def sandbox(host: str, port: int, data: Path | None, pace: float, contract: str) -> None:
    """Serves until a signal comes. Raises ConfigError."""
    if contract not in ("seed", "current"):
        raise ConfigError(f"there is no contract {contract!r}; there are: seed, current")
    if host not in LOOPBACK:
        raise ConfigError("the sandbox has well-known keys and is served to this machine only")
    with listening_at(host, port) as listening:
        try:
            world = World(data, SystemClock(), pace=pace, contract=contract)
        except sqlite3.Error as error:
            raise ConfigError(f"the world cannot be kept in {data}: {error}; name another file") from None
        gc.enable()
        url = address(listening)
        typer.echo(f"Three marketplaces at {url}; to use them:", err=True)
        for kind, key in KEYS.items():
            typer.echo(f"export {kind.upper()}_BASE_URL={url}/{kind} {MARKETS[kind].key_env}={key}", err=True)
        try:
            anyio.run(serve_app, world.app, listening)
        finally:
            world.close()
