"""The server's working parts, put together and opened as one; where a call goes in and its result comes out."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio
import httpx2

from market_mcp.accounts import Account, Accounts
from market_mcp.actions import Action, ListAction
from market_mcp.actions.chat import GetNextTask, Heartbeat, SubmitResponse
from market_mcp.actions.inbox import CheckInbox, ListMarkets, MarkNotificationsRead
from market_mcp.actions.work import MyWork
from market_mcp.clock import Clock
from market_mcp.errors import CallError
from market_mcp.gateway.exchange import Exchange
from market_mcp.gateway.pacing import Pacing
from market_mcp.gateway.pipeline import Gateway, Result
from market_mcp.gateway.quotas import Quotas
from market_mcp.gateway.secret_scan import SecretScan
from market_mcp.gateway.transport import Transport
from market_mcp.services.chats import Chats, Progress
from market_mcp.services.fan_out import FanOut
from market_mcp.services.hints import Hints
from market_mcp.services.inbox import Inbox
from market_mcp.services.obligations import Obligations
from market_mcp.services.presence import Presence
from market_mcp.services.reads import Reads
from market_mcp.services.registration import Registration
from market_mcp.services.votes import Votes
from market_mcp.state.chats import ChatTable, PresenceTable
from market_mcp.state.credentials import CredentialStore
from market_mcp.state.store import State
from market_mcp.state.votes import VoteTable
from market_mcp.state.watches import WatchTable

NOBODY_ANSWERS = "no: with the tools that are offered, nobody could answer the paid questions that come"
"""Why an agent is not kept online although its user said so."""


async def silent(waited: float, total: float, what: str) -> None:
    """Progress that nobody asked for."""


@dataclass(frozen=True)
class Dispatcher:
    """Takes every call to the part that performs it; `offered` are the calls that its client can make."""

    offered: Sequence[type[Action]]
    hints: Hints
    accounts: Accounts
    gateway: Gateway
    lists: FanOut
    reads: Reads
    presence: Presence
    chats: Chats
    votes: Votes
    registration: Registration
    obligations: Obligations
    inbox: Inbox
    pacing: Pacing
    quotas: Quotas

    async def perform(self, action: Action, progress: Progress = silent) -> Result:
        """What a call brings: a JSON object. Raises CallError. Neither advises a call that is not offered."""
        try:
            return self.hints.followable(await self._perform(action, progress))
        except CallError as error:
            self.hints.advise(error)
            raise

    async def _perform(self, action: Action, progress: Progress) -> Result:
        match action:
            case ListMarkets():
                return {"markets": [self._about(account) for account in self.accounts.all()]}
            case MyWork():
                return await self.obligations.gather(action)
            case CheckInbox():
                return await self.inbox.check(action)
            case MarkNotificationsRead():
                return await self.inbox.mark_read(action)
            case GetNextTask():
                return await self.chats.next_chat(action, progress)
            case SubmitResponse():
                return await self.chats.respond(action)
            case ListAction():
                return await self.lists.perform(action)
            case _ if action.tier == "read":
                return await self.reads.perform(action)
            case _:
                return await self._write(action)

    async def _write(self, action: Action) -> Result:
        account, native = self.accounts.resolve(action)
        row = self.gateway.row(account, native)
        if row.secret:
            return await self.registration.perform(account, row, native)
        if row.toggle:
            return await self.votes.cast(account, row, native, str(getattr(native, row.placeholders()[0])))
        if row.beat:
            await self.presence.beat(account)
        result = self.gateway.framed(account, await self.gateway.write(account, row, native))
        for kind, argument in row.watches:
            named = getattr(native, argument, None)
            handle = result.get(argument) or (named and f"{account.name}:{named}")
            said = result.get("reply_id") or result.get("post_id") or getattr(native, "body", None)
            result = self.gateway.noted(result, partial(self.inbox.watch, account, kind, handle, said))
        return result

    def _about(self, account: Account) -> Result:
        """What list_markets says of one account."""
        market = account.market
        about: Result = {"market": account.name, "kind": market.name, "live": not account.sandbox}
        about["key"] = "configured" if account.key else f"none: set {account.key_source} to do more than read"
        about["tools"] = [action.tool_name() for action in self.offered if market.supports(action)]
        left = self.quotas.left(account)
        if left:
            about["quota_left"] = left
        if market.supports(Heartbeat):
            about["presence"] = self.presence.about(account)
            if account.presence == "on" and not answers_chats(self.offered):
                about["presence"]["kept_online"] = NOBODY_ANSWERS
            about["chats_to_answer"] = len(self.chats.open_chats(account))
        waits = self._next_polls(account)
        if waits:
            about["next_poll_in_seconds"] = waits
        return about

    def _next_polls(self, account: Account) -> dict[str, int]:
        """By tool: seconds until it may ask its feed on this market again.

        Single posts and tasks have waits of their own; naming all that were read would grow without end.
        """
        waits = self.pacing.next_in(account.id)
        offered = [action.tool_name() for action in self.offered]
        polls: dict[str, int] = {}
        for action, _ in account.market.rows:
            tool = action.asked_by or action.tool_name()
            topics = {row.topic for row in account.rows(action)} & waits.keys()
            if tool in offered and topics:
                wait = max(round(waits[topic] + 0.49) for topic in topics)
                polls[tool] = max(wait, polls.get(tool, 0))
        return {tool: polls[tool] for tool in offered if tool in polls}


def answers_chats(offered: Sequence[type[Action]]) -> bool:
    """Whether who has these calls can take a paid question and answer it; who cannot is not to be online for them."""
    return GetNextTask in offered and SubmitResponse in offered


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
) -> AsyncGenerator[Dispatcher]:
    """A dispatcher that works until the block is left; then its heartbeats have stopped and its client is closed.

    `offered` are the calls that a client can make of it (none: nobody is served). `interval` in seconds and `budget`
    are those of the polling gate; `passwords` what the user gave, by kind of market.
    """
    pacing = Pacing(state, clock, interval, budget)
    quotas = Quotas(state, clock)

    def secrets() -> list[str]:
        return [*accounts.secrets(), *passwords.values(), *store.secrets()]

    gateway = Gateway(accounts, Exchange(Transport(client), clock, SecretScan(secrets)), pacing, quotas)
    presence = Presence(gateway, PresenceTable(state, clock), clock)
    chats = Chats(gateway, presence, ChatTable(state, clock), clock)
    async with client, anyio.create_task_group() as group:
        if answers_chats(offered):
            presence.run_in(group)
        yield Dispatcher(
            offered=offered,
            hints=Hints(offered),
            accounts=accounts,
            gateway=gateway,
            lists=FanOut(gateway),
            reads=Reads(gateway),
            presence=presence,
            chats=chats,
            votes=Votes(gateway, VoteTable(state)),
            registration=Registration(gateway, store, passwords),
            obligations=Obligations(gateway, chats, quotas),
            inbox=Inbox(gateway, WatchTable(state, clock)),
            pacing=pacing,
            quotas=quotas,
        )
        group.cancel_scope.cancel()
