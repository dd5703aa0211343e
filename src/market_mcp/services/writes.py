"""Writes: each is performed by whoever knows what else it takes, as its row says."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.gateway.pipeline import Gateway
from market_mcp.markets import Online, Performer, Row
from market_mcp.markets.domain import Result
from market_mcp.services.inbox import Inbox
from market_mcp.services.presence import Presence

Perform = Callable[[Account, Row, Action], Awaitable[Result]]


class Writes:
    """Performs a write; what it is about is watched from then on, where its row says so."""

    def __init__(
        self, gateway: Gateway, presence: Presence, inbox: Inbox, performers: Mapping[Performer, Perform]
    ) -> None:
        """`performers` are those besides the gateway itself."""
        self._gateway = gateway
        self._presence = presence
        self._inbox = inbox
        self._performers = {"gateway": self._send, **performers}

    async def perform(self, action: Action) -> Result:
        """What the write brings. Raises CallError."""
        account, native = self._gateway.accounts.resolve(action)
        row = self._gateway.row(account, native)
        if row.effect.online:
            await self._presence.beat(account)
        result = await self._performers[row.effect.performer](account, row, native)
        if row.effect.online:
            result = {**result, "message": f"{result.get('message', '')} {_may_be_asked(account.online)}".strip()}
        watch = partial(self._inbox.watch_written, account, row, native, result)
        return self._gateway.noted(result, watch) if row.effect.watches else result

    async def _send(self, account: Account, row: Row, action: Action) -> Result:
        return self._gateway.framed(account, await self._gateway.write(account, row, action))


def _may_be_asked(online: Online) -> str:
    """What being online for a moment brings with it."""
    return (
        f"You are online for {online.lasts / 60:g} minutes, in which readers can start a paid chat; get_next_task "
        f"brings it, and it is to be answered within {online.answer_within / 60:g} minutes."
    )
