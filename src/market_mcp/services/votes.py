"""Votes on a market where the same vote a second time takes the first away.

A vote counts as cast when the market has said so, and is not sent again then. Where it is not known whether one counts,
because its answer was lost or another process ended in between, the post is looked at first. If that does not tell
either, the vote is sent: a reply that says it was turned the wrong way round is followed by a second vote.
"""

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, cast
from weakref import WeakValueDictionary

import anyio

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.actions.board import GetPost
from market_mcp.clock import Clock
from market_mcp.errors import BadCall, CallError, Halfway, OutcomeUnknown, StateUnavailable, TooSoon
from market_mcp.gateway.pipeline import Gateway
from market_mcp.markets import Row
from market_mcp.markets.domain import Result
from market_mcp.state.votes import Noted, VoteTable

LOOK = 0.5
"""Seconds between two looks whether another process has its answer."""

WAITING = 10
"""Votes on one post that wait for one that is under way; any further one is told so at once."""

AGAIN = "Call it again: it looks first whether the vote counts."


class _Vote(NamedTuple):
    """One vote on one post."""

    account: Account
    row: Row
    action: Action
    post: str

    @property
    def value(self) -> int:
        """1 or -1; 0 takes back whichever stands."""
        return self.row.effect.vote


class Votes:
    """Casts votes so that none is ever taken away by accident, and takes back what was cast here."""

    def __init__(self, gateway: Gateway, table: VoteTable, clock: Clock) -> None:
        self._gateway = gateway
        self._table = table
        self._clock = clock
        # A turn is forgotten when nobody has it or waits for it.
        self._turns: WeakValueDictionary[tuple[str, str], anyio.Lock] = WeakValueDictionary()

    async def cast(self, account: Account, row: Row, action: Action) -> Result:
        """Leaves exactly one vote of the row's value on the post, or none. Raises CallError."""
        vote = _Vote(account, row, action, str(getattr(action, row.placeholders()[0])))
        turn = self._turns.setdefault((account.id, vote.post), anyio.Lock())
        if turn.statistics().tasks_waiting >= WAITING:
            text = f"{WAITING + 1} votes on that post are under way and have no answer."
            raise TooSoon(text, retry_after_seconds=self._table.answered_within)
        # One after the other on each post, so that a second call knows how the first ended. Other posts do not wait.
        async with turn:
            noted = await self._begin(vote)
            try:
                content = await self._decide(vote, noted)
            except BaseException as error:
                self._leave(vote, noted, error)
                raise
            settle = partial(self._table.settle, account.id, vote.post, vote.value)
            return self._gateway.framed(account, self._gateway.noted(content, settle))

    async def _decide(self, vote: _Vote, noted: Noted) -> Mapping[str, Any]:
        """What comes of a vote that was begun. Raises CallError."""
        standing: int | None = noted.standing
        if noted.unsure is not None:
            standing = await self._look(vote)
            self._table.renew(vote.account.id, vote.post)
        if standing == vote.value:
            if vote.value:
                message = "You had voted so already; nothing was sent, because a second vote would take the first away."
                return {"your_vote": vote.value, "already": True, "message": message}
            if noted.unsure is None:
                raise BadCall(
                    "No vote on that post was cast through this server, so there is none to take back safely."
                )
            return {"your_vote": 0, "message": "The vote had not counted, so there is none to take back."}
        if vote.value:
            result = await self._turned(vote, None, vote.value, sure=standing is not None)
            message = result["message"] or "Voted."
            content = {"your_vote": vote.value, "votes": result["votes"], "message": message}
            content["not_noted"] = result.get("not_noted")
            return {name: value for name, value in content.items() if value is not None}
        taken = standing or noted.unsure or noted.standing
        result = await self._turned(vote, taken, 0, sure=standing is not None)
        return {"your_vote": 0, "message": result["message"] or "Vote withdrawn."}

    async def _begin(self, vote: _Vote) -> Noted:
        """What is known of the post, when no other process is voting on it. Raises TooSoon."""
        for _ in range(round(self._table.answered_within / LOOK)):
            noted = self._table.begin(vote.account.id, vote.post, vote.value)
            if not noted.busy:
                return noted
            await self._clock.sleep(LOOK)
        raise TooSoon("Another process keeps voting on that post.", retry_after_seconds=self._table.answered_within)

    async def _look(self, vote: _Vote) -> int | None:
        """The agent's vote as the post shows it now; None where it does not tell."""
        action = GetPost(post_id=vote.post)
        try:
            row = self._gateway.row(vote.account, action)
            post, held = await self._gateway.read(vote.account, row, action)
        except CallError:
            return None
        return None if held.stale else cast("Mapping[str, Any]", post).get("your_vote")

    async def _turned(self, vote: _Vote, seen: object, wanted: int, *, sure: bool) -> Mapping[str, Any]:
        """The reply after which the vote is as wanted; one that was turned the wrong way round is turned once more.

        `sure` says that the vote was known before: then a reply that does not tell how it is now is believed. Raises
        CallError as `write` does, and Halfway when it was turned once and the second time came to nothing.
        """
        result = await self._gateway.write(vote.account, vote.row, vote.action, seen)
        if _is(result, wanted, sure=sure):
            return result
        how = (
            "The vote had not counted before and stands now"
            if wanted == 0
            else ("The same vote stood there before and was taken away")
        )
        try:
            self._table.renew(vote.account.id, vote.post)
            result = await self._gateway.write(vote.account, vote.row, vote.action, seen)
        except CallError as error:
            if error.effect != "none":
                raise
            retry = error.retry_after_seconds
            text = f"{how}; turning it back failed: {error.message}"
            raise Halfway(text, next=error.next, retry_after_seconds=retry) from None
        if not _is(result, wanted, sure=True):
            raise Halfway(f"{how}; turning it back brought the same answer.", next="Look at the post.")
        return result

    def _leave(self, vote: _Vote, noted: Noted, error: BaseException) -> None:
        """Notes how a vote stands that failed; that it cannot be noted counts less than the failure."""
        with contextlib.suppress(StateUnavailable):
            if isinstance(error, Halfway):
                # Turned once: what stood is gone, and what did not stand stands.
                standing = 0 if vote.value else (noted.unsure or noted.standing)
                self._table.settle(vote.account.id, vote.post, standing)
            elif isinstance(error, CallError) and error.effect == "none":
                self._table.leave(vote.account.id, vote.post, noted.unsure)
            else:
                # What may have left is unsure: the vote itself, or the one that was to be taken back.
                unsure = vote.value or noted.unsure or noted.standing
                self._table.leave(vote.account.id, vote.post, unsure)
                if isinstance(error, CallError):
                    error.next = AGAIN


def _is(result: Mapping[str, Any], wanted: int, *, sure: bool) -> bool:
    """Whether a reply shows the vote as wanted, and not as before. Raises OutcomeUnknown where it shows neither."""
    value = result["value"]
    if value == wanted or (value is None and sure):
        return True
    # Of a vote, the opposite of what is wanted is that it was taken away; of a withdrawal, that it was cast.
    if value is not None and (value == 0) != (wanted == 0):
        return False
    raise OutcomeUnknown("The market took the vote and does not tell how it stands now.", next=AGAIN)
