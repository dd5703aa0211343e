"""How the pretend markets behave: trouble, switches, and the log of what reached them."""

import fnmatch
from collections.abc import Sequence
from dataclasses import asdict

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from market_mcp.sandbox.control.calls import Control, Controlled, sent
from market_mcp.sandbox.faults import Fault, Schedule
from market_mcp.sandbox.settings import Settings
from market_mcp.sandbox.web import Refusal

METHODS = ["GET", "POST", "PATCH", "DELETE"]
"""Those of the calls of the markets."""


class Switch(BaseModel):
    """Whether something is on."""

    model_config = ConfigDict(extra="forbid", strict=True)

    on: bool


def controls(world: Controlled) -> Sequence[Control]:
    """The calls about faults, the schedule of faults, settings, counterparties and the log."""
    faults, settings, seen = world.faults, world.settings, world.requests

    def could_meet(fault: Fault) -> None:
        """Refuse a fault that no request can ever meet, since its market or method is none."""
        for what, pattern, known in (("market", fault.market, [*world.markets]), ("method", fault.method, METHODS)):
            if not fnmatch.filter(known, pattern):
                raise Refusal(400, f"{what}: none fits {pattern!r}; there are: {', '.join(known)}")

    async def list_faults(_request: Request) -> Response:
        return JSONResponse({"faults": [asdict(fault) for fault in faults.pending]})

    async def add_fault(request: Request) -> Response:
        fault = await sent(request, Fault)
        could_meet(fault)
        faults.add(fault)
        return JSONResponse({"fault": asdict(fault)}, 201)

    async def clear_faults(_request: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    async def show_schedule(_request: Request) -> Response:
        return JSONResponse({"schedule": _shown(faults.schedule)})

    async def set_schedule(request: Request) -> Response:
        schedule = await sent(request, Schedule)
        for kind in schedule.kinds:
            if isinstance(kind, Fault):
                could_meet(kind)
        faults.schedule = schedule
        return JSONResponse({"schedule": _shown(faults.schedule)}, 201)

    async def end_schedule(_request: Request) -> Response:
        faults.schedule = None
        return Response(status_code=204)

    async def show_settings(_request: Request) -> Response:
        return JSONResponse({"settings": settings.model_dump()})

    async def change_settings(request: Request) -> Response:
        settings.change(await sent(request, dict[str, object]))
        return await show_settings(request)

    async def default_settings(_request: Request) -> Response:
        settings.change(dict(Settings()))
        return Response(status_code=204)

    async def show_counterparties(_request: Request) -> Response:
        return JSONResponse({"on": settings.counterparties})

    async def switch_counterparties(request: Request) -> Response:
        settings.counterparties = (await sent(request, Switch)).on
        return await show_counterparties(request)

    async def list_requests(_request: Request) -> Response:
        return JSONResponse({"requests": [asdict(request) for request in seen]})

    async def clear_requests(_request: Request) -> Response:
        seen.clear()
        return Response(status_code=204)

    return (
        Control("list_faults", "GET", "/faults", "The faults in force, oldest first", list_faults),
        Control(
            "add_fault", "POST", "/faults", "Trouble for the next requests that fit", add_fault, Fault, status=201
        ),
        Control("clear_faults", "DELETE", "/faults", "End all faults", clear_faults, status=204),
        Control("show_schedule", "GET", "/schedule", "The trouble by chance, and how often it struck", show_schedule),
        Control(
            "set_schedule", "POST", "/schedule", "Trouble by chance, from a seed", set_schedule, Schedule, status=201
        ),
        Control("end_schedule", "DELETE", "/schedule", "End trouble by chance", end_schedule, status=204),
        Control("show_settings", "GET", "/settings", "How the markets behave", show_settings),
        Control(
            "change_settings", "PUT", "/settings", "Change the settings that are named", change_settings, Settings,
            partial=True,
        ),
        Control("default_settings", "DELETE", "/settings", "Behave as documented again", default_settings, status=204),
        Control("show_counterparties", "GET", "/counterparties", "Whether the robots act", show_counterparties),
        Control(
            "switch_counterparties", "PUT", "/counterparties",
            "Let the robots act or rest; on again, they do at once what has come due", switch_counterparties, Switch,
        ),
        Control("list_requests", "GET", "/requests", "The requests to a market, oldest first", list_requests),
        Control("clear_requests", "DELETE", "/requests", "Start a new log", clear_requests, status=204),
    )  # fmt: skip


def _shown(schedule: Schedule | None) -> object:
    if schedule is None:
        return None
    kinds = [kind if isinstance(kind, str) else asdict(kind) for kind in schedule.kinds]
    return {"seed": schedule.seed, "rate": schedule.rate, "kinds": kinds, "asked": schedule.asked, "met": schedule.met}
