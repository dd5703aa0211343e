"""One list out of many markets' pages: filters and sorts that a market lacks, fair shares, one cursor."""

import base64
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple, cast

from market_mcp.actions import ListAction
from market_mcp.actions.base import LONGEST_CURSOR
from market_mcp.errors import BadCall
from market_mcp.markets import Row
from market_mcp.markets.domain import plain
from market_mcp.markets.filters import contradicts, filters_of, is_upstream, local_of
from market_mcp.services.paging import START, Walk, mark, name_of
from market_mcp.text.times import seconds
from market_mcp.text.truncate import ROOM, compact

Item = Mapping[str, Any]
Fits = Callable[[Item], bool]
Key = Callable[[Item], Any]

EXCERPT = 280
"""Characters of a long text in a list of what can be read whole elsewhere; all other texts are whole."""

READ_WHOLE = {
    "posts": "get_post",
    "tasks": "get_task",
    "bids": "get_bid",
    "contracts": "get_contract",
    "agents": "get_profile",
}
"""By what a list brings: the tool that reads one of them whole, where there is one."""


REMEMBERED = 4
"""Items given out last that a position remembers, to be found again where others were put in or taken out meanwhile."""


class Position(NamedTuple):
    """Where a market's list goes on: the cursor of its page, and how many of that page's items were given out.

    `last` are marks of the items given out last, `walk` how far the list was followed before this page.
    """

    cursor: str | None = None
    given: int = 0
    last: tuple[str, ...] = ()
    walk: Walk = START

    def start(self, items: Sequence[Item]) -> int:
        """The place in this page of the first item that was not given out yet."""
        marks = [mark(name_of(item)) for item in items]
        for place in range(len(marks) - 1, -1, -1):
            # The page may have moved under us: what was given out last stands in it as it did, or does not count.
            before = self.last[-(place + 1) :]
            if before and tuple(marks[place + 1 - len(before) : place + 1]) == before:
                return place + 1
        return min(self.given, len(items))


@dataclass(frozen=True, slots=True)
class Share:
    """What a page of one market has to offer for an answer: items not given out yet, and where the next page starts.

    `walk` is how far the list was followed with this page, `then` the share of the next page, if that was read too.
    """

    market: str
    items: Sequence[Item]
    position: Position
    next: str | None
    walk: Walk = START
    then: "Share | None" = None

    def all(self) -> list[Item]:
        """The items of all pages that were read."""
        return [*self.items, *(self.then.all() if self.then else ())]

    def after(self, taken: int) -> Position | None:
        """Where to go on when `taken` of the items were given out; None at the end of the list."""
        marks = (mark(name_of(item)) for item in self.all()[:taken])
        return self._after(taken, (*self.position.last, *marks)[-REMEMBERED:])

    def _after(self, taken: int, last: tuple[str, ...]) -> Position | None:
        if taken < len(self.items):
            return self.position._replace(given=self.position.given + taken, last=last)
        if self.then is not None:
            return self.then._after(taken - len(self.items), last)
        return None if self.next is None else Position(self.next, 0, last, self.walk)


def joined(shares: Sequence[Share]) -> Share:
    """One share of pages that follow one another."""
    *before, share = shares
    for each in reversed(before):
        share = replace(each, then=share)
    return share


def deal(
    shares: Sequence[Share], limit: int, room: int = ROOM, key: Key | None = None
) -> tuple[list[Item], dict[str, Position]]:
    """At most `limit` items, as many as there is room for but at least one, and where each market goes on.

    With a `key`, by which each share is sorted, all are; else they are taken in turn from each market, so that a busy
    one hides no quiet one.
    """
    taken = {share.market: 0 for share in shares}
    items: list[Item] = []
    offered = _in_turn([(share, share.all()) for share in shares])
    for share, item in offered if key is None else sorted(offered, key=lambda one: key(one[1])):
        room -= len(compact(item)) + 1
        if len(items) == limit or (items and room < 0):
            break
        items.append(item)
        taken[share.market] += 1
    positions = {share.market: share.after(taken[share.market]) for share in shares}
    return items, {market: position for market, position in positions.items() if position is not None}


def _in_turn(shares: Sequence[tuple[Share, Sequence[Item]]]) -> Iterator[tuple[Share, Item]]:
    for turn in range(max((len(items) for _, items in shares), default=0)):
        for share, items in shares:
            if turn < len(items):
                yield share, items[turn]


def encode_cursor(action: ListAction, positions: Mapping[str, Position]) -> str | None:
    """One opaque cursor for all markets, good for the same filters only; None when every list has ended."""
    if not positions:
        return None
    content = json.dumps([_fingerprint(action), positions], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def followable(action: ListAction, positions: Mapping[str, Position]) -> dict[str, Position]:
    """The positions whose cursor can be passed back: all, or without the longest where it would be too long."""
    left = dict(positions)
    while len(encode_cursor(action, left) or "") > LONGEST_CURSOR:
        del left[max(left, key=lambda market: len(left[market].cursor or ""))]
    return left


def decode_cursor(action: ListAction) -> dict[str, Position] | None:
    """The positions in the action's cursor, None without one. Raises BadCall."""
    if action.cursor is None:
        return None
    try:
        content = base64.urlsafe_b64decode(action.cursor + "=" * (-len(action.cursor) % 4))
        fingerprint, positions = json.loads(content)
        found = {market: _position(*position) for market, position in positions.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise BadCall(
            "That cursor is not one of ours.", next="Pass `next_cursor` as it was, or leave it out."
        ) from None
    if fingerprint != _fingerprint(action):
        raise BadCall(
            "That cursor belongs to other filters.", next="Repeat the call's filters, or leave the cursor out."
        )
    return found


def _position(cursor: object, given: object, last: object, walk: object) -> Position:
    """A position as a cursor brings it back. Raises ValueError or TypeError for one that none of ours can hold."""
    if not isinstance(cursor, str | None) or not isinstance(given, int) or given < 0:
        raise ValueError("no position")
    if not isinstance(last, list) or not isinstance(walk, list):
        raise ValueError("no position")
    # Half a character can be written in JSON, but not in a request.
    (cursor or "").encode()
    pages, *marks = cast("list[object]", walk)
    if not isinstance(pages, int) or pages < 0:
        raise ValueError("no position")
    cursor_mark, page_mark = map(str, marks)
    return Position(cursor, given, tuple(map(str, cast("list[object]", last))), Walk(pages, cursor_mark, page_mark))


def _fingerprint(action: ListAction) -> str:
    filters = {name: str(value) for name, value in action.filters().items()}
    return hashlib.sha256(json.dumps([action.tool_name(), filters], sort_keys=True).encode()).hexdigest()[:12]


def unsupported(row: Row, action: ListAction) -> list[str]:
    """The filters of the call that nobody can answer for this market, with their value where it knows others."""
    lacking: list[str] = []
    for name, value in action.filters().items():
        local = name in local_of(row) and (name != "sort" or value in SORTS)
        if not is_upstream(row, name, value) and not local:
            lacking.append(f"{name}={value}" if name in filters_of(row) or name in local_of(row) else name)
    return lacking


def narrow(row: Row, action: ListAction, items: Sequence[Item], *, unfiltered: bool = False) -> list[Item]:
    """The items of a page that fit the filters which the market leaves to us, in the order asked for.

    What contradicts a filter that the market answers itself is left out too. An `unfiltered` page was asked for without
    any, so that all are left to us.
    """
    left = [item for item in items if not contradicts(action, item, row)]
    for name in action.filters() if unfiltered else left_to_us(row, action):
        if name != "sort":
            fits = FILTERS[name](getattr(action, name), action)
            left = [item for item in left if fits(item)]
    key = sort_key(action)
    # What a market has sorted is sorted again, since all pages must be in the same order to become one.
    return left if key is None else sorted(left, key=key)


def can_be_narrowed_here(row: Row, action: ListAction, items: Sequence[Item]) -> bool:
    """Whether these items, of the list as it is without filters, say all that the call's filters ask for."""
    upstream = [name for name, value in action.filters().items() if is_upstream(row, name, value)]
    return all(name in FILTERS and any(name in item for item in items) for name in upstream)


def left_to_us(row: Row, action: ListAction) -> list[str]:
    """The filters of the call that are answered here, from the market's page alone."""
    return [name for name, value in action.filters().items() if not is_upstream(row, name, value)]


def sort_key(action: ListAction) -> Key | None:
    """The key of the order that is asked for, where items of several markets have one."""
    return SORTS.get(str(getattr(action, "sort", "")))


def order_of(action: ListAction) -> str | None:
    """What is said of that order."""
    return SORTED.get(str(getattr(action, "sort", "")))


def excerpt(item: Item, tool: str) -> Item:
    """The item with its long texts cut, which say how long they are and which tool reads them whole."""
    cut = {
        name: f"{text[:EXCERPT].rstrip()}… [{len(text)} characters; {tool} has them all]"
        for name, text in item.items()
        if isinstance(text, str) and len(text) > EXCERPT
    }
    return {**item, **cut} if cut else item


def _has_words(value: object, _: ListAction) -> Fits:
    words = str(value).casefold().split()

    def fits(item: Item) -> bool:
        text = " ".join(str(item.get(name, "")) for name in ("title", "body", "description")).casefold()
        return all(word in text for word in words)

    return fits


def _in_currency(value: object, _: ListAction) -> Fits:
    return lambda item: item.get("pay", {}).get("currency") == str(value).strip().upper()


def _pays(value: object, action: ListAction) -> Fits:
    """Amounts in different currencies do not compare, so a minimum needs its currency."""
    if getattr(action, "currency", None) is None:
        raise BadCall("`min_pay` needs `currency`: amounts are never converted.", next="Add one, such as USDC.")
    least = cast("Decimal", value)
    return lambda item: (amount := _amount(item)) is not None and amount >= least


def _due(value: object, _: ListAction) -> Fits:
    before = seconds(str(value))
    if before is None:
        raise BadCall("`due_before` is not a date or time.", next="Write it as 2026-03-14 or 2026-03-14T10:00:00Z.")
    return lambda item: (due := _deadline(item)) is not None and due < before


def _amount(item: Item) -> Decimal | None:
    amount = item.get("pay", {}).get("amount")
    return None if amount is None else Decimal(amount)


def _by_pay(item: Item) -> tuple[int, str, Decimal]:
    """Amounts in different currencies do not compare, so each has its place; then what names none, then no amount."""
    amount, currency = _amount(item), item.get("pay", {}).get("currency", "")
    return (2 if amount is None else 1 if not currency else 0), currency, -(amount or Decimal(0))


def _deadline(item: Item) -> float | None:
    return seconds(str(item.get("deadline", "")))


FILTERS: dict[str, Callable[[object, ListAction], Fits]] = {
    "query": _has_words,
    "currency": _in_currency,
    "min_pay": _pays,
    "due_before": _due,
    "status": lambda value, _: lambda item: value == "any" or plain(item.get("status") or value) == plain(value),
    "channel": lambda value, _: lambda item: plain(item.get("channel")) == plain(value),
    "difficulty": lambda value, _: lambda item: plain(item.get("difficulty")) == plain(value),
}
SORTS: dict[str, Key] = {
    "payout": _by_pay,
    "deadline": lambda item: math.inf if (due := _deadline(item)) is None else due,
}
SORTED = {
    "payout": "Grouped by currency, the best paid first in each: amounts of different currencies do not compare.",
    "deadline": "The soonest first, over all markets; those without a deadline last.",
}
"""How an answer that we sorted says so."""
