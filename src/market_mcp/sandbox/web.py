"""How a table of endpoints becomes a marketplace that answers HTTP."""

import json
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from market_mcp.sandbox.faults import Faults
from market_mcp.sandbox.store import Store

Model = TypeVar("Model", bound=BaseModel)

HOLD_STEP = 0.25
"""Seconds between two looks of a held request at whether its answer has come."""


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
    """The JSON object of a request: a number in quotation marks is no number; unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)


@dataclass(frozen=True, slots=True)
class Hold:
    """A handler's answer "not yet": the request is held and the handler asked again until `until` (wall)."""

    until: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: a JSON value and its status; without a value the answer has no body."""

    body: object
    status: int = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request as a handler sees it.

    `agent` is the id of the caller in this market (empty on a public endpoint called without a key), `scopes`
    what its token may do, `query` and `body` the parsed models that the endpoint declares, `headers` those of
    the request (any case), `arrived` when it came and `now` when it is (re)considered, in seconds since 1970.
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
    """Who a credential belongs to; `token` is the id of the credential where a market lets it be managed."""

    agent: str
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
    act: Act | None = None
    refuses_empty_json: bool = False


def asgi(market: Market, store: Store, faults: Faults) -> Starlette:
    """The marketplace as an ASGI application, to be mounted under `/<name>`."""
    routes = [
        Route(e.path, _endpoint(market, e, store, faults), methods=[e.method], name=f"{e.method} {e.path}")
        for e in (*market.endpoints, *market.forbidden)
    ]
    return Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})


def route_path(scope: Scope) -> str:
    """The path of a request as the marketplace knows it, without the prefix that it is mounted under."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _endpoint(
    market: Market, endpoint: Endpoint, store: Store, faults: Faults
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        async def serve() -> Response:
            try:
                return _response(await _serve(market, endpoint, store, request))
            except Refusal as refusal:
                return JSONResponse({"error": refusal.error}, refusal.status, refusal.headers)

        fault = faults.take(market.name, endpoint.method, route_path(request.scope))
        return await serve() if fault is None else await fault.meet(request, serve, store.clock)

    return answer


def _response(reply: Reply) -> Response:
    return Response(status_code=reply.status) if reply.body is None else JSONResponse(reply.body, reply.status)


async def _serve(market: Market, endpoint: Endpoint, store: Store, request: Request) -> Reply:
    arrived = store.clock.now()
    raw = await request.body()
    while True:
        now = store.clock.now()
        with store.transaction() as db:
            if market.act is not None:
                market.act(db, store, now)
            # Who is asking comes before what is asked: a stranger learns nothing about what is expected.
            identity = _identify(market, endpoint, db, request)
            call = Call(
                db=db,
                store=store,
                now=now,
                arrived=arrived,
                path=request.path_params,
                query=_parse(endpoint.query, dict(request.query_params), "query"),
                body=_parse(endpoint.body, _json(market, endpoint, request, raw), "body"),
                agent=identity.agent,
                scopes=identity.scopes,
                token=identity.token,
                client_ip=request.client.host if request.client else "",
                headers=request.headers,
            )
            reply = endpoint.handle(call)
        if isinstance(reply, Reply):
            return reply
        await store.clock.sleep(min(HOLD_STEP, max(0.0, reply.until - store.clock.now())))
        if await request.is_disconnected():
            # Nobody waits any more: what would have been handed over stays for the next who asks.
            return Reply(None, 499)


def _identify(market: Market, endpoint: Endpoint, db: sqlite3.Connection, request: Request) -> Identity:
    header, cookie = request.headers.get("authorization", ""), request.cookies.get("session", "")
    identity = None
    if header.startswith("Bearer ") and endpoint.auth != "session":
        identity = market.by_key(db, header.removeprefix("Bearer "))
    elif endpoint.auth == "session" or (endpoint.auth == "any" and not header):
        identity = market.by_session(db, cookie) if market.by_session and cookie else None
    if identity is None:
        if endpoint.auth != "none":
            raise Refusal(401, "Unauthorized")
        return Identity("")
    if endpoint.scope is not None and endpoint.scope not in identity.scopes:
        raise Refusal(403, f"Missing scope: {endpoint.scope}")
    return identity


def _json(market: Market, endpoint: Endpoint, request: Request, raw: bytes) -> object:
    declared = request.headers.get("content-type", "").startswith("application/json")
    if declared and not raw and market.refuses_empty_json:
        raise Refusal(400, "Bad Request: body is empty but Content-Type is application/json")
    if endpoint.body is None:
        return None
    if endpoint.body_optional and not raw:
        return {}
    if not declared:
        raise Refusal(400, "Content-Type must be application/json")
    try:
        value = json.loads(raw, parse_float=_number)
        # What Python reads and JSON cannot say (NaN, 1e999, half a surrogate pair) could not be shown again.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Refusal(400, "Body is not valid JSON") from None
    return value


def _number(text: str) -> float:
    """JSON has one kind of number: 5.0 is as whole as 5."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _parse(model: type[BaseModel] | None, value: object, where: str) -> BaseModel | None:
    if model is None:
        return None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or where
        raise Refusal(400, f"{name}: {first['msg']}") from None


async def _not_found(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "Not found"}, 404)
