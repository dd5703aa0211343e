"""`/_sandbox`: what a harness may do to the pretend markets that no client of theirs can, and may look at.

Every call stands in a table with what it takes and does, from which the index and the OpenAPI document are made.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from market_mcp.sandbox.control import conduct, markets
from market_mcp.sandbox.control.calls import Control, Controlled, document, listed

__all__ = ["routes"]


def routes(world: Controlled) -> list[Route]:
    """The control routes over this world, to be mounted under `/_sandbox`."""

    async def index(_request: Request) -> Response:
        return JSONResponse(listed(controls))

    async def describe(_request: Request) -> Response:
        return JSONResponse(document(controls))

    controls = (
        Control("index", "GET", "/", "What can be done here", index),
        Control("describe", "GET", "/openapi.json", "The same as OpenAPI 3.1, with bodies", describe),
        *markets.controls(world),
        *conduct.controls(world),
    )
    return [control.route() for control in controls]
