"""Trouble that can be switched on per route, so that clients can be seen to survive it."""

import fnmatch
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from market_mcp.sandbox.store import Clock

Kind = Literal[
    "latency", "status", "rate_limit", "redirect",
    "drop_after", "reset", "timeout", "truncated", "drip", "html", "malformed", "huge", "duplicate",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)

When = Literal["before", "after"]
"""Whether trouble comes before the marketplace has seen the request, or after it has done what was asked."""

BEFORE_UNLESS_SAID = frozenset[Kind]({"latency", "status", "rate_limit", "redirect"})

NEEDS_AN_ANSWER = frozenset[Kind]({"drop_after", "truncated", "drip", "duplicate"})
"""What is done to an answer of the marketplace, and so cannot come before there is one."""

PIECES = 10
"""Into how many pieces `drip` cuts an answer."""

NO_STATUS_LINE = 0
"""A status that no server can write: it closes the connection instead, before the first byte of an answer."""

PAGE = """<!DOCTYPE html>
<html><head><title>{status}</title></head>
<body><h1>The endpoint is unavailable</h1><p>This page is the proxy's, not the marketplace's.</p></body></html>
"""

Serve = Callable[[], Awaitable[Response]]
"""Lets the marketplace handle the request; every call of it does so once."""


CLOSED = ConfigDict(extra="forbid")
"""A field that is spelled wrong is a mistake and no wish for what is usual."""


class Dropped(ConnectionError):
    """Raised in the middle of an answer so that the server closes the connection on its client."""


@dataclass(slots=True)
class Fault:
    """One kind of trouble on the routes of `market` whose path fits `path` (a shell pattern), `times` times.

    Paths are those of the market, without the prefix that it is mounted under.

    `when` is whether the marketplace does what it was asked; left out, it does not for latency, status,
    rate_limit and redirect, and does for the rest. `seconds` is the latency, the `Retry-After`, or how long the
    body of a `drip` takes; `status` the code of `status` (None: 500), `html` (502) and `redirect` (302); `answer`
    which of the two answers to a request that is handled twice (`duplicate`) goes back.

    Raises ValueError for trouble with an answer that is to come before there is one.
    """

    __pydantic_config__ = CLOSED

    kind: Kind
    market: str = "*"
    method: str = "*"
    path: str = "*"
    times: Annotated[int, Field(ge=1)] = 1
    seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 5.0
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    when: When | None = None
    answer: Literal["first", "second"] = "second"

    def __post_init__(self) -> None:
        if self.when is None:
            self.when = "before" if self.kind in BEFORE_UNLESS_SAID else "after"
        if self.when == "before" and self.kind in NEEDS_AN_ANSWER:
            raise ValueError(f"{self.kind} is done to an answer of the marketplace: leave `when` out, or say after")

    def fits(self, market: str, method: str, path: str) -> bool:
        wanted = ((market, self.market), (method, self.method), (path, self.path))
        return all(fnmatch.fnmatchcase(value, pattern) for value, pattern in wanted)

    async def meet(self, request: Request, serve: Serve, clock: Clock) -> Response:
        """What the client is answered. Raises Dropped, as does the answer where the connection is to break."""
        if self.when == "before":
            early = await self._trouble(None, request, clock)
            return await serve() if early is None else early
        answer = await serve()
        if self.kind == "duplicate":
            again = await serve()
            return again if self.answer == "second" else answer
        return await self._trouble(answer, request, clock) or answer

    async def _trouble(self, answer: Response | None, request: Request, clock: Clock) -> Response | None:
        """What goes back in place of the marketplace's answer (None: it has not acted); None for that answer."""
        status = 200 if answer is None else answer.status_code
        match self.kind:
            case "latency":
                await clock.sleep(self.seconds)
                return None
            case "status":
                return _in_json({"error": "Internal error"}, self.status or 500)
            case "rate_limit":
                return JSONResponse({"error": "Too many requests"}, 429, {"Retry-After": str(int(self.seconds))})
            case "redirect":
                return Response(status_code=self.status or 302, headers={"Location": "http://127.0.0.1:9/elsewhere"})
            case "html":
                return _page(self.status or 502)
            case "malformed":
                return Response(b'{"data": [NaN, ', status, media_type="application/json")
            case "huge":
                return Response(b"[" + b"0," * 5_000_000 + b"0]", status, media_type="application/json")
            case "reset":
                return _Broken(NO_STATUS_LINE, b"")
            case "drop_after":
                return _Broken(200, b"", length=64)
            case "timeout":
                while (await request.receive())["type"] != "http.disconnect":
                    pass
                return Response(status_code=499)
            case "truncated" if answer is not None:
                whole = bytes(answer.body)
                return _Broken(status, whole[: len(whole) // 2], length=max(1, len(whole)))
            case "drip" if answer is not None:
                return _Drip(answer, self.seconds, clock)
            case _:
                return None


def _in_json(body: object, status: int) -> Response:
    return Response(status_code=status) if status in (204, 304) else JSONResponse(body, status)


def _page(status: int) -> Response:
    return Response(status_code=status) if status in (204, 304) else HTMLResponse(PAGE.format(status=status), status)


class _Broken(Response):
    """An answer of which some bytes arrive, of the `length` that it promises."""

    def __init__(self, status: int, arriving: bytes, *, length: int = 0) -> None:
        super().__init__(status_code=status)
        self._arriving, self._length = arriving, length

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(self._length).encode())]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        if self._arriving:
            await send({"type": "http.response.body", "body": self._arriving, "more_body": True})
        raise Dropped("the sandbox dropped this answer on purpose")


class _Drip(Response):
    """An answer whose body takes its seconds to arrive, piece by piece."""

    def __init__(self, answer: Response, seconds: float, clock: Clock) -> None:
        super().__init__(answer.body, answer.status_code)
        self.raw_headers = answer.raw_headers
        self._seconds, self._clock = seconds, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body, size = bytes(self.body), max(1, -(-len(self.body) // PIECES))
        for start in range(0, len(body), size):
            await self._clock.sleep(self._seconds / PIECES)
            await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@dataclass(slots=True)
class Schedule:
    """Trouble by chance: each request meets one of `kinds` with a probability of `rate`, from `random.Random(seed)`.

    A kind stands for a fault that is as it is by default; one that is to be otherwise (`when`, `status`, `path` …)
    is written as a fault, whose `times` counts for nothing. The same requests in the same order meet the same trouble.
    """

    __pydantic_config__ = CLOSED

    seed: int
    rate: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    kinds: Annotated[list[Kind | Fault], Field(min_length=1)] = field(default_factory=lambda: [*KINDS])
    asked: int = field(default=0, init=False)
    met: int = field(default=0, init=False)
    """How many requests have been asked about so far, and how many of them met trouble."""
    _rng: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)  # noqa: S311 - it is to be repeatable

    def draw(self, market: str, method: str, path: str) -> Fault | None:
        """What the next request meets; two numbers are drawn for it whatever they are needed for."""
        chance, which = self._rng.random(), self._rng.random()
        self.asked += 1
        kind = self.kinds[int(which * len(self.kinds))]
        fault = replace(kind) if isinstance(kind, Fault) else Fault(kind)
        if chance >= self.rate or not fault.fits(market, method, path):
            return None
        self.met += 1
        return fault


@dataclass(slots=True)
class Faults:
    """The faults in force, oldest first, each used up after its number of times; and those that come by chance."""

    pending: list[Fault] = field(default_factory=list[Fault])
    schedule: Schedule | None = None

    def add(self, fault: Fault) -> None:
        self.pending.append(fault)

    def clear(self) -> None:
        self.pending.clear()

    def take(self, market: str, method: str, path: str) -> Fault | None:
        """The first fault that fits this request, counted down, else what the schedule has for it; None for none."""
        chance = None if self.schedule is None else self.schedule.draw(market, method, path)
        for fault in self.pending:
            if fault.fits(market, method, path):
                fault.times -= 1
                if fault.times <= 0:
                    self.pending.remove(fault)
                return fault
        return chance
