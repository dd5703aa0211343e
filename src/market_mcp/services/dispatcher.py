"""The server's working parts, put together and opened as one; where a call goes in and its result comes out."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2

from market_mcp.accounts import Accounts
from market_mcp.actions import Action, ListAction
from market_mcp.actions.chat import GetNextTask, SubmitResponse
from market_mcp.actions.inbox import CheckInbox, ListMarkets, MarkNotificationsRead
from market_mcp.actions.work import MyWork
from market_mcp.clock import Clock
from market_mcp.errors import CallError, HeldBack
from market_mcp.gateway.exchange import USUAL, Exchange, Timeouts
from market_mcp.gateway.pacing import Pacing
from market_mcp.gateway.pipeline import Gateway
from market_mcp.gateway.quotas import Quotas
from market_mcp.gateway.secret_scan import SecretScan
from market_mcp.gateway.transport import Transport
from market_mcp.markets.domain import Result
from market_mcp.services.chats import Chats, Progress
from market_mcp.services.fan_out import FanOut
from market_mcp.services.hints import Hints
from market_mcp.services.inbox import Inbox
from market_mcp.services.obligations import Obligations
from market_mcp.services.overview import Overview, answers_chats
from market_mcp.services.presence import Presence
from market_mcp.services.reads import Reads
from market_mcp.services.registration import Registration
from market_mcp.services.votes import Votes
from market_mcp.services.writes import Writes
from market_mcp.state.chats import ClaimTable, PresenceTable
from market_mcp.state.credentials import CredentialStore
from market_mcp.state.store import State
from market_mcp.state.votes import VoteTable
from market_mcp.state.watches import WatchTable

Handler = Callable[[Any], Awaitable[Result]]


async def silent(waited: float, total: float, what: str) -> None:
    """Progress that nobody asked for."""


@dataclass(frozen=True)
class Dispatcher:
    """Takes every call to the part that performs it.

    `offered` are the calls that its client can make, `gateway` is the way to the markets that all parts share.
    `handlers` are the parts for single calls; every other call goes by its kind: a list to `lists`, a read to `reads`,
    a write to `writes`.
    """

    offered: Sequence[type[Action]]
    accounts: Accounts
    gateway: Gateway
    hints: Hints
    chats: Chats
    handlers: Mapping[type[Action], Handler]
    lists: FanOut
    reads: Reads
    writes: Writes

    async def perform(self, action: Action, progress: Progress = silent) -> Result:
        """What a call brings: a JSON object. Raises CallError. Neither advises a call that is not offered."""
        try:
            if isinstance(action, GetNextTask):
                # The one call that has something to tell while it waits.
                return self.hints.followable(await self.chats.next_chat(action, progress))
            return self.hints.followable(await self._handler(type(action))(action))
        except HeldBack as held:
            self.hints.advise(held)
            return held.as_result()
        except CallError as error:
            self.hints.advise(error)
            raise

    def _handler(self, action: type[Action]) -> Handler:
        if action in self.handlers:
            return self.handlers[action]
        if issubclass(action, ListAction):
            return self.lists.perform
        return self.reads.perform if action.tier == "read" else self.writes.perform


@asynccontextmanager
async def open_dispatcher(
    accounts: Accounts,
    client: httpx2.AsyncClient,
    state: State,
    clock: Clock,
    store: CredentialStore,
    *,
    offered: Sequence[type[Action]],
    interval: float,
    budget: int,
    passwords: Mapping[str, str],
    timeouts: Timeouts = USUAL,
) -> AsyncGenerator[Dispatcher]:
    """A dispatcher that works until the block is left; then its heartbeats have stopped and its client is closed.

    `offered` are the calls that a client can make of it (none: nobody is served). `interval` in seconds and `budget`
    are those of the polling gate; `passwords` what the user gave, by kind of market; `timeouts` how long a market
    is waited for.
    """
    pacing = Pacing(state, clock, interval, budget)
    quotas = Quotas(state, clock)

    def secrets() -> list[str]:
        return [*accounts.secrets(), *passwords.values(), *store.secrets()]

    exchange = Exchange(Transport(client, timeouts.connect), clock, SecretScan(secrets), timeouts)
    gateway = Gateway(accounts, exchange, pacing, quotas)
    presence = Presence(gateway, PresenceTable(state, clock), clock)
    chats = Chats(gateway, presence, ClaimTable(state, clock), clock)
    inbox = Inbox(gateway, WatchTable(state, clock))
    votes = Votes(gateway, VoteTable(state, clock, timeouts.longest), clock)
    overview = Overview(offered, presence, chats, pacing, quotas)

    async def list_markets(_: ListMarkets) -> Result:
        return {"markets": [overview.about(account) for account in accounts.all()]}

    async with client, anyio.create_task_group() as group:
        if answers_chats(offered):
            presence.run_in(group)
        yield Dispatcher(
            offered=offered,
            accounts=accounts,
            gateway=gateway,
            hints=Hints(offered),
            chats=chats,
            handlers={
                ListMarkets: list_markets,
                MyWork: Obligations(gateway, chats, quotas).gather,
                CheckInbox: inbox.check,
                MarkNotificationsRead: inbox.mark_read,
                SubmitResponse: chats.respond,
            },
            lists=FanOut(gateway),
            reads=Reads(gateway, clock),
            writes=Writes(
                gateway,
                presence,
                inbox,
                {
                    "votes": votes.cast,
                    "registration": Registration(gateway, store, passwords).perform,
                },
            ),
        )
        group.cancel_scope.cancel()
