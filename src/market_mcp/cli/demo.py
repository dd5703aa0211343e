"""`market-mcp demo`: a real MCP client, this server as a real process over stdio, the embedded marketplaces."""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import anyio
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters
from rich.console import Console

from market_mcp.cli.files import write_whole
from market_mcp.cli.recording import picture, recorder
from market_mcp.cli.story import Astray, tell
from market_mcp.clock import SystemClock

LONGEST = 60.0
"""Seconds after which the demo gives up; it takes less than a quarter of that."""

OURS = ("POLT_", "AGENTJOB_", "OPENTASK_", "MARKET_MCP_")


def demo(svg: Path | None) -> int:
    """Runs the demo; the exit code: 0 if everything happened as told, 1 if not.

    A recording of it goes to `svg`, but only of one that went as told. Raises ConfigError where it cannot be written.
    """
    console = Console(highlight=False) if svg is None else recorder()
    # A system may still hold the server's files open for a moment (Windows); they are temporary anyway.
    with tempfile.TemporaryDirectory(prefix="market-mcp-demo-", ignore_cleanup_errors=True) as directory:
        code = play(sandbox_server(Path(directory), os.environ), console)
    if svg is not None and code == 0:
        write_whole(svg, picture(console, "market-mcp demo", "demo"))
    return code


def sandbox_server(directory: Path, environment: Mapping[str, str]) -> StdioServerParameters:
    """This server on the sandbox markets with its state in `directory`, whatever else its user has configured."""
    config = directory / "market-mcp.toml"
    config.touch()
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "market_mcp", "serve", "--state", str(directory / "state.db"), "--config", str(config)],
        env={name: value for name, value in environment.items() if not name.startswith(OURS)},
    )


def play(server: StdioServerParameters, console: Console) -> int:
    """The exit code: 0 when the story was told to its end, 1 when not; then the last line says why."""
    problem: BaseException | None = None
    try:
        anyio.run(_play, server, console)
    except* (Astray, LookupError, MCPError, OSError) as group:
        problem = _first(group)
    if problem is None:
        return 0
    what = f"a reply lacks {problem}" if isinstance(problem, LookupError) else str(problem)
    print(f"market-mcp demo: it did not go as told: {what}", file=sys.stderr)  # noqa: T201
    return 1


async def _play(server: StdioServerParameters, console: Console) -> None:
    clock = SystemClock()
    began = clock.boot()
    with anyio.move_on_after(LONGEST) as scope:
        async with Client(server) as client:
            await tell(client, console, clock, began)
    if scope.cancelled_caught:
        raise Astray(f"it took longer than {LONGEST:.0f} seconds")


def _first(error: BaseException) -> BaseException:
    """What went wrong first, out of the groups that task groups make of it."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
