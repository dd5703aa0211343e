"""What a marketplace is: a table of rows, one for each call that an agent can make there."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple, cast

from market_mcp.actions import Action, ListAction
from market_mcp.markets.reply import MAX_BODY, Fields, Method

Result = Mapping[str, object]

UPSTREAM_PAGE = 50
"""Items asked of a market at once: what AgentJob gives at most. OpenTask gives 100; POLT's document names no number."""

TAKE_BACK = 2
"""The `toggle` of a row that takes a standing vote back, whichever it is."""


class Page(NamedTuple):
    """A market's page of a list: the items, the cursor of the next page or None at the end, and how many further items
    cannot be read."""

    items: list[Any]
    next: str | None
    unreadable: int = 0


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


class Filter(NamedTuple):
    """How a market takes one of our filters: its parameter's name, and its words for our values.

    Without `values` any value passes as it is; a value that maps to None is the market's default and is left out.
    """

    param: str
    values: Mapping[Any, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Paging:
    """How a market pages a list: by page number (`page`) or by an opaque cursor (`cursor`).

    `limit` is how many items are asked for at once. `full` is for page numbers: a page of at least that many items may
    be followed by another. It is below `limit` where the market may give fewer items than it is asked for.
    """

    param: Literal["page", "cursor"]
    limit: int = UPSTREAM_PAGE
    full: int = UPSTREAM_PAGE

    def next(self, reply: Fields, count: int, cursor: str | None) -> str | None:
        """The cursor after a page of `count` items that was asked for with `cursor`."""
        if self.param == "cursor":
            return reply.text("nextCursor", "next_cursor")
        # Page-numbered markets document no total. A page that may be full is followed by one that may be empty.
        return str(int(cursor or 1) + 1) if count >= self.full else None


def nothing(_: Action) -> Mapping[str, object]:
    """No query and no fields."""
    return {}


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
    query: Callable[[Any], Mapping[str, object]] = nothing
    body: Callable[[Any], Mapping[str, object]] | None = None
    """The fields of the JSON body; a request without this and without `body_with` has no body at all."""
    body_with: Callable[[Any, Any], Mapping[str, object]] | None = None
    """The same, made of the action and of what else it takes: a password, the standing vote, what `before` showed."""
    auth: bool = True
    scope: str | None = None
    """What the token must allow."""
    max_body: int = MAX_BODY
    """Bytes that the reply may have."""
    items: str | None = None
    """The name of the list in the reply of a list row."""
    paging: Paging | None = None
    filters: Mapping[str, Filter] = field(default_factory=dict[str, Filter])
    """Our filters that the market answers itself."""
    local: frozenset[str] = frozenset()
    """Our filters that are answered here, from the market's page."""
    topic: str = ""
    """What a read is about: questions of one topic are paced together."""
    clears: tuple[str, ...] = ()
    """Topics whose held answers a write puts out of date, with names of ids in braces: fields of the action, or what
    the reply says, where `task_id` is the id of its `task` or the `task_id` in anything."""
    beat: bool = False
    """Whether a heartbeat goes out just before."""
    toggle: int = 0
    """The value of a vote that a second vote of the same value takes away."""
    secret: bool = False
    """Whether the reply holds a key, as its field `secret`."""
    reads: bool = False
    """Whether a POST changes nothing."""
    claims: bool = False
    """Whether a GET hands the caller something to work on; if its answer is lost, so is that."""
    takes: frozenset[str] | None = None
    """The arguments that the market knows, where it does not know all."""
    needs: tuple[str, ...] = ()
    """The arguments that it demands, where others can do without."""
    max_length: Mapping[str, int] = field(default_factory=dict[str, int])
    """Its limits on lengths in characters, where they are below those of the action."""
    also: "tuple[Row, ...]" = ()
    """Further reads whose results join this one under their `into`; they fail softly. One with `items` is read as far
    as the action's field `{into}_offset` asks."""
    into: str = ""
    before: "Row | None" = None
    """A read that the caller must have made; `body_with` gets its latest result."""
    quota: Quota | None = None
    standing: Standing | None = None
    watches: tuple[tuple[str, str], ...] = ()
    """What check_inbox looks after from then on: a kind, and the field that holds its id."""
    hints: Mapping[int, str] = field(default_factory=dict[int, str])
    """What to do next, by the status of a refusal."""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def method(self) -> Method:
        return cast("Method", self.route.partition(" ")[0])

    @property
    def path(self) -> str:
        return self.route.partition(" ")[2]

    @property
    def writes(self) -> bool:
        return self.method != "GET" and not self.reads

    def placeholders(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    def outdates(self, action: Action, result: Mapping[str, object] | None = None) -> list[str]:
        """The topics that a write clears, as far as their ids are known from the action or its result."""
        ids = _ids_in(result or {}) | {name: getattr(action, name) for name in type(action).model_fields}
        known = {name: value for name, value in ids.items() if value is not None}
        return [topic.format_map(known) for topic in self.clears if set(re.findall(r"\{(\w+)\}", topic)) <= set(known)]

    def page(self, reply: Fields, cursor: str | None) -> Page:
        """A list row's reply as a page."""
        items, unreadable = reply.readable_each(self.items or "", self.decode)
        following = self.paging.next(reply, len(items) + unreadable, cursor) if self.paging else None
        return Page(items, following, unreadable)


@dataclass(frozen=True, slots=True)
class Market:
    """A kind of marketplace.

    `document` is the name of the platform's own document, the authority for the rows. `base_urls` by contract: `seed`
    is what that document prints, `current` what the platform answers at today. `key_pattern` is the form of its keys,
    `id_pattern` that of its ids: only such an id ever enters a path.
    """

    kind: str
    name: str
    document: str
    base_urls: Mapping[str, str]
    key_env: str
    key_pattern: re.Pattern[str]
    probe: type[ListAction]
    """A list to ask in order to know whether the market answers."""
    rows: Mapping[tuple[type[Action], str], Row]
    news: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """By the kind of thing that a notification is about: the topics whose held answers it puts out of date."""
    idempotency_from: str | None = None
    """The contract version from which writes carry an `Idempotency-Key` header."""
    id_pattern: re.Pattern[str] = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")

    routes: frozenset[str] = field(init=False)
    """The methods and paths of its rows."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "routes", frozenset(row.route for row in self.rows.values()))

    def supports(self, action: type[Action]) -> bool:
        return any(row_action is action for row_action, _ in self.rows)

    def row(self, action: type[Action], variants: Sequence[str]) -> Row | None:
        """The row of an action: the first of these variants there is, else the plain one."""
        for variant in (*variants, ""):
            if (action, variant) in self.rows:
                return self.rows[action, variant]
        return None

    def rows_of(self, action: type[Action]) -> list[Row]:
        return [row for (row_action, _), row in self.rows.items() if row_action is action]


def _ids_in(result: Mapping[str, object], holder: str = "") -> dict[str, object]:
    """The platform's own ids in a result, by name; `id` has that of the field it stands in."""
    ids: dict[str, object] = {}
    for name, value in result.items():
        if isinstance(value, Mapping):
            ids |= _ids_in(cast("Mapping[str, object]", value), name)
        elif isinstance(value, str) and (name.endswith("_id") or (name == "id" and holder)):
            ids[name if name != "id" else f"{holder}_id"] = value.partition(":")[2]
    return ids


def sends(constants: Mapping[str, object] | None = None, /, **names: str) -> Callable[[Action], Mapping[str, object]]:
    """A body of these constants and of these action fields, by the market's names; what is None is left out."""

    def body(action: Action) -> Mapping[str, object]:
        given = {name: getattr(action, field_name, None) for name, field_name in names.items()}
        # JSON has no decimals.
        plain = {n: float(v) if isinstance(v, Decimal) else v for n, v in given.items() if v is not None}
        return {**(constants or {}), **plain}

    return body


def table(*rows: Row) -> Mapping[tuple[type[Action], str], Row]:
    """Rows by action and variant; two alike are a mistake."""
    result = {(row.action, row.variant): row for row in rows}
    if len(result) != len(rows):
        raise ValueError("two rows for one action and variant")
    return result
