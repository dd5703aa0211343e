"""How a table of endpoints becomes a marketplace that answers HTTP."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from market_mcp.sandbox.faults import Faults
from market_mcp.sandbox.limits import Limiter
from market_mcp.sandbox.log import Seen, route_path, seen_of
from market_mcp.sandbox.settings import Settings
from market_mcp.sandbox.shaping import restored, shaped, without
from market_mcp.sandbox.store import Store
from market_mcp.sandbox.web import Call, Endpoint, Identity, Market, Refusal, Reply

HOLD_STEP = 0.25
"""Seconds between two looks of a held request at whether its answer has come."""


ENTERED = ("created_at", "submitted_at")
"""The columns with the time of a row's making."""

UNKNOWN_KEPT = 20
"""How many unknown names of a request are told."""


def asgi(market: Market, store: Store, faults: Faults, settings: Settings) -> Starlette:
    """The marketplace as an ASGI application, to be mounted under `/<name>`."""
    limiter = Limiter()
    routes = [
        Route(
            e.path,
            _Served(market, e, store, faults, settings, limiter).answer,
            methods=[e.method],
            name=f"{e.method} {e.path}",
        )
        for e in (*market.endpoints, *market.forbidden)
    ]
    return Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})


@dataclass(frozen=True, slots=True)
class _Served:
    """An endpoint of a market, and all that its answers depend on."""

    market: Market
    endpoint: Endpoint
    store: Store
    faults: Faults
    settings: Settings
    limiter: Limiter

    async def answer(self, request: Request) -> Response:
        seen = seen_of(request.scope)
        seen.sent(await request.body())
        seen.unknown = _unknown(self.endpoint, request, await request.body())
        with self.store.transaction() as db:
            seen.account = _account(self.market, db, request)

        async def serve() -> Response:
            try:
                if self.settings.rate_limit is not None:
                    caller = seen.account or f"at {_address(request)}"
                    self.limiter.count(caller, self.settings.rate_limit, self.store.clock.now())
                return self._response(await self._reply(request, seen))
            except Refusal as refusal:
                return JSONResponse({"error": refusal.error}, refusal.status, refusal.headers)

        fault = self.faults.take(self.market.name, self.endpoint.method, route_path(request.scope))
        if fault is None:
            return await serve()
        seen.fault = fault.kind
        return await fault.meet(request, serve, self.store.clock)

    async def _reply(self, request: Request, seen: Seen) -> Reply:
        arrived = self.store.clock.now()
        raw = await request.body()
        while True:
            now = self.store.clock.now()
            with self.store.transaction() as db:
                if self.market.lapse is not None:
                    self.market.lapse(db, self.store, now)
                if self.market.act is not None and self.settings.counterparties:
                    self.market.act(db, self.store, now)
                # Who is asking comes before what is asked: a stranger learns nothing about what is expected.
                identity = _identify(self.market, self.endpoint, db, request)
                call = Call(
                    db=db,
                    store=self.store,
                    now=now,
                    arrived=arrived,
                    path=request.path_params,
                    query=_parse(self.endpoint.query, dict(request.query_params), "query"),
                    body=_parse(self.endpoint.body, self._sent(request, raw), "body"),
                    agent=identity.agent,
                    scopes=identity.scopes,
                    token=identity.token,
                    client_ip=_address(request),
                    headers=request.headers,
                    settings=self.settings,
                )
                if self.settings.strict and seen.unknown:
                    raise Refusal(400, f"Unknown: {', '.join(seen.unknown)}")
                before = self.store.changes
                reply = self.endpoint.handle(call)
                changed = self.store.changes > before
                if isinstance(reply, Reply):
                    seen.effect = seen.effect or changed
                    return self._as_visible(reply, db, now)
            await self.store.clock.sleep(min(HOLD_STEP, max(0.0, reply.until - self.store.clock.now())))
            if await request.is_disconnected():
                # Nobody waits any more: what would have been handed over stays for the next who asks.
                return Reply(None, 499)

    def _sent(self, request: Request, raw: bytes) -> object:
        return restored(_json(self.market, self.endpoint, request, raw), self.settings)

    def _as_visible(self, reply: Reply, db: sqlite3.Connection, now: float) -> Reply:
        """The reply to a read without what is too new for a list."""
        lag = self.settings.visible_after
        if not lag or self.endpoint.method != "GET":
            return reply
        hidden = self.store.entered_after(db, now - lag, (*ENTERED, self.endpoint.listed_from))
        return replace(reply, body=without(reply.body, hidden))

    def _response(self, reply: Reply) -> Response:
        if reply.body is None:
            return Response(status_code=reply.status, headers=reply.headers)
        if reply.events:
            event = f"event: message\r\ndata: {json.dumps(reply.body)}\r\n\r\n"
            return Response(event, reply.status, reply.headers, "text/event-stream")
        body = reply.body
        if reply.status < 400 and not self.endpoint.foreign:
            body = shaped(body, self.settings, read=self.endpoint.method == "GET")
        return JSONResponse(body, reply.status, reply.headers)


def _account(market: Market, db: sqlite3.Connection, request: Request) -> str | None:
    """The name of whoever the key or session of a request belongs to, whether or not the endpoint asks for one."""
    header, cookie = request.headers.get("authorization", ""), request.cookies.get("session", "")
    identity = None
    if header.startswith("Bearer "):
        identity = market.by_key(db, header.removeprefix("Bearer "))
    elif cookie and market.by_session is not None:
        identity = market.by_session(db, cookie)
    return None if identity is None else identity.name


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _unknown(endpoint: Endpoint, request: Request, raw: bytes) -> list[str]:
    """The query parameters and body fields that the endpoint does not take, such as `query.q` and `body.note`."""
    found = {f"query.{name}": None for name in request.query_params if name not in _fields(endpoint.query)}
    found |= {f"body.{name}": None for name in _unknown_in_body(endpoint, raw)}
    # Half a surrogate pair is a name in JSON, and could not be shown again.
    return [name[:100].encode(errors="replace").decode() for name in list(found)[:UNKNOWN_KEPT]]


def _unknown_in_body(endpoint: Endpoint, raw: bytes) -> Iterator[str]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        sent = cast("dict[str, object]", value)
        yield from (name for name in sent if name not in _fields(endpoint.body))
        if endpoint.unknown_inside is not None:
            yield from endpoint.unknown_inside(sent)


def _fields(model: type[BaseModel] | None) -> frozenset[str]:
    return frozenset() if model is None else frozenset(model.model_fields)


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


async def _not_found(request: Request, _error: Exception) -> Response:
    seen_of(request.scope).sent(await request.body())
    return JSONResponse({"error": "Not found"}, 404)
