"""What is configured, whether it works, and what to do where it does not."""

import logging
import socket
import sqlite3
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
from rich.console import Console
from rich.markup import escape

from market_mcp import __version__, config
from market_mcp.accounts import KEYED, Account
from market_mcp.actions import DEFAULT_TOOLSETS, Action
from market_mcp.actions.account import VerifyKey
from market_mcp.cli.doctor.onlooker import Onlooker
from market_mcp.cli.serve import open_parts
from market_mcp.clock import SystemClock
from market_mcp.errors import CallError, Refused, Unavailable
from market_mcp.server.tools import chosen_actions
from market_mcp.services.dispatcher import Dispatcher
from market_mcp.services.overview import answers_chats

CONNECTS_WITHIN = 10.0
"""Seconds for a connection that is made to find out why a market cannot be reached."""

CLOCK_OFF = 300.0
"""Seconds by which this machine's clock and a market's may differ before that is something to fix."""


def doctor(flags: Mapping[str, Any], file: Path | None, environment: Mapping[str, str]) -> int:
    """Prints its findings; 0 when nothing needs fixing. Raises ConfigError where the settings cannot be used at all."""
    # The retries log that there is one, without saying of what.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    console = Console(highlight=False, soft_wrap=True)
    found = config.config_file(file, environment)
    settings = config.load(flags, found)
    console.print(f"market-mcp {__version__}, SQLite {sqlite3.sqlite_version}")
    console.print(f"configuration  {escape(str(found or 'no file; environment and defaults'))}")
    console.print(f"state          {escape(str(settings.state_path))}")
    console.print(f"polling        every {settings.poll_interval:g} s, budget {settings.poll_budget}")
    console.print(f"toolsets       {', '.join(settings.toolsets or DEFAULT_TOOLSETS)}")

    async def run() -> int:
        clock = SystemClock()
        onlooker = Onlooker(clock)
        async with open_parts(settings, clock, serving=False, onlooker=onlooker) as dispatcher:
            served = chosen_actions(settings.toolsets, settings.read_only, dispatcher.accounts)
            accounts = dispatcher.accounts.all()
            return sum([await _Examination(console, dispatcher, account, onlooker).run(served) for account in accounts])

    faults = anyio.run(run)
    console.print("[green]Nothing to fix.[/]" if not faults else f"[red]{faults} to fix.[/]")
    return 1 if faults else 0


class _Examination:
    """Looks how one account fares, and says so."""

    def __init__(self, console: Console, dispatcher: Dispatcher, account: Account, onlooker: Onlooker) -> None:
        self._console = console
        self._dispatcher = dispatcher
        self._account = account
        self._onlooker = onlooker
        self._faults = 0

    async def run(self, served: Sequence[type[Action]]) -> int:
        """The number of things to fix; `served` is what a server with the same settings offers."""
        account = self._account
        self._console.print(f"\n[bold]{account.name}[/]  {account.market.name} at {account.base_url}")
        if account.sandbox:
            self._note("the embedded sandbox: pretend work, pretend money")
        elif account.key is None:
            self._fix(f"no key: set {account.key_source}; without one only public reads work")
        elif not account.market.key_pattern.fullmatch(account.key):
            self._fix(f"the key from {account.key_source} does not look like one of {account.market.name}; not sent")
            return self._faults
        self._onlooker.seen = None
        if await self._answers() and account.key is not None:
            await self._takes_the_key()
        self._has_the_time()
        for line in (*_presence(account, served), *_out_of_scope(account, served)):
            self._note(line)
        return self._faults

    async def _answers(self) -> bool:
        """Whether it makes sense to ask it more."""
        try:
            probe = self._account.market.probe
            found = await self._dispatcher.perform(probe(market=self._account.name, limit=1))
        except CallError as error:
            asked = isinstance(error, Unavailable) and not self._account.sandbox
            obstacle = await _obstacle(self._account.base_url) if asked else ""
            self._fix(f"cannot be reached: {obstacle}" if obstacle else self._told(error))
            return not obstacle
        live = found["feeds"][self._account.name]["source"] == "live"
        self._good("answers" if live else "answered within the last minute, so it was not asked again")
        return True

    async def _takes_the_key(self) -> None:
        if not self._account.market.supports(VerifyKey):
            self._note("its document has no call that checks a key; the first write will show")
            return
        try:
            who = (await self._dispatcher.perform(VerifyKey(market=self._account.name)))["account"]
        except CallError as error:
            self._fix(self._told(error))
        else:
            self._good(f"the key is accepted{' as ' + str(who['name']) if 'name' in who else ''}")

    def _has_the_time(self) -> None:
        """What is due when is worked out with this machine's clock."""
        behind = self._onlooker.seen.behind if self._onlooker.seen else None
        if behind is not None and abs(behind) > CLOCK_OFF:
            off = f"{_duration(abs(behind))} {'behind' if behind > 0 else 'ahead of'} {self._account.market.name}'s"
            self._fix(f"this machine's clock is {off}; due times and expiries depend on it, so set it right")

    def _told(self, error: CallError) -> str:
        """An error as its operator needs it: what to do next is for models."""
        if isinstance(error, Refused) and error.status == 401 and self._account.key is not None:
            return f"the key from {self._account.key_source} is not accepted; put a valid one there"
        misplaced = isinstance(error, Unavailable) or (isinstance(error, Refused) and error.status == 404)
        if misplaced and not self._account.sandbox:
            return f"{error.message} Its address is set by {self._account.base_url_source}."
        return error.message

    def _good(self, text: str) -> None:
        self._console.print(f"  [green]ok[/]   {escape(text)}")

    def _fix(self, text: str) -> None:
        self._faults += 1
        self._console.print(f"  [red]fix[/]  {escape(text)}")

    def _note(self, text: str) -> None:
        self._console.print(f"       {escape(text)}")


async def _obstacle(base_url: str) -> str:
    """Why no connection can be made to an address, found out without sending anything; empty where one can."""
    url = urlsplit(base_url)
    host, secure = url.hostname or "", url.scheme == "https"
    port = url.port or (443 if secure else 80)
    try:
        with anyio.fail_after(CONNECTS_WITHIN):
            await anyio.getaddrinfo(host, port)
            async with await anyio.connect_tcp(host, port, tls=secure):
                return ""
    except socket.gaierror:
        return f"no address is known for {host}; check the base URL, and this machine's network"
    except ssl.SSLCertVerificationError as error:
        return f"the certificate of {host} is not valid ({error.verify_message}); check the base URL and the clock"
    except ssl.SSLError:
        return f"{host}:{port} does not speak TLS; check the base URL"
    except TimeoutError:
        return f"{host}:{port} does not answer within {CONNECTS_WITHIN:g} s; check the network, and firewalls"
    except OSError:
        return f"nothing accepts connections at {host}:{port}; check the base URL"


def _duration(seconds: float) -> str:
    """In words, to the minute."""
    hours, minutes = divmod(round(seconds / 60), 60)
    days, hours = divmod(hours, 24)
    parts = {"day": days, "hour": hours, "minute": minutes}
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for unit, count in parts.items() if count)


def _presence(account: Account, served: Sequence[type[Action]]) -> list[str]:
    """What `presence = "on"` comes to: a server keeps an agent online only where its client can answer."""
    if account.presence != "on":
        return []
    if answers_chats(served):
        return ["presence on: `serve` keeps it online, and paid questions will come"]
    return ['presence on: not kept, since paid questions could not be answered; add the toolset "chat", not read-only']


def _out_of_scope(account: Account, served: Sequence[type[Action]]) -> list[str]:
    """Which of the tools the known scopes of a token leave out."""
    missing: dict[str, set[str]] = {}
    for action in served:
        for row in account.rows(action):
            if row.scope is not None and row.variant != KEYED and not account.allows(row.scope):
                missing.setdefault(row.scope, set()).add(action.tool_name())
    return [f"scope {scope} is missing: {', '.join(sorted(names))}" for scope, names in sorted(missing.items())]
