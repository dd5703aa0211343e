"""The double entry: what the adapters send, what the sandbox serves, and what the witness says, held together."""

import contextlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import anyio
import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from clocks import ManualClock
from contract.witness import (
    MARKETS,
    WitnessCall,
    candidates,
    complaints,
    forbidden,
    load,
    load_all,
    load_forbidden,
    match,
)
from market_mcp import markets
from market_mcp.accounts import Account
from market_mcp.actions import TOOLSETS, Action
from market_mcp.actions.work import MyWork
from market_mcp.errors import CallError
from market_mcp.markets import Row
from market_mcp.sandbox import agentjob, opentask, polt
from market_mcp.sandbox.web import Endpoint
from market_mcp.sandbox.world import KEYS, OTHER_KEYS, World
from market_mcp.state.store import State
from rig import Rig, Sent, dispatcher_at, sandbox_accounts
from story import ACTIONS, live

Route = tuple[str, str, str]
"""Market, method, and path with `{}` for every id, whatever anybody calls it."""

OF_TODAY: dict[Route, str] = {
    ("opentask", "PATCH", "/api/agent/tasks/{}"): "tasks.update",
}
"""Rows that only the platform of today knows, and the call whose `current` notes say so."""

PATH_LOST: Route = ("agentjob", "GET", "/api/chat/{}")
"""Where the sandbox answers the call whose path the document lost."""

BODILESS = ("POST /api/tasks/{}/commit", "POST /api/tasks/{}/uncommit", "POST /api/auth/verify")
"""Calls of POLT that have no body: declaring one as JSON is answered with 400."""


def plain(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def rows() -> Iterator[tuple[Route, Row]]:
    """Every row of every market, those inside others included."""
    for kind, market in markets.MARKETS.items():
        for row in market.rows.values():
            before = row.request.before
            inner = (before,) if before is not None else ()
            for one in (row, *row.also.values(), *inner):
                yield (kind, one.method, plain(one.path)), one


def route_of(call: WitnessCall) -> Route:
    return call.market, call.method, plain(call.path)


WITNESSED: dict[Route, list[WitnessCall]] = {}
for one_call in load_all():
    WITNESSED.setdefault(route_of(one_call), []).append(one_call)


# --- rows and witness ---------------------------------------------------------------------------------------


def test_every_row_is_a_call_of_the_witness() -> None:
    assert {route for route, _ in rows()} - set(WITNESSED) == set(OF_TODAY)
    for route, row in rows():
        if route in OF_TODAY:
            (call,) = (call for call in load(route[0]) if call.name == OF_TODAY[route])
            assert row.inferred and row.variant == "current"
            assert any(row.path.partition("{")[0] in note for note in call.current), call.current


def test_a_row_is_inferred_exactly_where_the_witness_says_so() -> None:
    for route, row in rows():
        if route not in OF_TODAY:
            inferred = {call.status == "inferred" for call in WITNESSED[route]}
            assert inferred == {bool(row.inferred)}, route


def test_a_row_asks_for_the_key_and_the_scope_that_the_witness_names() -> None:
    for route, row in rows():
        for call in WITNESSED.get(route, []):
            assert row.auth == (call.auth == "bearer"), call
            assert (row.scope or "") == call.scope, call


def test_every_call_of_the_witness_has_a_row_or_a_reason() -> None:
    made = {route for route, _ in rows()}
    for call in load_all():
        if call.tools:
            assert route_of(call) in made, call
        if call.auth == "session" or not call.path:
            assert route_of(call) not in made, call


def test_the_tools_of_the_witness_are_those_there_are() -> None:
    offered = {action.tool_name() for actions in TOOLSETS.values() for action in actions}
    assert {tool for call in load_all() for tool in call.tools} == offered - {"list_markets"}


def test_no_row_is_forbidden() -> None:
    for (market, method, path), row in rows():
        assert forbidden(market, method, path.replace("{}", "0f8c-1")) is None, row.route


# --- sandbox and witness ------------------------------------------------------------------------------------


@pytest.fixture
def endpoints(world: World) -> dict[Route, Endpoint]:
    return {
        (name, endpoint.method, plain(endpoint.path)): endpoint
        for name, market in world.markets.items()
        for endpoint in market.endpoints
    }


def test_the_sandbox_serves_every_call_of_the_witness_and_no_other(endpoints: dict[Route, Endpoint]) -> None:
    assert set(endpoints) - {PATH_LOST} == {route for route in WITNESSED if route[2]}
    assert PATH_LOST in endpoints


def test_the_sandbox_takes_what_the_witness_says(endpoints: dict[Route, Endpoint]) -> None:
    # What takes a key or a session is asked with a key by agents, and of them the witness speaks.
    auths = {"none": "none", "key": "bearer", "any": "bearer", "session": "session"}
    for route, endpoint in endpoints.items():
        for call in WITNESSED.get(route, []):
            assert auths[endpoint.auth] == call.auth, call
            assert (endpoint.scope or "") == call.scope, call
            assert (endpoint.body is None) == (call.body_kind == "none"), call
            query = endpoint.query.model_fields if endpoint.query is not None else {}
            assert set(query) == set(call.query), call


def inferred_in_the_sandbox(contract: Literal["seed", "current"]) -> set[Route]:
    """The routes that the pretend markets mark as not printed in any document."""
    served = [module.market(0, contract) for module in (polt, agentjob, opentask)]
    return {(one.name, e.method, plain(e.path)) for one in served for e in one.endpoints if e.inferred}


def test_the_sandbox_marks_as_inferred_what_the_witness_does() -> None:
    witnessed = {route for route, calls in WITNESSED.items() if route[2] and calls[0].status == "inferred"}
    assert inferred_in_the_sandbox("seed") == witnessed | {PATH_LOST}
    assert inferred_in_the_sandbox("current") == witnessed | {PATH_LOST} | set(OF_TODAY)


def test_the_sandbox_marks_as_inferred_what_the_adapters_do() -> None:
    marked = inferred_in_the_sandbox("current")
    assert {route for route, row in rows() if row.inferred} == marked & {route for route, _ in rows()}


def test_the_sandbox_refuses_exactly_the_forbidden_routes(world: World) -> None:
    for name, market in world.markets.items():
        refused = {(endpoint.method, plain(endpoint.path)) for endpoint in market.forbidden}
        assert refused == {(ban.method, plain(ban.path)) for ban in load_forbidden(name)}


# --- requests and witness -----------------------------------------------------------------------------------


async def sent_by(world: World, clock: ManualClock, directory: Path, contract: str) -> list[Sent]:
    """Every request of a life in which every tool is called."""

    def at(keys: dict[str, str]) -> list[Account]:
        return [replace(account, contract=contract) for account in sandbox_accounts(keys=keys)]

    rig = Rig(world, clock, directory)
    async with rig.open(at(KEYS)) as you, rig.open(at(OTHER_KEYS), state="other.db") as other:
        await live(you, other, clock)
        return you.wire.sent + other.wire.sent


def departures(sent: Sent) -> tuple[str, ...]:
    """How a request departs from the witness."""
    call = match(sent.market, sent.method, sent.path, sent.body)
    if call is None:
        return ("it is no documented call",)
    found = complaints(call, query=sent.query, body=sent.body, headers=sent.headers)
    uncalled_for = "authorization" in sent.headers and call.auth != "bearer"
    return (*found, *(("a key goes where none is asked for",) if uncalled_for else ()))


@pytest.mark.anyio
async def test_every_request_of_every_tool_is_what_the_witness_documents(
    prompt_world: World, clock: ManualClock, tmp_path: Path
) -> None:
    sent = await sent_by(prompt_world, clock, tmp_path, "seed")
    assert [(one.market, one.route, departures(one)) for one in sent if departures(one)] == []
    # And it was every row: none went untested, but for the vote by REST, which is chosen by configuration.
    reached = {route_of(call) for one in sent if (call := match(one.market, one.method, one.path, one.body))}
    left = {route for route, _ in rows()} - reached - set(OF_TODAY)
    assert left == {("agentjob", "POST", "/api/tasks/{}/upvote")}


@pytest.mark.anyio
async def test_the_request_that_configuration_chooses_is_what_the_witness_documents(rig: Rig) -> None:
    (account,) = sandbox_accounts(["agentjob"])
    async with rig.open([replace(account, variants={"upvote_post": "rest"})]) as worker:
        post = (await worker.call("list_posts"))["posts"][0]["id"]
        await worker.call("upvote_post", post_id=post)
        vote = worker.wire.sent[-1]
    assert vote.path.endswith("/upvote") and departures(vote) == ()


@pytest.mark.anyio
async def test_todays_contract_departs_from_the_witness_only_where_it_is_noted(
    tmp_path: Path, clock: ManualClock
) -> None:
    world = World(None, clock, pace=0, contract="current")
    try:
        sent = await sent_by(world, clock, tmp_path, "current")
    finally:
        world.close()
    found = {(plain_of(one), why) for one in sent for why in departures(one)}
    assert found == {
        ("POST /api/agent/tasks/{}/bids", "body expectedTaskUpdatedAt is not documented"),
        ("PATCH /api/agent/tasks/{}", "it is no documented call"),
    }
    writes = [one for one in sent if one.market == "opentask" and one.method != "GET"]
    keys = [one.headers["idempotency-key"] for one in writes]
    assert len(set(keys)) == len(keys)
    assert not [one for one in sent if one.market != "opentask" and "idempotency-key" in one.headers]


def plain_of(sent: Sent) -> str:
    """A request's route with its ids taken out."""
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "{}", sent.route)


@pytest.mark.anyio
async def test_a_request_without_a_body_declares_none(prompt_world: World, clock: ManualClock, tmp_path: Path) -> None:
    sent = [one for one in await sent_by(prompt_world, clock, tmp_path, "seed") if one.body is None]
    assert {plain_of(one) for one in sent if one.market == "polt"} >= set(BODILESS)
    for one in sent:
        assert "content-type" not in one.headers, one
        assert one.headers.get("content-length", "0") == "0", one


# --- forbidden routes ---------------------------------------------------------------------------------------

TARGETS = [
    part
    for market in MARKETS
    for path in (*(ban.path for ban in load_forbidden(market)), *(call.path for call in load(market)))
    for part in (path, path.removeprefix("/api/"))
    if path
]
PIECES = [
    *("..", ".", "/", "\\", "%2e%2e", "%2f", "%252e", "?", "#", "&", ";", "@", ":", "\x00", "\n", "\r\n", " ", "\t"),
    *("\u2024\u2024", "\uff0e\uff0e", "\u2215", "\u202e", "\u200b", "\ud800", "me", "recent", "advance", "cto", "1"),
    *("pending-reviews", "review", "http://127.0.0.1:9", "//evil.example", "{task_id}", "{0.__class__}", "%s"),
]
hostile = st.one_of(
    st.lists(st.sampled_from([*PIECES, *TARGETS]), min_size=1, max_size=6).map("".join),
    st.text(min_size=1, max_size=60),
)


def arguments(action: type[Action], market: str, native: str) -> dict[str, object]:
    """The action's example with this id in every place where it has one; empty where it has none."""
    places = [name for name in action.example if name.endswith("_id")]
    return {**action.example, **dict.fromkeys(places, f"{market}:{native}")} if places else {}


async def reached_with(ids: list[str]) -> list[Route]:
    """What every tool of every market sends when every id is one of these, one after the other."""
    seen: list[Route] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.url.host == "sandbox.invalid"
        _, market, path = request.url.raw_path.decode().partition("?")[0].split("/", 2)
        seen.append((market, request.method, f"/{path}"))
        return httpx2.Response(404, json={"error": "Not found"})

    async with dispatcher_at(httpx2.MockTransport(answer), ManualClock(), State(None)) as dispatcher:
        for native, action in itertools.product(ids, ACTIONS.values()):
            for account in dispatcher.accounts.supporting(action):
                given = arguments(action, account.name, native)
                if given:
                    with contextlib.suppress(CallError, ValidationError):
                        await dispatcher.perform(action.model_validate(given))
    return seen


def assert_listed(seen: list[Route]) -> None:
    for market, method, path in seen:
        assert candidates(market, method, path), (market, method, path)
        assert forbidden(market, method, path) is None, (market, method, path)


@given(ids=st.lists(hostile, min_size=10, max_size=10))
@example(ids=["0f8c-1", "me", "recent", "tasks", "heartbeat", "read-all"])
@settings(max_examples=25)
def test_no_id_leads_to_a_route_that_is_not_listed(ids: list[str]) -> None:
    assert_listed(anyio.run(reached_with, ids))


def test_an_id_as_markets_give_them_leads_somewhere() -> None:
    reached = {(market, method, plain_id(path)) for market, method, path in anyio.run(reached_with, ["0f8c-1"])}
    with_ids = {route for route, row in rows() if "{}" in route[2] and row.action.offered}
    assert len(reached & with_ids) > 30


def plain_id(path: str) -> str:
    return path.replace("0f8c-1", "{}")


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["x/../../cto/pending-reviews?", "../cto/pending-reviews#", "a b", "\ud800", ".."])
async def test_a_name_that_a_market_gives_us_leads_to_no_other_route_either(name: str) -> None:
    seen: list[Route] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        _, market, path = request.url.raw_path.decode().partition("?")[0].split("/", 2)
        seen.append((market, request.method, f"/{path}"))
        return httpx2.Response(200, content=json.dumps({"valid": True, "agent": {"username": name}, "tasks": []}))

    async with dispatcher_at(
        httpx2.MockTransport(answer), ManualClock(), State(None), sandbox_accounts(["polt"])
    ) as dispatcher:
        result = await dispatcher.perform(MyWork())
    assert seen == [("polt", "POST", "/api/auth/verify")]
    assert "polt" in str(result["skipped"])
