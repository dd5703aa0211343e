"""A row of a market's table: how one action becomes one HTTP request, and how the reply becomes a result."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple, cast

from market_mcp.actions import Action
from market_mcp.markets.domain import ids_in
from market_mcp.markets.envelope import HELD_BACK
from market_mcp.markets.reply import MAX_BODY, Exact, Fields, Method

UPSTREAM_PAGE = 50
"""Items asked of a market at once: what AgentJob gives at most. OpenTask gives 100; POLT's document names no number."""

Performer = Literal["gateway", "votes", "registration"]
"""Who performs a write: the gateway alone, or the service that knows what else it takes."""


class Page(NamedTuple):
    """A market's page of a list: the items, the cursor of the next page or None at the end, and how many further items
    cannot be read."""

    items: list[Any]
    next: str | None
    unreadable: int = 0


class Filter(NamedTuple):
    """How a market takes one of our filters: its parameter's name, and its words for our values.

    Without `values` any value passes as it is; a value that maps to None is the market's default and is left out.
    """

    param: str
    values: Mapping[Any, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Paging:
    """How a market pages a list: by page number (`page`) or by an opaque cursor (`cursor`).

    `limit` is how many items are asked for at once.
    """

    param: Literal["page", "cursor"]
    limit: int = UPSTREAM_PAGE

    def next(self, reply: Fields, count: int, cursor: str | None) -> str | None:
        """The cursor after a page of `count` items that was asked for with `cursor`.

        A short page proves no end: a market may give fewer items than it is asked for. An empty one does, and what the
        market says of the whole.
        """
        places = (reply, reply.unwrap("data"), reply.unwrap(*_ABOUT_PAGES))
        more = next((flag for place in places for name in _MORE if (flag := place.flag(name)) is not None), None)
        if self.param == "cursor":
            following = next((found for place in places if (found := place.text("nextCursor", "next_cursor"))), None)
            return None if more is False else following
        page = int(cursor or 1)
        ended = not count if more is None else not (more and count)
        return None if ended or (more is None and _is_last(places, page, count)) else str(page + 1)


_ABOUT_PAGES = ("pagination", "meta", "paging", "pageInfo", "page_info")
_MORE = ("has_more", "hasMore", "has_next", "hasNext", "hasNextPage")


def _is_last(places: Sequence[Fields], page: int, count: int) -> bool:
    """Whether a market says by the number of its pages or items that this page, of `count` items, is the last."""

    def said(*names: str) -> int | None:
        return next((found for place in places if (found := place.whole(*names)) is not None), None)

    pages, total = said("totalPages", "total_pages", "pageCount", "page_count"), said("total", "totalCount")
    size = said("limit", "per_page", "perPage", "pageSize", "page_size") or count
    if pages is not None:
        return page >= pages
    return total is not None and (page - 1) * size + count >= total


def nothing(_: Action) -> Mapping[str, object]:
    """No query."""
    return {}


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent besides method and path."""

    query: Callable[[Any], Mapping[str, object]] = nothing
    """The parameters besides filters and page, made of the action."""
    body: Callable[[Any, Any], Mapping[str, object]] | None = None
    """The fields of the JSON body, made of the action and of what else it takes: a password, the standing vote, what
    `before` showed. None: there is no body at all."""
    mcp: bool = False
    """Whether the body is a method of the platform's own MCP server and its params, to be sent in a session of it."""
    before: "Row | None" = None
    """A read that the caller must have made; `body` gets its latest result."""
    safe: bool = False
    """Whether a POST changes nothing."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How a reply holds a list: the name of it, how it is paged, and what narrows it.

    `filters` are those of our filters that the market answers itself, `local` those that are answered here, from the
    market's page. `max_body` is how many bytes a page may have.
    """

    items: str
    paging: Paging | None = None
    filters: Mapping[str, Filter] = field(default_factory=dict[str, Filter])
    local: frozenset[str] = frozenset()
    max_body: int = MAX_BODY
    once: bool = False
    """Whether the market wants its first page asked for once in an interval, however it is narrowed or sorted."""


class Quota(NamedTuple):
    """At most `calls` calls in `seconds`, as the market documents it; `name` is how list_markets calls it."""

    name: str
    calls: int
    seconds: float


class Standing(NamedTuple):
    """At most `most` things at once, as the market documents it, such as tasks committed to.

    `takes` says whether the call adds one or ends one; `subject` is the field that holds the thing's id.
    """

    name: str
    most: int
    subject: str
    takes: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What the market demands of the arguments, and how often it allows the call."""

    takes: frozenset[str] | None = None
    """The arguments that the market knows, where it does not know all."""
    needs: tuple[str, ...] = ()
    """The arguments that it demands, where others can do without."""
    max_length: Mapping[str, int] = field(default_factory=dict[str, int])
    """Its limits on lengths in characters, where they are below those of the action."""
    quota: Quota | None = None
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a call changes besides what its reply says, and what goes with it."""

    performer: Performer = "gateway"
    vote: int = 0
    """For `votes`: 1 or -1, which a second vote of the same value takes away; 0 takes back whichever stands."""
    online: bool = False
    """Whether the agent must be online: a heartbeat goes out just before."""
    claims: bool = False
    """Whether a GET hands the caller something to work on; if its answer is lost, so is that."""
    watches: tuple[tuple[str, str], ...] = ()
    """What check_inbox looks after from then on: a kind, and the field that holds its id."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What in its reply shows that a write took effect, by dotted places in the result that is read from the reply.

    By itself a yes proves something only where nothing contradicts it; where the document promises more, that must be
    there.
    """

    shows: str = ""
    """Where the thing, or the fact, stands that the reply shows."""
    documented: bool = False
    """Whether the platform's document promises it: without it the outcome is unknown. Else the market's bare yes has to
    do, and the result says so."""
    same: Mapping[str, str] = field(default_factory=dict[str, str])
    """By place of an id: the argument that it must be the id of, if it is there."""
    state: str = ""
    """Where the thing's state stands."""
    states: frozenset[str] | Callable[[Any], frozenset[str]] = frozenset()
    """The states in which the call leaves the thing, if it is shown with one; made of the action where they depend on
    it. None: any."""
    waits: bool = False
    """Whether such a thing begins by waiting for somebody, as a submission does for its review."""
    final: bool = False
    """Whether what it shows is to be kept whatever is still to be done, such as a key that is shown once."""

    @property
    def usual(self) -> frozenset[str]:
        """The states that hold nothing back."""
        if self.waits:
            return HELD_BACK
        return frozenset() if callable(self.states) else self.states


@dataclass(frozen=True, slots=True)
class Row:
    """How one action becomes one HTTP request, and how the reply becomes a result."""

    action: type[Action]
    route: str
    """Method and path, with the names of action fields in braces; those are the platform's ids."""
    decode: Callable[[Fields], Any]
    """What a reply says; of a list row, what one item says."""
    section: str
    """Where the platform's document describes the call."""
    inferred: str = ""
    """Why method and path had to be concluded, where the document does not print them."""
    variant: str = ""
    """Tells rows of one action apart: by what the caller asks for, by contract version, or by configuration."""
    auth: bool = True
    """Whether the key is sent."""
    scope: str | None = None
    """What the token must allow."""
    request: Request = Request()
    listing: Listing | None = None
    """Of a list row: how its reply is read."""
    topic: str = ""
    """What a read is about: questions of one topic are paced together."""
    clears: tuple[str, ...] = ()
    """Topics whose held answers a write puts out of date, with names of ids in braces: fields of the action, or what
    the reply says, where `task_id` is the id of its `task` or the `task_id` in anything."""
    proof: Proof = Proof()
    effect: Effect = Effect()
    limits: Limits = Limits()
    also: Mapping[str, "Row"] = field(default_factory=dict[str, "Row"])
    """Further reads whose results join this one under these names; they fail softly. A list is read as far as the
    action's field `{name}_offset` asks."""
    hints: Mapping[int, str] = field(default_factory=dict[int, str])
    """What to do next, by the status of a refusal: a condition ("If …"), since the market may have another reason."""

    @property
    def method(self) -> Method:
        return cast("Method", self.route.partition(" ")[0])

    @property
    def path(self) -> str:
        return self.route.partition(" ")[2]

    @property
    def writes(self) -> bool:
        return self.method != "GET" and not self.request.safe

    def placeholders(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    def outdates(self, action: Action, result: Mapping[str, object] | None = None) -> list[str]:
        """The topics that a write clears, as far as their ids are known from the action or its result."""
        known = {f"{kind}_id": handle.partition(":")[2] for kind, handle in ids_in(result or {})}
        known |= {name: value for name in type(action).model_fields if (value := getattr(action, name)) is not None}
        return [topic.format_map(known) for topic in self.clears if set(re.findall(r"\{(\w+)\}", topic)) <= set(known)]

    def read(self, reply: Fields, cursor: str | None) -> Any:
        """What a reply says: a single thing, or a list's page that was asked for with `cursor`."""
        if self.listing is None:
            return self.decode(reply)
        items, unreadable = reply.readable_each(self.listing.items, self.decode)
        paging = self.listing.paging
        following = paging.next(reply, len(items) + unreadable, cursor) if paging else None
        return Page(_each_once(items), following, unreadable)._asdict()


def _each_once(items: Sequence[Any]) -> list[Any]:
    """The items without those whose id stood before; a market may give one twice in a page."""
    ids = [cast("Mapping[str, object]", item).get("id") if isinstance(item, Mapping) else None for item in items]
    return [item for place, item in enumerate(items) if ids[place] is None or ids[place] not in ids[:place]]


def sends(
    constants: Mapping[str, object] | None = None, /, **names: str
) -> Callable[[Action, object], Mapping[str, object]]:
    """A body of these constants and of these action fields, by the market's names; what is None is left out."""

    def body(action: Action, _: object) -> Mapping[str, object]:
        given = {name: getattr(action, field_name, None) for name, field_name in names.items()}
        # JSON knows one kind of number, and a float has fewer digits than it may.
        plain = {n: Exact(str(v)) if isinstance(v, Decimal) else v for n, v in given.items() if v is not None}
        return {**(constants or {}), **plain}

    return body


def table(*rows: Row) -> Mapping[tuple[type[Action], str], Row]:
    """Rows by action and variant; two alike are a mistake."""
    result = {(row.action, row.variant): row for row in rows}
    if len(result) != len(rows):
        raise ValueError("two rows for one action and variant")
    return result
