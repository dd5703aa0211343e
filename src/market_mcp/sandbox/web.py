"""What a pretend marketplace is written in: its endpoints, what they take, and what a handler is given and answers."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, model_validator

from market_mcp.sandbox.schemas import Schema
from market_mcp.sandbox.settings import Settings
from market_mcp.sandbox.store import Store

Model = TypeVar("Model", bound=BaseModel)


class Refusal(Exception):
    """The marketplace says no: a status, the sentence in `{"error": …}`, headers such as `Retry-After`."""

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.headers = status, error, dict(headers or {})


class Query(BaseModel):
    """The query of a request; a parameter without a value counts as left out ("or leave empty for all")."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        given = cast("dict[str, object]", data)
        return {name: value for name, value in given.items() if value != ""}


class Body(BaseModel):
    """The JSON object of a request: a number in quotation marks is no number; unknown fields are ignored, and told."""

    model_config = ConfigDict(extra="ignore", strict=True)


@dataclass(frozen=True, slots=True)
class Hold:
    """A handler's answer "not yet": the request is held and the handler asked again until `until` (wall)."""

    until: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: a JSON value and its status; without a value the answer has no body.

    `events` says whether the value goes as the one event of an event stream.
    """

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    events: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request as a handler sees it.

    `agent` is the id of the caller in this market (empty on a public endpoint called without a key), `scopes`
    what its token may do, `query` and `body` the parsed models that the endpoint declares, `headers` those of
    the request (any case), `arrived` when it came and `now` when it is (re)considered, in seconds since 1970,
    `settings` how the markets behave.
    """

    db: sqlite3.Connection
    store: Store
    now: float
    arrived: float
    path: Mapping[str, str]
    query: BaseModel | None
    body: BaseModel | None
    agent: str
    scopes: frozenset[str]
    token: str
    client_ip: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: Settings = field(default_factory=Settings)

    def asked(self, model: type[Model]) -> Model:
        """The parsed query of an endpoint that declares this model for it."""
        return _declared(self.query, model)

    def sent(self, model: type[Model]) -> Model:
        """The parsed body of an endpoint that declares this model for it."""
        return _declared(self.body, model)


def _declared(value: BaseModel | None, model: type[Model]) -> Model:
    if not isinstance(value, model):
        raise TypeError(f"the endpoint declares no {model.__name__}")
    return value


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a credential belongs to; `token` is the id of the credential where a market lets it be managed.

    `name` is the word by which people know the account: a username or handle.
    """

    agent: str
    name: str = ""
    scopes: frozenset[str] = frozenset()
    token: str = ""


Authenticate = Callable[[sqlite3.Connection, str], Identity | None]
"""Looks a bearer key (or a session cookie) up; None when it is nobody's."""

Act = Callable[[sqlite3.Connection, Store, float], None]
"""Lets the other parties catch up to a moment (seconds since 1970), whenever the market is looked at."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One documented call of a marketplace: how it is reached, what it takes, the function that answers.

    `auth` says who may call: anybody, the holder of a key, of a web session, or of either.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    handle: Callable[[Call], Reply | Hold]
    summary: str
    auth: Literal["none", "key", "session", "any"] = "none"
    scope: str | None = None
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    statuses: tuple[int, ...] = field(default=(200,))
    """What it answers when all is well, and its own refusals; those its shape brings are implied."""
    body_optional: bool = False
    """Whether a request may go without a body, which then counts as an empty object."""
    unknown_inside: Callable[[Mapping[str, object]], Sequence[str]] | None = None
    """Names what the call does not take further inside a body, where that is another call's to say."""
    listed_from: str = "created_at"
    """The column with the time at which an item comes into the list that this call answers."""
    foreign: bool = False
    """Whether its answers are messages of a protocol, whose form is not the market's to choose."""
    inferred: bool = False
    """Whether the platform's document describes the call without printing its method and path."""


@dataclass(frozen=True, slots=True)
class Market:
    """A pretend marketplace: its name, its endpoints and how it knows its callers.

    `forbidden` are routes that exist upstream but are not for agents: they refuse and are not described.
    `refuses_empty_json` says whether a request without a body that declares one as JSON is answered with 400.
    """

    name: str
    endpoints: Sequence[Endpoint]
    by_key: Authenticate
    by_session: Authenticate | None = None
    forbidden: Sequence[Endpoint] = ()
    lapse: Act | None = None
    """What the platform itself does as time passes; `act` is what the other parties do."""
    act: Act | None = None
    refuses_empty_json: bool = False
    answers: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    """What each endpoint (`GET /api/tasks`) answers when all is well; `records` are what these refer to by name."""
    records: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
