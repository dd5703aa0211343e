"""`market-mcp doctor --contract`: whether the markets answer as they are known to."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
from rich.console import Console

from market_mcp import __version__, config
from market_mcp.accounts import Account
from market_mcp.cli.doctor.onlooker import Onlooker
from market_mcp.cli.doctor.report import Report
from market_mcp.cli.doctor.survey import Survey, longest_wait, reads, requests
from market_mcp.cli.serve import open_parts
from market_mcp.clock import Clock, SystemClock
from market_mcp.gateway.secret_scan import SecretScan
from market_mcp.server.stopping import stopped_by_signal
from market_mcp.services.dispatcher import Dispatcher

BROKEN_OFF = 130
"""The exit code of a program that Ctrl-C ended."""


def contract(flags: Mapping[str, Any], file: Path | None, environment: Mapping[str, str]) -> int:
    """Prints a report of every read as it is asked; 0 when all are as they are declared. Raises ConfigError.

    Ctrl-C ends it, and what was printed until then is a report too.
    """
    # The retries log that there is one, without saying of what.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    settings = config.load(flags, config.config_file(file, environment))
    secrets = list(settings.passwords().values())
    report = Report(Console(highlight=False, soft_wrap=True), SecretScan(lambda: secrets))
    clock = SystemClock()
    onlooker = Onlooker(clock)

    async def run() -> bool:
        # What a signal raises by itself is one exception, which may come where a time-out of ours is just caught.
        with anyio.CancelScope() as asking:
            async with (
                stopped_by_signal(asking.cancel),
                open_parts(settings, clock, serving=False, onlooker=onlooker) as dispatcher,
            ):
                secrets.extend(dispatcher.accounts.secrets())
                report.line(f"market-mcp {__version__}, contract report")
                report.line(_cost(dispatcher.accounts.all(), settings))
                await compare(report, dispatcher, clock, onlooker, settings.poll_interval)
        return asking.cancelled_caught

    try:
        broken_off = anyio.run(run)
    except KeyboardInterrupt:
        broken_off = True
    report.end()
    return BROKEN_OFF if broken_off else 1 if report.faults else 0


async def compare(report: Report, dispatcher: Dispatcher, clock: Clock, onlooker: Onlooker, interval: float) -> None:
    """Asks the reads of all accounts, one account after the other; `interval` is the gate's, in seconds."""
    accounts = dispatcher.accounts.all()
    report.expected = sum(len(reads(account)) for account in accounts)
    for account in accounts:
        report.line(f"\n{account.name}: {account.market.name} at {account.base_url}, contract {account.contract}")
        await Survey(report, dispatcher.gateway, account, clock, onlooker, interval).run()


def _cost(accounts: Sequence[Account], settings: config.Settings) -> str:
    """What the report costs, told before it does."""
    wait = longest_wait(accounts, settings.poll_interval, settings.poll_budget)
    asked = f"At most {requests(accounts)} requests, one after the other; nothing is written."
    paced = f"The polling budget makes it take {wait:g} s and more." if wait else "None has to wait for another."
    return f"{asked} {paced} What was asked within the last {settings.poll_interval:g} s is not asked again."
