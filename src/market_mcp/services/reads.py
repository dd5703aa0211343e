"""Reads of single things, whole or from where a long text went on; and many reads for one answer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import anyio.lowlevel

from market_mcp.accounts import KEYED, Account
from market_mcp.actions import Action
from market_mcp.actions.board import GetPost
from market_mcp.clock import Clock
from market_mcp.errors import CallError, Refused
from market_mcp.gateway.pacing import Held
from market_mcp.gateway.pipeline import Gateway, feed_of
from market_mcp.markets import Row
from market_mcp.markets.domain import Result
from market_mcp.services.paging import MOST_PAGES, MOST_SECONDS, MOST_SIZE, Walk, name_of
from market_mcp.text.sanitize import UNTRUSTED
from market_mcp.text.truncate import ROOM, beginning, compact, portion


class Reads:
    """Reads one thing, with what joins it."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock

    async def perform(self, action: Action) -> Result:
        """The thing; where the key turns out not to allow it, what the public may see of it. Raises CallError."""
        accounts = self._gateway.accounts
        account, native = accounts.resolve(action)
        row = self._gateway.row(account, native)
        try:
            return await self._read(account, row, native)
        except Refused as refusal:
            if refusal.status != 403 or row.variant != KEYED or row.scope is None:
                raise
            accounts.deny(account.name, account.denied | {row.scope})
            account, native = accounts.resolve(action)
            try:
                return await self._read(account, self._gateway.row(account, native), native)
            except CallError:
                # Not the key was at fault, then.
                accounts.deny(account.name, account.denied - {row.scope})
                raise refusal from None

    async def _read(self, account: Account, row: Row, action: Action) -> Result:
        answer, held = await self._gateway.read(account, row, action)
        found = dict(cast("Mapping[str, Any]", answer))
        left_out: dict[str, str] = {}
        more: dict[str, bool] = {}
        for name, part in row.also.items():
            try:
                found[name], more[name], missing = await self._part(account, name, part, action)
            except CallError as error:
                missing = error.as_text()
            if missing:
                left_out[name] = missing
        leads_on: Result = {}
        replies: Result = {}
        if isinstance(action, GetPost):
            replies, leads_on = _some_replies(found, action.replies_offset, more.get("replies", False))
        if "offset" in type(action).model_fields:
            # Who writes long replies leaves the post itself some room all the same.
            room = max(ROOM - len(compact(replies)), ROOM // 4)
            found, following = portion(found, getattr(action, "offset", 0), room)
            leads_on |= {} if following is None else {"next_offset": following}
        content: Result = {
            type(action).noun: found | replies,
            **leads_on,
            "feed": feed_of(held),
            "untrusted": UNTRUSTED,
        }
        if left_out:
            content["left_out"] = left_out
        return self._gateway.framed(account, content)

    async def _part(self, account: Account, name: str, row: Row, action: Action) -> tuple[Any, bool, str]:
        """What joins a single thing, whether it goes on, and what is missing of it and why.

        A list is read as far as the place that is asked for. Raises CallError where there is nothing of it.
        """
        answer, _ = await self._gateway.read(account, row, action)
        if row.listing is None:
            return answer, False, ""
        begun, walk, asked = self._clock.boot(), Walk(), None
        items: dict[str, Any] = {}
        for _ in range(MOST_PAGES):
            items |= {name_of(item): item for item in answer["items"] if name_of(item) not in items}
            ended, walk = walk.end(answer, asked), walk.after(answer)
            asked = answer["next"]
            if ended or asked is None or len(items) > getattr(action, f"{name}_offset"):
                missing = f"More may be missing, since {ended}." if ended else ""
                return list(items.values()), bool(asked) and not ended, missing
            if self._clock.boot() - begun > MOST_SECONDS or len(compact(list(items.values()))) > MOST_SIZE:
                break
            # What is held is read without waiting for anybody; others are to have their turn all the same.
            await anyio.lowlevel.checkpoint()
            try:
                answer, _ = await self._gateway.read(account, row, action, asked)
            except CallError as error:
                return list(items.values()), False, f"The list goes on, but {error.as_text()}"
        return list(items.values()), False, "The list goes on, but no further for one answer."


class Look:
    """Many reads for one answer; it knows how old the oldest of them is."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._held: list[Held] = []
        self._unreadable = 0

    async def read(self, account: Account, action: Action) -> Any:
        """What a read brings, through the gate; the ids in the action are the platform's own. Raises CallError."""
        return (await self.dated(account, action))[0]

    async def dated(self, account: Account, action: Action) -> tuple[Any, Held]:
        """The same, and the held answer it was read from."""
        row = self._gateway.row(account, action)
        answer, held = await self._gateway.read(account, row, action)
        self._held.append(held)
        self._unreadable += answer["unreadable"] if row.listing else 0
        self._gateway.remember(answer["items"] if row.listing else answer, action.noun.removesuffix("s"))
        return answer, held

    def oldest(self) -> Held | None:
        """The oldest answer that was read. It is marked stale, or has a note, if any of the answers is or has."""
        if not self._held:
            return None
        note = next((held.note for held in self._held if held.note), "")
        oldest = max(self._held, key=lambda held: held.age)
        return replace(oldest, stale=any(held.stale for held in self._held), note=note)

    def gathered(self, content: Mapping[str, list[Any]], skipped: Mapping[str, str]) -> Result:
        """A result put together of what was read, with the age of its oldest part."""
        result: Result = dict(content)
        oldest = self.oldest()
        if oldest is not None:
            result["feed"] = feed_of(oldest)
        if self._unreadable:
            result["unreadable_items"] = self._unreadable
        if any(content.values()):
            result["untrusted"] = UNTRUSTED
        if skipped:
            result["skipped"] = dict(skipped)
        if any(account.sandbox for account in self._gateway.accounts.all()):
            result["sandbox"] = True
        return result


def _some_replies(post: Result, start: int, more: bool) -> tuple[Result, Result]:
    """Takes a post's replies out of it: those from `start` on that there is room for, and where they go on, if they do.

    A long text leaves them half of the room.
    """
    replies = post.pop("replies", [])
    end = start + beginning(replies[start:], max(ROOM - len(compact(post)), ROOM // 2))
    shown = {"replies": replies[start:end]} if replies else {}
    return shown, {"next_replies_offset": end} if more or end < len(replies) else {}
