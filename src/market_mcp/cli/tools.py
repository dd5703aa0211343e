"""`market-mcp tools`: the tools as a table, as MCP lists them, and as the reference."""

import difflib
import json
import random
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import typer
from rich.console import Console
from rich.table import Table

from market_mcp.actions import DEFAULT_TOOLSETS, TOOLSETS
from market_mcp.cli.files import write_whole
from market_mcp.cli.reference.document import MAKE, reference
from market_mcp.cli.reference.scenes import play
from market_mcp.cli.reference.stage import ExampleFailed, Stage, StageClock, open_stage
from market_mcp.errors import ConfigError
from market_mcp.markets import MARKETS
from market_mcp.sandbox.world import KEYS, World

SEED = 20260302
"""Of the ids in the examples."""

PASSWORDS = {market.kind: "only-for-the-examples" for market in MARKETS.values() if market.password_env}
"""With which the examples register and log in, by kind of market."""

DIFFERENCES = 30
"""Lines of difference that `--check` shows."""


def tools(as_json: bool, as_markdown: bool, output: Path | None, check: Path | None) -> int:
    """Shows the tools; the exit code: 1 if `check` is not the current reference or an example fails, else 0.

    Raises ConfigError where `check` cannot be read or `output` cannot be written.
    """
    try:
        if output is not None:
            write_whole(output, make_reference())
            return 0
        if check is not None:
            return _compare(check)
        if as_markdown:
            _put(make_reference())
        elif as_json:
            _put(json.dumps({"tools": anyio.run(_listed)}, ensure_ascii=False, indent=2) + "\n")
        else:
            Console().print(_overview())
    except ExampleFailed as failure:
        typer.echo(f"market-mcp: {failure}", err=True)
        return 1
    return 0


def make_reference() -> str:
    """The reference of this version. Raises ExampleFailed."""
    return anyio.run(_told)


async def _told() -> str:
    async with _stage() as stage:
        # An error that left the stage would come out of it wrapped in its task groups.
        try:
            await play(stage)
            return reference(await stage.tools(), stage.examples, stage.asides)
        except ExampleFailed as error:
            failure = error
    raise failure


async def _listed() -> list[dict[str, object]]:
    async with _stage() as stage:
        listed = await stage.tools()
        return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed]


@asynccontextmanager
async def _stage() -> AsyncGenerator[Stage]:
    """A stage in front of pretend markets on their first day, the same whenever and wherever it is opened."""
    clock = StageClock()
    world = World(None, clock, rng=random.Random(SEED))  # noqa: S311 - pretend ids, which are to come out the same
    try:
        with tempfile.TemporaryDirectory() as directory:
            markets = httpx2.ASGITransport(app=world.app)
            async with open_stage(markets, KEYS, PASSWORDS, clock, Path(directory)) as stage:
                yield stage
    finally:
        world.close()


def _compare(file: Path) -> int:
    try:
        found = file.read_text(encoding="utf-8") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read as text: {error}") from None
    current = make_reference()
    if found == current:
        return 0
    lines = list(difflib.unified_diff(found.splitlines(), current.splitlines(), str(file), "current", lineterm="", n=1))
    for line in lines[:DIFFERENCES]:
        typer.echo(line)
    if len(lines) > DIFFERENCES:
        typer.echo(f"… {len(lines) - DIFFERENCES} more lines")
    typer.echo(f"{file} is not current; run: {MAKE} {file}", err=True)
    return 1


def _overview() -> Table:
    table = Table("toolset", "tool", "tier", "markets", title="* on by default")
    for toolset, actions in TOOLSETS.items():
        name = f"{toolset} *" if toolset in DEFAULT_TOOLSETS else toolset
        for action in actions:
            able = [market.name for market in MARKETS.values() if action.composed or market.supports(action)]
            table.add_row(name, action.tool_name(), action.tier, ", ".join(able))
            name = ""
        table.add_section()
    return table


def _put(text: str) -> None:
    # Bytes: the text is not only Latin, whatever the terminal's encoding.
    typer.echo(text.encode(), nl=False)
