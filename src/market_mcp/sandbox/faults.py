"""Trouble that can be switched on per route, so that clients can be seen to survive it."""

import fnmatch
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from market_mcp.sandbox.store import Clock

Kind = Literal["latency", "status", "rate_limit", "drop_after", "malformed", "huge", "redirect"]


class Dropped(ConnectionError):
    """Raised in the middle of an answer so that the server closes the connection on its client."""


@dataclass(slots=True)
class Fault:
    """One kind of trouble on the routes of `market` whose path fits `path` (a shell pattern), `times` times.

    Paths are those of the market, without the prefix that it is mounted under.

    `seconds` is the latency or the `Retry-After`; `status` the code of `status` (None: 500) and `redirect` (302).
    `drop_after` lets the marketplace do what it was asked and then loses the answer.
    """

    kind: Kind
    market: str = "*"
    method: str = "*"
    path: str = "*"
    times: Annotated[int, Field(ge=1)] = 1
    seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 5.0
    status: Annotated[int, Field(ge=200, le=599)] | None = None

    async def before(self, clock: Clock) -> Response | None:
        """Trouble that comes before the marketplace has seen the request; None when it goes on to see it."""
        match self.kind:
            case "latency":
                await clock.sleep(self.seconds)
            case "status":
                status = self.status or 500
                bodiless = status in (204, 304)
                return Response(status_code=status) if bodiless else JSONResponse({"error": "Internal error"}, status)
            case "rate_limit":
                return JSONResponse({"error": "Too many requests"}, 429, {"Retry-After": str(int(self.seconds))})
            case "redirect":
                return Response(status_code=self.status or 302, headers={"Location": "http://127.0.0.1:9/elsewhere"})
            case _:
                pass
        return None

    def after(self, response: Response) -> Response:
        """The answer as the client gets to see it, after the marketplace has acted."""
        match self.kind:
            case "malformed":
                return Response(b'{"data": [NaN, ', response.status_code, media_type="application/json")
            case "huge":
                return Response(b"[" + b"0," * 5_000_000 + b"0]", response.status_code, media_type="application/json")
            case "drop_after":
                return _Cut()
            case _:
                return response


class _Cut(Response):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
        raise Dropped("the sandbox dropped this answer on purpose")


@dataclass(slots=True)
class Faults:
    """The faults in force, oldest first; each is used up after its number of times."""

    pending: list[Fault] = field(default_factory=list[Fault])

    def add(self, fault: Fault) -> None:
        self.pending.append(fault)

    def clear(self) -> None:
        self.pending.clear()

    def take(self, market: str, method: str, path: str) -> Fault | None:
        """The first fault that fits this request, counted down; None when there is none."""
        for fault in self.pending:
            wanted = ((market, fault.market), (method, fault.method), (path, fault.path))
            if all(fnmatch.fnmatchcase(value, pattern) for value, pattern in wanted):
                fault.times -= 1
                if fault.times <= 0:
                    self.pending.remove(fault)
                return fault
        return None
