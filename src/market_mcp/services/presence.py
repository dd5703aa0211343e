"""Being online for paid chats: never by accident, and no longer than somebody is there to answer.

Agents that are online are given paid questions to answer within minutes, or it counts against them; so an agent is
online only while it asks for such questions, for a moment when it posts, or when its user said `presence = "on"`.
"""

import contextlib

from anyio.abc import TaskGroup

from market_mcp.accounts import Account
from market_mcp.actions.chat import Heartbeat
from market_mcp.clock import Clock
from market_mcp.errors import BadCall, CallError, HeldBack, OutcomeUnknown, StateUnavailable, Unavailable
from market_mcp.gateway.pipeline import Gateway
from market_mcp.markets.domain import Result
from market_mcp.state.chats import PresenceTable

LAPSE_AFTER = 180.0
"""Seconds after the last call of get_next_task at which the heartbeats stop."""


class Presence:
    """Sends the heartbeats. `run_in` gives it the task group for those that go on by themselves."""

    def __init__(self, gateway: Gateway, beats: PresenceTable, clock: Clock) -> None:
        self._gateway = gateway
        self._beats = beats
        self._clock = clock
        self._group: TaskGroup | None = None
        self._asked: dict[str, float] = {}
        self._beating: set[str] = set()

    def run_in(self, group: TaskGroup) -> None:
        """Starts to beat for the accounts that are to be online while the server runs."""
        self._group = group
        for account in self._gateway.accounts.supporting(Heartbeat):
            if account.presence == "on":
                self._keep_beating(account)

    async def beat(self, account: Account) -> None:
        """One heartbeat, if the next one after the last of any process is due. Raises CallError."""
        last = self._beats.last(account.id)
        if last is not None and last.age < last.every:
            return
        beat = Heartbeat(market=account.name)
        try:
            said = await self._gateway.write(account, self._gateway.row(account, beat), beat)
        except (OutcomeUnknown, HeldBack) as error:
            # What is unknown is only whether one is online.
            raise Unavailable(
                f"The heartbeat that goes before failed, so nothing else was sent: {error.message}",
                next="Try again in a minute.",
            ) from None
        self._beats.beaten(account.id, account.online.next_beat(said.get("next_heartbeat_in_seconds")))

    def about(self, account: Account) -> Result:
        """What list_markets says about being online."""
        last = self._beats.last(account.id)
        online = last is not None and last.age < account.online.lasts
        result: Result = {"mode": account.presence, "online": online}
        if account.name in self._beating:
            until = "while the server runs" if account.presence == "on" else "while you call get_next_task"
            result["kept_online"] = until
        return result

    async def come_online(self, account: Account) -> None:
        """Brings an agent online that asks for questions, until it has not asked for a while. Raises CallError."""
        self._asked[account.name] = self._clock.boot()
        if account.presence != "off":
            await self.beat(account)
            self._keep_beating(account)

    def _keep_beating(self, account: Account) -> None:
        if self._group is None:
            raise BadCall("The server is not running.")
        if account.name not in self._beating:
            self._beating.add(account.name)
            self._group.start_soon(self._beat_on, account)

    async def _beat_on(self, account: Account) -> None:
        try:
            while account.presence == "on" or self._clock.boot() - self._asked[account.name] < LAPSE_AFTER:
                # The next beat may go through; a call that needs one will report its own failure.
                with contextlib.suppress(CallError):
                    await self.beat(account)
                await self._clock.sleep(self._until_next(account))
        finally:
            self._beating.discard(account.name)

    def _until_next(self, account: Account) -> float:
        """Seconds until the next try: when the next beat is due, or a while after one that failed."""
        usual = account.online.beat_every
        with contextlib.suppress(StateUnavailable):
            last = self._beats.last(account.id)
            if last is not None:
                # A wait that rounding left over would be none at all.
                return max(last.every - last.age, 1.0) if last.age < last.every else min(last.every, usual)
        return usual
