"""What a control call is, how it is listed, and how a body that does not fit is refused."""

import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from market_mcp.sandbox.clock import Advanceable
from market_mcp.sandbox.faults import Faults
from market_mcp.sandbox.log import Seen
from market_mcp.sandbox.settings import Settings
from market_mcp.sandbox.store import Store
from market_mcp.sandbox.web import Market, Refusal

Handler = Callable[[Request], Awaitable[Response]]
Json = dict[str, object]
Sent = TypeVar("Sent")

REFERENCE = "#/components/schemas/{model}"


class Controlled(Protocol):
    """The world, as far as it is controlled from here."""

    clock: Advanceable
    store: Store
    faults: Faults
    settings: Settings
    requests: deque[Seen]
    markets: dict[str, Market]

    def reset(self) -> None: ...

    def fill(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Control:
    """A call under `/_sandbox`: its name, how it is reached, what it does and what body it takes (None: none).

    `status` is what it answers when all is well; `refuses` what else it may answer beside 400 for a body.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    does: str
    handle: Handler
    takes: Any = None
    status: int = 200
    refuses: tuple[int, ...] = ()
    partial: bool = False
    """Whether what a body leaves out stays as it is."""

    def route(self) -> Route:
        return Route(self.path, _checked(self.handle), methods=[self.method], name=self.name)


async def sent(request: Request, kind: type[Sent]) -> Sent:
    """The body of a request; raises ValidationError when it is not of this kind."""
    return TypeAdapter(kind).validate_json(await request.body())


def _checked(handle: Handler) -> Handler:
    """The handler, with what it refuses answered in a sentence, and with 400 where a body does not fit."""

    async def answer(request: Request) -> Response:
        try:
            return await handle(request)
        except ValidationError as error:
            return JSONResponse({"error": _sentence(error)}, 400)
        except Refusal as refusal:
            return JSONResponse({"error": refusal.error}, refusal.status)

    return answer


def _sentence(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in found)


def listed(controls: Sequence[Control]) -> Json:
    """Every call with its name, method, path and what it does."""
    return {
        "controls": [
            {"name": one.name, "method": one.method, "path": f"/_sandbox{one.path}", "does": one.does}
            for one in controls
        ]
    }


def document(controls: Sequence[Control]) -> Json:
    """The OpenAPI 3.1 document of the calls."""
    paths: dict[str, Json] = {}
    schemas: Json = {}
    for one in controls:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "What a harness may do to the pretend marketplaces", "version": "1"},
        "servers": [{"url": "/_sandbox"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(control: Control, schemas: Json) -> Json:
    statuses = {control.status, *control.refuses, *((400,) if control.takes is not None else ())}
    operation: Json = {
        "operationId": control.name,
        "summary": control.does,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"\{(\w+)\}", control.path)
        ],
        "responses": {str(status): {"description": HTTPStatus(status).phrase} for status in sorted(statuses)},
    }
    if control.takes is not None:
        schema = TypeAdapter(control.takes).json_schema(ref_template=REFERENCE)
        schemas.update(schema.pop("$defs", {}))
        if control.partial:
            for field in schema["properties"].values():
                field.pop("default", None)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation
