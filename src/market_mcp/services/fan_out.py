"""Lists: all markets are asked at once, and none that is slow or fails spoils the others' part."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import anyio

from market_mcp.accounts import Account
from market_mcp.actions import ListAction
from market_mcp.errors import BadCall, CallError, Refused, TooSoon, Unavailable
from market_mcp.gateway.pacing import WAITING_HELPS, Held
from market_mcp.gateway.pipeline import Gateway, feed_of
from market_mcp.markets import Row
from market_mcp.markets.domain import Result
from market_mcp.markets.filters import choices
from market_mcp.services.merging import (
    READ_WHOLE,
    Position,
    Share,
    can_be_narrowed_here,
    deal,
    decode_cursor,
    encode_cursor,
    excerpt,
    followable,
    joined,
    left_to_us,
    narrow,
    order_of,
    sort_key,
    unsupported,
)
from market_mcp.text.sanitize import UNTRUSTED

PAGES_AT_ONCE = 4
"""Pages that are read for one answer where the market leaves a filter to us: as many as the usual polling budget."""

TOO_FAR = "its list goes on, but its place there is too long for a cursor; ask this market alone, or narrow the list"


class FanOut:
    """Asks the markets for their pages and makes one list of them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def perform(self, action: ListAction) -> Result:
        """The list, where each market's part of it comes from, and where it goes on. Raises CallError."""
        positions = decode_cursor(action)
        accounts, skipped = self._able(action)
        if positions is not None:
            accounts = [account for account in accounts if account.name in positions]
        shares: dict[str, Share] = {}
        feeds: dict[str, Result] = {}
        errors: dict[str, CallError] = {}

        async def ask(account: Account) -> None:
            position = (positions or {}).get(account.name, Position())
            try:
                shares[account.name], feeds[account.name] = await self._share(account, action, position)
            except CallError as error:
                errors[account.name] = error

        async with anyio.create_task_group() as group:
            for account in accounts:
                group.start_soon(ask, account)
        if errors and not shares:
            if len({error.as_text() for error in errors.values()}) == 1 and not skipped:
                raise next(iter(errors.values()))
            raise _all_failed(errors)
        ordered = [shares[account.name] for account in accounts if account.name in shares]
        items, going_on = deal(ordered, action.limit, key=sort_key(action))
        # A market whose trouble may pass is asked again where it stood; with others a list would never end.
        going_on |= {n: (positions or {}).get(n, Position()) for n, error in errors.items() if _may_pass(error)}
        reachable = followable(action, going_on)
        self._gateway.remember(items, action.noun.removesuffix("s"))
        asked = [account.name for account in accounts if account.name in feeds]
        content: Result = {
            type(action).noun: items,
            "feeds": {name: feeds[name] for name in asked},
        }
        order = order_of(action)
        if items and order is not None:
            content["order"] = order
        skipped |= {name: error.as_text() for name, error in errors.items()}
        skipped |= {name: TOO_FAR for name in going_on if name not in reachable}
        if skipped:
            content["skipped"] = skipped
        cursor = encode_cursor(action, reachable)
        if cursor is not None:
            content["next_cursor"] = cursor
        if any(account.sandbox for account in accounts):
            content["sandbox"] = True
        if items:
            content["untrusted"] = UNTRUSTED
        return content

    def _able(self, action: ListAction) -> tuple[list[Account], dict[str, str]]:
        """The accounts to ask, and those left out because they lack a filter. Raises BadCall."""
        accounts = self._gateway.accounts.choose(type(action), action.market)
        if not accounts:
            raise BadCall(f"No configured market supports `{action.tool_name()}`.", next="See list_markets.")
        if _ids(action):
            # An id among the filters belongs to one market, so only that one can know it.
            accounts = [self._gateway.accounts.resolve(action)[0]]
        if action.market is None:
            accounts = _each_list_once(accounts, action)
        rows = {account.name: account.row(action) for account in accounts}
        lacking = {name: ["this"] if row is None else unsupported(row, action) for name, row in rows.items()}
        able = [account for account in accounts if not lacking[account.name]]
        reasons = {name: f"cannot filter by {', '.join(missing)}" for name, missing in lacking.items() if missing}
        if not able:
            cannot = "; ".join(f"{name} {reason}" for name, reason in reasons.items())
            can = "; ".join(f"{name} by {choices(row)}" for name, row in rows.items() if row)
            raise BadCall(f"No market can do this: {cannot}.", next=f"Each can filter: {can}.")
        return able, reasons

    async def _share(self, account: Account, action: ListAction, position: Position) -> tuple[Share, Result]:
        native = self._gateway.accounts.resolve(action)[1] if _ids(action) else action
        row = self._gateway.row(account, native)
        paging = row.listing.paging if row.listing else None
        numbered = paging is not None and paging.param == "page"
        if numbered and not re.fullmatch(r"[1-9][0-9]{0,6}", position.cursor or "1"):
            raise BadCall("That cursor is not one of ours.", next="Pass `next_cursor` as it was, or leave it out.")
        try:
            pages = await self._pages(account, row, native, position)
        except TooSoon as error:
            pages = await self._unfiltered(account, row, action, position, error)
        return joined(pages.shares), pages.feed(position)

    async def _pages(self, account: Account, row: Row, action: ListAction, position: Position) -> "_Pages":
        """The page at a position, and further ones while few items fit what is filtered here. Raises CallError."""
        pages = _Pages(account.name, row, action, left_to_us(row, action))
        # What is put in order here is so page by page, and pages in order do not make a list in order.
        for _ in range(PAGES_AT_ONCE if pages.ours and sort_key(action) is None else 1):
            try:
                answer, held = await self._gateway.read(account, row, action, position.cursor, known=position.given > 0)
            except CallError:
                if not pages.shares:
                    raise
                break
            share = pages.add(answer, held, position)
            following = share.after(len(share.items))
            if following is None or pages.count() >= action.limit:
                break
            position = following
        return pages

    async def _unfiltered(
        self, account: Account, row: Row, action: ListAction, position: Position, error: TooSoon
    ) -> "_Pages":
        """The held page of the list as it is, if it can answer in the place of one that must not be asked for now.

        Raises `error` where it cannot.
        """
        if row.listing is None or not row.listing.once or position.cursor is not None:
            raise error
        try:
            answer, held = await self._gateway.read(account, row, type(action)(market=account.name))
        except CallError:
            raise error from None
        page = cast("Mapping[str, Any]", answer)
        if not can_be_narrowed_here(row, action, page["items"]):
            raise error
        pages = _Pages(account.name, row, action, list(action.filters()), unfiltered=True)
        # Its further pages are not those of the list that was asked for.
        pages.add({**page, "next": None}, held, position)
        return pages


@dataclass
class _Pages:
    """The pages of a market's list that were read for one answer; `ours` are the filters that are answered here.

    `unfiltered` says that they are of the list as it is without any filter.
    """

    market: str
    row: Row
    action: ListAction
    ours: list[str]
    unfiltered: bool = False
    shares: list[Share] = field(default_factory=list[Share])
    helds: list[Held] = field(default_factory=list[Held])
    looked_at: int = 0
    unreadable: int = 0
    ended: str = ""

    def add(self, page: Mapping[str, Any], held: Held, position: Position) -> Share:
        """What is left of a page, from a position on."""
        items = narrow(self.row, self.action, page["items"], unfiltered=self.unfiltered)
        start = position.start(items)
        tool = READ_WHOLE.get(type(self.action).noun)
        left = [item if tool is None else excerpt(item, tool) for item in items[start:]]
        self.ended = position.walk.end(page, position.cursor)
        following = None if self.ended else page["next"]
        share = Share(self.market, left, position._replace(given=start), following, position.walk.after(page))
        self.shares.append(share)
        self.helds.append(held)
        self.looked_at += len(page["items"])
        self.unreadable += page["unreadable"]
        return share

    def count(self) -> int:
        """The items that there are to give out."""
        return sum(len(share.items) for share in self.shares)

    def feed(self, begun: Position) -> Result:
        """Where they come from and how old the oldest is, what could not be read, and why the list ends, if it does."""
        feed = feed_of(max(self.helds, key=lambda held: held.age))
        if self.unreadable:
            feed["unreadable_items"] = self.unreadable
        if self.ended:
            feed["ends"] = f"The list ends here, since {self.ended}."
        if self.unfiltered or (self.ours and (self.shares[-1].next or begun.cursor)):
            looked_at = f"{self.looked_at} items were looked at, not the market's whole list"
            feed["covers"] = f"{', '.join(self.ours)}: {looked_at}"
        return feed


def _each_list_once(accounts: Sequence[Account], action: ListAction) -> list[Account]:
    """The accounts without those that would be shown the same public list again; `market` chooses who acts."""
    kept: dict[str, Account] = {}
    for account in accounts:
        row = account.row(action)
        kept.setdefault(account.public_id if row is not None and not row.auth else account.id, account)
    return list(kept.values())


def _ids(action: ListAction) -> dict[str, object]:
    """The handles among a list's filters."""
    return {name: value for name, value in action.filters().items() if name.endswith("_id")}


def _may_pass(error: CallError) -> bool:
    """Whether the same read may succeed later."""
    return isinstance(error, TooSoon | Unavailable) or (isinstance(error, Refused) and error.status in WAITING_HELPS)


def _all_failed(errors: Mapping[str, CallError]) -> CallError:
    waits = [error.retry_after_seconds for error in errors.values()]
    soonest = min((wait for wait in waits if wait is not None), default=None)
    text = " ".join(f"{name}: {error.as_text()}" for name, error in errors.items())
    refusals = [error for error in errors.values() if isinstance(error, Refused)]
    if len(refusals) == len(errors):
        return Refused(f"Every market refused. {text}", status=refusals[0].status, retry_after_seconds=soonest)
    kind = TooSoon if all(isinstance(error, TooSoon) for error in errors.values()) else Unavailable
    return kind(f"No market could answer. {text}", retry_after_seconds=soonest)
