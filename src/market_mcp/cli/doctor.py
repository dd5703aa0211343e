"""`market-mcp doctor`: what is configured, whether it works, and what to do where it does not."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
from rich.console import Console

from market_mcp import __version__, config
from market_mcp.accounts import Account
from market_mcp.actions import DEFAULT_TOOLSETS, TOOLSETS
from market_mcp.actions.account import VerifyKey
from market_mcp.actions.board import ListPosts
from market_mcp.cli.serve import open_parts
from market_mcp.desk import Desk
from market_mcp.errors import CallError


def doctor(flags: Mapping[str, Any], file: Path | None, environment: Mapping[str, str]) -> int:
    """Prints its findings; 0 when nothing needs fixing. Raises ConfigError where the settings cannot be used at all."""
    console = Console(highlight=False, soft_wrap=True)
    found = config.config_file(file, environment)
    settings = config.load(flags, found)
    console.print(f"market-mcp {__version__}, SQLite {sqlite3.sqlite_version}")
    console.print(f"configuration  {found or 'no file; environment and defaults'}")
    console.print(f"state          {settings.state_path}")
    console.print(f"polling        every {settings.poll_interval:g} s, budget {settings.poll_budget}")
    console.print(f"toolsets       {', '.join(settings.toolsets or DEFAULT_TOOLSETS)}")

    async def run() -> int:
        async with open_parts(settings) as desk:
            faults = [await _examine(console, desk, account) for account in desk.accounts.all()]
            return sum(faults)

    faults = anyio.run(run)
    console.print("[green]Nothing to fix.[/]" if not faults else f"[red]{faults} to fix.[/]")
    return 1 if faults else 0


async def _examine(console: Console, desk: Desk, account: Account) -> int:
    """Says how one account fares; the number of things to fix."""
    faults = 0
    console.print(f"\n[bold]{account.name}[/]  {account.market.name} at {account.base_url}")

    def say(good: bool, text: str) -> None:
        nonlocal faults
        faults += not good
        console.print(f"  [green]ok[/]   {text}" if good else f"  [red]fix[/]  {text}")

    if account.sandbox:
        console.print("       the embedded sandbox: pretend work, pretend money")
    elif account.key is None:
        say(False, f"no key: set {account.market.key_env}; without one only public reads work")
    elif not account.market.key_pattern.fullmatch(account.key):
        say(False, f"the key does not look like one of {account.market.name}; see {account.market.key_env}")
    try:
        posts = await desk.perform(ListPosts(market=account.name, limit=1))
        source = posts["feeds"][account.name]["source"]
        say(True, "answers" if source == "live" else "answered within the last minute, so it was not asked again")
    except CallError as error:
        say(False, error.as_text())
    if account.key is not None and account.market.supports(VerifyKey):
        try:
            who = (await desk.perform(VerifyKey(market=account.name)))["account"]
            say(True, f"the key is accepted{' as ' + str(who['name']) if 'name' in who else ''}")
        except CallError as error:
            say(False, error.as_text())
    elif account.key is not None:
        console.print("       its document has no call that checks a key; the first write will show")
    if account.scopes is not None:
        for line in _out_of_scope(account):
            console.print(f"       {line}")
    return faults


def _out_of_scope(account: Account) -> list[str]:
    """Which tools the known scopes of a token leave out."""
    offered = [action for actions in TOOLSETS.values() for action in actions]
    missing: dict[str, set[str]] = {}
    for action in offered:
        for row in account.market.rows_of(action):
            if row.scope is not None and row.scope not in (account.scopes or ()):
                missing.setdefault(row.scope, set()).add(action.tool_name())
    return [f"scope {scope} is missing: {', '.join(sorted(names))}" for scope, names in sorted(missing.items())]
