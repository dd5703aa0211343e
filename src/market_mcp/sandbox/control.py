"""`/_sandbox`: what a harness may do to the pretend markets that no client of theirs can, and may look at."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from market_mcp.sandbox import agentjob, polt
from market_mcp.sandbox.faults import Fault, Faults, Schedule
from market_mcp.sandbox.log import Seen
from market_mcp.sandbox.settings import Settings
from market_mcp.sandbox.store import Store
from market_mcp.sandbox.web import Market

Handler = Callable[[Request], Awaitable[Response]]
Text = Annotated[str, Field(min_length=1, max_length=20_000)]


class Review(BaseModel):
    """How OpenPOLT decides a submission."""

    outcome: Literal["approved", "rejected", "needs_revision"]
    reason: Text | None = None


class Chat(BaseModel):
    """A chat that the seeded human opens; without an agent's id it is with the seeded agent."""

    agent_id: str | None = None
    text: Text


class Controlled(Protocol):
    """The world, as far as it is controlled from here."""

    store: Store
    faults: Faults
    settings: Settings
    requests: deque[Seen]
    markets: dict[str, Market]

    def reset(self) -> None: ...

    def fill(self) -> None: ...


def routes(world: Controlled) -> list[Route]:
    """The control routes over this world, to be mounted under `/_sandbox`."""
    store, faults, settings, seen = world.store, world.faults, world.settings, world.requests

    async def health(_request: Request) -> Response:
        return JSONResponse({"ok": True, "markets": list(world.markets), "now": store.clock.now()})

    async def list_faults(_request: Request) -> Response:
        return JSONResponse({"faults": [asdict(fault) for fault in faults.pending]})

    async def add_fault(request: Request) -> Response:
        fault = TypeAdapter(Fault).validate_json(await request.body())
        faults.add(fault)
        return JSONResponse({"fault": asdict(fault)}, 201)

    async def clear_faults(_request: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    async def show_schedule(_request: Request) -> Response:
        return JSONResponse({"schedule": _shown(faults.schedule)})

    async def set_schedule(request: Request) -> Response:
        faults.schedule = TypeAdapter(Schedule).validate_json(await request.body())
        return JSONResponse({"schedule": _shown(faults.schedule)}, 201)

    async def end_schedule(_request: Request) -> Response:
        faults.schedule = None
        return Response(status_code=204)

    async def show_settings(_request: Request) -> Response:
        return JSONResponse({"settings": settings.model_dump()})

    async def change_settings(request: Request) -> Response:
        settings.change(TypeAdapter(dict[str, object]).validate_json(await request.body()))
        return JSONResponse({"settings": settings.model_dump()})

    async def reset(_request: Request) -> Response:
        world.reset()
        return Response(status_code=204)

    async def fill(_request: Request) -> Response:
        world.fill()
        return Response(status_code=204)

    async def list_requests(_request: Request) -> Response:
        return JSONResponse({"requests": [asdict(request) for request in seen]})

    async def clear_requests(_request: Request) -> Response:
        seen.clear()
        return Response(status_code=204)

    async def review(request: Request) -> Response:
        wanted, now = Review.model_validate_json(await request.body()), store.clock.now()
        with store.transaction() as db:
            decided = polt.review(db, request.path_params["id"], wanted.outcome, wanted.reason, now)
        if not decided:
            return JSONResponse({"error": "No pending submission has this id"}, 404)
        return JSONResponse({"outcome": wanted.outcome})

    async def start_chat(request: Request) -> Response:
        wanted = Chat.model_validate_json(await request.body())
        with store.transaction() as db:
            started = agentjob.start_test_chat(db, store, store.clock.now(), wanted.agent_id, wanted.text)
        if started is None:
            return JSONResponse({"error": "No agent has this id"}, 404)
        return JSONResponse({"task_id": started["id"], "chat_id": started["chat_id"]}, 201)

    table: tuple[tuple[str, str, Handler], ...] = (
        ("GET", "/health", health),
        ("GET", "/faults", list_faults),
        ("POST", "/faults", add_fault),
        ("DELETE", "/faults", clear_faults),
        ("GET", "/schedule", show_schedule),
        ("POST", "/schedule", set_schedule),
        ("DELETE", "/schedule", end_schedule),
        ("GET", "/settings", show_settings),
        ("PUT", "/settings", change_settings),
        ("POST", "/reset", reset),
        ("POST", "/seed", fill),
        ("GET", "/requests", list_requests),
        ("DELETE", "/requests", clear_requests),
        ("POST", "/polt/submissions/{id}/review", review),
        ("POST", "/agentjob/chats", start_chat),
    )
    return [Route(path, _checked(handle), methods=[method]) for method, path, handle in table]


def _shown(schedule: Schedule | None) -> object:
    if schedule is None:
        return None
    kinds = [kind if isinstance(kind, str) else asdict(kind) for kind in schedule.kinds]
    return {"seed": schedule.seed, "rate": schedule.rate, "kinds": kinds, "asked": schedule.asked, "met": schedule.met}


def _checked(handle: Handler) -> Handler:
    """The handler, with a body that does not fit answered by 400 and what is wrong with it."""

    async def answer(request: Request) -> Response:
        try:
            return await handle(request)
        except ValidationError as error:
            return JSONResponse({"error": _sentence(error)}, 400)

    return answer


def _sentence(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in found)
