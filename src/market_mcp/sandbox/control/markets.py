"""What stands in the pretend markets: their first day, their time, their accounts, and the word of the other side."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from market_mcp.sandbox import agentjob, opentask, polt
from market_mcp.sandbox.control.calls import Control, Controlled, sent
from market_mcp.sandbox.store import iso
from market_mcp.sandbox.web import Refusal

Text = Annotated[str, Field(min_length=1, max_length=20_000)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Passing(_Sent):
    """So many seconds that are to pass."""

    seconds: Annotated[float, Field(ge=0, le=31_536_000, allow_inf_nan=False)]


class Review(_Sent):
    """How OpenPOLT decides a submission."""

    outcome: Literal["approved", "rejected", "needs_revision"]
    reason: Text | None = None


class Decision(_Sent):
    """How the buyer of a contract on OpenTask decides on what was submitted; a rejection needs its reason."""

    action: Literal["accept", "reject"]
    reason: Text | None = None


class Chat(_Sent):
    """A chat that the seeded human opens with the `agent` of this name or id, the seeded one unless it is said.

    `agent_id` is the same by id.
    """

    agent: str | None = None
    agent_id: str | None = None
    text: Text


ACCOUNTS = (
    *({"market": "polt", "name": name, "key": key} for name, key in polt.KEYS.items()),
    *({"market": "agentjob", "name": name, "key": key} for name, key in agentjob.KEYS.items()),
    {"market": "agentjob", "name": "sandbox_user", "session": agentjob.SESSION},
    *({"market": "opentask", "name": name, "key": key} for name, key in opentask.KEYS.items()),
)
"""The seeded accounts with the keys that everybody knows, and the human with a web session."""


def controls(world: Controlled) -> Sequence[Control]:
    """The calls about the world itself and what its other side decides."""
    store, clock = world.store, world.clock

    def done(act: Callable[[sqlite3.Connection, float], object]) -> object:
        """What an act at this moment brings, in one transaction."""
        with store.transaction() as db:
            return act(db, clock.now())

    async def health(_request: Request) -> Response:
        return JSONResponse({"ok": True, "markets": list(world.markets), "now": clock.now()})

    async def reset(_request: Request) -> Response:
        world.reset()
        return Response(status_code=204)

    async def fill(_request: Request) -> Response:
        world.fill()
        return Response(status_code=204)

    async def show_clock(_request: Request) -> Response:
        now = clock.now()
        return JSONResponse({"now": now, "time": iso(now)})

    async def advance(request: Request) -> Response:
        passing = await sent(request, Passing)
        await clock.advance(passing.seconds)
        return await show_clock(request)

    async def accounts(_request: Request) -> Response:
        return JSONResponse({"accounts": ACCOUNTS})

    async def review(request: Request) -> Response:
        wanted, named = await sent(request, Review), request.path_params["id"]
        if not done(lambda db, now: polt.review(db, named, wanted.outcome, wanted.reason, now)):
            raise Refusal(404, "No pending submission has this id")
        return JSONResponse({"outcome": wanted.outcome})

    async def hire(request: Request) -> Response:
        named = request.path_params["id"]
        return JSONResponse({"contract_id": done(lambda db, now: opentask.hire(db, store, now, named))}, 201)

    async def decide(request: Request) -> Response:
        wanted, named = await sent(request, Decision), request.path_params["id"]
        if wanted.action == "reject" and wanted.reason is None:
            raise Refusal(400, "reason: a rejection needs one")
        rejection = wanted.reason if wanted.action == "reject" else None
        return JSONResponse({"status": done(lambda db, now: opentask.decide(db, store, now, named, rejection))})

    async def start_chat(request: Request) -> Response:
        wanted = await sent(request, Chat)
        with store.transaction() as db:
            named = wanted.agent or wanted.agent_id
            started = agentjob.start_test_chat(db, store, clock.now(), named, wanted.text)
        if started is None:
            raise Refusal(404, "No agent has this name or id")
        return JSONResponse({"task_id": started["id"], "chat_id": started["chat_id"]}, 201)

    async def end_sessions(_request: Request) -> Response:
        with store.transaction() as db:
            agentjob.end_sessions(db)
        return Response(status_code=204)

    return (
        Control("health", "GET", "/health", "Whether the markets are open, and their time", health),
        Control("reset", "POST", "/reset", "Empty the markets and seed them anew", reset, status=204),
        Control("seed", "POST", "/seed", "Add more than a page of new items to each public list", fill, status=204),
        Control("show_clock", "GET", "/clock", "The markets' time", show_clock),
        Control(
            "advance_clock", "POST", "/clock", "Move the markets' time ahead by so many seconds", advance,
            Passing,
        ),
        Control("accounts", "GET", "/accounts", "The seeded accounts and their keys, for what takes two", accounts),
        Control(
            "review_submission", "POST", "/polt/submissions/{id}/review", "POLT's verdict on a pending submission",
            review, Review, refuses=(404,),
        ),
        Control(
            "start_chat", "POST", "/agentjob/chats", "A human opens a paid chat with an agent of AgentJob", start_chat,
            Chat, status=201, refuses=(404,),
        ),
        Control(
            "end_mcp_sessions", "DELETE", "/agentjob/mcp-sessions", "Every session at AgentJob's MCP endpoint expires",
            end_sessions, status=204,
        ),
        Control(
            "hire_bidder", "POST", "/opentask/bids/{id}/hire", "The task's owner on OpenTask hires this bidder", hire,
            status=201, refuses=(404, 409),
        ),
        Control(
            "decide_submission", "POST", "/opentask/contracts/{id}/decision",
            "The buyer's verdict on OpenTask on what was submitted", decide, Decision, refuses=(404, 409),
        ),
    )  # fmt: skip
