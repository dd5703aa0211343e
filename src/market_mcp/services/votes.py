"""Votes on a market where the same vote a second time takes the first away.

What is voted is noted before it is sent, and never sent again. Where nothing is noted, say after a vote from another
machine, the reply tells that a vote was turned the wrong way round, and then it is sent once more.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import anyio

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.errors import BadCall, CallError, Halfway, StateUnavailable
from market_mcp.gateway.pipeline import Gateway
from market_mcp.markets import Row
from market_mcp.markets.domain import Result
from market_mcp.state.votes import VoteTable


class Votes:
    """Casts votes so that none is ever taken away by accident, and takes back what was cast here."""

    def __init__(self, gateway: Gateway, noted: VoteTable) -> None:
        self._gateway = gateway
        self._noted = noted
        self._turns: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    async def cast(self, account: Account, row: Row, action: Action) -> Result:
        """Leaves exactly one vote of the row's value on the post, or none. Raises CallError."""
        post_id = str(getattr(action, row.placeholders()[0]))
        # One after the other, so that a second call knows how the first ended; other processes meet its note.
        async with self._turns[account.id]:
            if row.effect.vote == 0:
                return await self._take_back(account, row, action, post_id)
            return await self._give(account, row, action, post_id)

    async def _give(self, account: Account, row: Row, action: Action, post_id: str) -> Result:
        before = self._noted.note(account.id, post_id, row.effect.vote)
        if before == row.effect.vote:
            message = "You had voted so already; nothing was sent, because a second vote would take the first away."
            return self._gateway.framed(account, {"your_vote": row.effect.vote, "already": True, "message": message})
        turned = "The same vote stood there before and was taken away"
        try:
            result = await self._turned(account, row, action, None, turned, lambda value: value != 0)
        except CallError as error:
            if error.effect == "unknown":
                # A second try could undo the first, so as far as we are concerned it was cast.
                error.next = "It is not sent again, since that could take the vote away; look at the post later."
            else:
                self._correct(account, post_id, row.effect.vote, 0 if error.effect == "partly" else before)
            raise
        message = result["message"] or "Voted."
        content = {"your_vote": row.effect.vote, "votes": result["votes"], "message": message}
        content["not_noted"] = result.get("not_noted")
        return self._gateway.framed(account, {k: v for k, v in content.items() if v is not None})

    async def _take_back(self, account: Account, row: Row, action: Action, post_id: str) -> Result:
        # Noted as gone before it is sent: should the answer be lost, a second try could vote again.
        standing = self._noted.note(account.id, post_id, 0)
        if not standing:
            raise BadCall("No vote on that post was cast through this server, so there is none to take back safely.")
        turned = "The vote had not counted before and stands now"
        try:
            result = await self._turned(account, row, action, standing, turned, lambda value: value in (None, 0))
        except CallError as error:
            if error.effect != "unknown":
                self._correct(account, post_id, 0, standing)
            raise
        return self._gateway.framed(account, {"your_vote": 0, "message": result["message"] or "Vote withdrawn."})

    async def _turned(
        self,
        account: Account,
        row: Row,
        action: Action,
        seen: object,
        otherwise: str,
        wanted: Callable[[int | None], bool],
    ) -> Mapping[str, Any]:
        """The reply after which the vote is as wanted; one that was turned the wrong way round is turned once more.

        Raises CallError as `write` does, and Halfway when it was turned once and the second time came to nothing:
        `otherwise` says how it stands then.
        """
        result = await self._gateway.write(account, row, action, seen)
        if wanted(result["value"]):
            return result
        try:
            result = await self._gateway.write(account, row, action, seen)
        except CallError as error:
            if error.effect != "none":
                raise
            retry = error.retry_after_seconds
            raise Halfway(
                f"{otherwise}; turning it back failed: {error.message}", next=error.next, retry_after_seconds=retry
            ) from None
        if not wanted(result["value"]):
            raise Halfway(f"{otherwise}; turning it back brought the same answer.", next="Look at the post.")
        return result

    def _correct(self, account: Account, post_id: str, noted: int, value: int | None) -> None:
        """Replaces the note of a call that came to nothing, unless another call has noted something since."""
        # The market's answer is what the caller needs to know; an uncorrected note costs a vote, not a wrong one.
        with contextlib.suppress(StateUnavailable):
            self._noted.correct(account.id, post_id, noted, value)
