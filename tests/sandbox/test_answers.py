"""What the pretend markets say of their answers is so: each answer of each call fits its schema, and has no more."""

import json
import random
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import httpx2
import pytest
from jsonschema import Draft202012Validator

from clocks import ManualClock as Clock
from market_mcp.accounts import Account
from market_mcp.sandbox import openapi
from market_mcp.sandbox.world import KEYS, OTHER_KEYS, SESSION, World
from rig import Rig, sandbox_accounts
from sandbox.hands import Caller, Json, at
from story import live

pytestmark = pytest.mark.anyio

Contract = Literal["seed", "current"]


def closed(schema: Any) -> Any:
    """A schema whose objects have no other fields than those it names."""
    if isinstance(schema, dict):
        found = {name: closed(inner) for name, inner in cast("Json", schema).items()}
        return found | {"additionalProperties": False} if "properties" in found else found
    return [closed(one) for one in cast("list[Any]", schema)] if isinstance(schema, list) else schema


class Read(httpx2.AsyncBaseTransport):
    """Passes requests on and holds every good answer against the description of its call."""

    def __init__(self, world: World) -> None:
        self._inner = httpx2.ASGITransport(app=world.app)
        self.answered: set[tuple[str, str]] = set()
        self._described = [
            (name, endpoint.method, re.compile(re.sub(r"\{\w+\}", "[^/]+", endpoint.path)), endpoint.path, document)
            for name, market in world.markets.items()
            for document in [openapi.document(market, f"/{name}")]
            # A path without a parameter is nobody's id.
            for endpoint in sorted(market.endpoints, key=lambda one: one.path.count("{"))
        ]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        response = await self._inner.handle_async_request(request)
        _, market, path = request.url.path.split("/", 2)
        for name, method, pattern, template, document in self._described:
            if (name, method) == (market, request.method) and pattern.fullmatch(f"/{path}"):
                if response.is_success:
                    self._check(await response.aread(), response.status_code, method, template, document)
                    self.answered.add((name, f"{method} {template}"))
                break
        return response

    @staticmethod
    def _check(content: bytes, status: int, method: str, template: str, document: Json) -> None:
        described = document["paths"][template][method.lower()]["responses"][str(status)]
        if not content:
            assert "content" not in described, f"{method} {template}"
            return
        schema = closed(described["content"]["application/json"]["schema"])
        validator = Draft202012Validator(schema | {"components": closed(document["components"])})
        validator.validate(json.loads(content))  # pyright: ignore[reportUnknownMemberType]


@asynccontextmanager
async def opened(directory: Path, contract: Contract) -> AsyncGenerator[tuple[Read, httpx2.AsyncClient]]:
    """A world in which every tool has been called, and its description has been held against each answer."""
    clock = Clock()
    world = World(None, clock, pace=0, contract=contract, rng=random.Random(7))
    read = Read(world)

    def accounts(keys: dict[str, str]) -> list[Account]:
        return [replace(account, contract=contract) for account in sandbox_accounts(keys=keys)]

    rig = Rig(world, clock, directory)
    async with (
        rig.open(accounts(KEYS), market=read) as you,
        rig.open(accounts(OTHER_KEYS), state="other.db", market=read) as other,
    ):
        await live(you, other, clock)
        async with httpx2.AsyncClient(transport=read, base_url="http://sandbox") as http:
            yield read, http
    world.close()


async def what_no_tool_calls(http: httpx2.AsyncClient) -> None:
    """The rest: what a human does in a web session, and other ways to what tools reach in one."""
    human = Caller(http, "/agentjob", {"Cookie": f"session={SESSION}"})
    await human.post("/api/agents", {"name": "Mine"})
    await human.get("/api/agents/me")
    agent = at(http, "agentjob")
    await agent.post("/api/agents/heartbeat")
    mine = (await agent.get("/api/agents"))["data"]
    (you,) = [one["id"] for one in mine if one["name"] == "sandbox_agent"]
    await human.get(f"/api/agents/{you}")
    chat = (await human.post("/api/chat", {"agentId": you, "message": "Hello?"}))["data"]
    await human.get(f"/api/chat/{chat['taskId']}")
    await human.post("/api/auth/send-otp", {"email": "a@b.example"})
    post = (await agent.get("/api/tasks"))["data"][0]["id"]
    await human.post(f"/api/tasks/{post}/upvote")
    await agent.send("POST", "/api/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"})
    await agent.post("/api/mcp", {"jsonrpc": "2.0", "id": 1, "method": "nothing"})
    polt = at(http, "polt")
    await polt.get("/api/tasks/recent")
    project = (await polt.get("/api/projects"))["projects"][0]["id"]
    await polt.get(f"/api/projects/{project}/tasks")
    opentask = at(http, "opentask")
    await opentask.get("/api/agent/contracts", limit=1)
    parties = (opentask, at(http, "opentask", OTHER_KEYS))
    bids = [bid for party in parties for bid in (await party.get("/api/agent/bids", limit=100))["bids"]]
    assert any("contractId" in bid for bid in bids)
    body = {"title": "Gulls", "description": "Count them all.", "budgetAmount": 5, "budgetCurrency": "OTHER",
            "budgetCurrencyCustom": "SHELL"}  # fmt: skip
    task = (await opentask.post("/api/agent/tasks", body))["task"]["id"]
    await opentask.get("/api/tasks", limit=1)
    await opentask.get(f"/api/tasks/{task}")
    await opentask.ok("PATCH", f"/api/tasks/{task}", {"title": "Gulls and terns"})
    await opentask.get("/api/agent/tasks")
    token = (await opentask.post("/api/agent/me/tokens", {"name": "t", "scopes": ["tasks:read"]}))["token"]["id"]
    await opentask.ok("DELETE", f"/api/agent/me/tokens/{token}")
    key = (await opentask.post("/api/agent/me/keys", {"publicKey": "k" * 20}))["key"]["id"]
    await opentask.get("/api/agent/me/keys")
    await opentask.ok("DELETE", f"/api/agent/me/keys/{key}")
    await opentask.post("/api/agent/login", {"email": "sandbox_agent@example.com", "password": "sandbox-password"})
    await opentask.get("/api/agent/notifications/unread-count")
    await opentask.post("/api/agent/notifications/read-all")


@pytest.mark.parametrize("contract", ["seed", "current"])
async def test_every_call_answers_as_it_is_described(tmp_path: Path, contract: Contract) -> None:
    async with opened(tmp_path, contract) as (read, http):
        await what_no_tool_calls(http)
        world = World(None, Clock(), contract=contract)
        there_are = {(name, f"{e.method} {e.path}") for name, market in world.markets.items() for e in market.endpoints}
        described = {(name, call) for name, market in world.markets.items() for call in market.answers}
        world.close()
        assert there_are - read.answered == set()
        assert there_are <= described


async def test_a_change_promises_no_value_for_what_it_leaves_out(world: World) -> None:
    checked = 0
    for name, market in world.markets.items():
        for item in cast("Json", openapi.document(market, f"/{name}"))["paths"].values():
            if "requestBody" in item.get("patch", {}):
                schema = item["patch"]["requestBody"]["content"]["application/json"]["schema"]
                assert not any("default" in field for field in schema["properties"].values())
                checked += 1
    assert checked > 3


@pytest.mark.parametrize(("value", "status"), [(b"true", 400), (b"false", 400), (b"1", 200), (b"-1", 200), (b"2", 400)])
async def test_a_vote_is_one_or_minus_one_and_no_boolean(http: httpx2.AsyncClient, value: bytes, status: int) -> None:
    polt = at(http, "polt")
    project = (await polt.get("/api/projects", status="idea"))["projects"][0]["id"]
    content = b'{"value": ' + value + b"}"
    answer = await polt.raw("POST", f"/api/projects/{project}/vote", content, "application/json")
    assert answer.status_code == status
