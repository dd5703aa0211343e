"""What a harness may do to the pretend markets, and how it finds out."""

import random
from collections.abc import AsyncGenerator

import anyio
import httpx2
import pytest
from jsonschema import Draft202012Validator
from starlette.routing import Mount, Route

from market_mcp.sandbox.world import OTHER_KEYS, World
from sandbox.hands import NOBODY, PACE, Caller, Json, ManualClock, at, beat

pytestmark = pytest.mark.anyio


async def control(http: httpx2.AsyncClient, method: str, path: str, body: object = None) -> Json:
    """The answer to a control call that must go well; nothing where it has none."""
    answer = await http.request(method, f"/_sandbox{path}", json=body)
    assert answer.is_success, answer.text
    found: Json = answer.json() if answer.content else {}
    return found


async def refused(http: httpx2.AsyncClient, status: int, method: str, path: str, body: object = None) -> str:
    answer = await http.request(method, f"/_sandbox{path}", json=body)
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"])


# --- what there is ------------------------------------------------------------------------------------------


async def test_the_index_lists_every_control_call_and_what_it_does(http: httpx2.AsyncClient, world: World) -> None:
    listed = (await control(http, "GET", "/"))["controls"]
    (mount,) = [route for route in world.app.routes if isinstance(route, Mount) and route.path == "/_sandbox"]
    served = {
        (method, f"/_sandbox{route.path}")
        for route in mount.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert {(one["method"], one["path"]) for one in listed} == served
    assert len({one["name"] for one in listed}) == len(listed)
    assert all(one["does"] for one in listed)
    for wanted in ("reset", "seed", "clock", "counterparties", "accounts", "chats", "review", "faults", "schedule",
                   "settings", "requests"):  # fmt: skip
        assert any(wanted in one["path"] for one in listed), wanted


async def test_the_description_of_the_control_calls_has_their_bodies(http: httpx2.AsyncClient) -> None:
    document = await control(http, "GET", "/openapi.json")
    listed = (await control(http, "GET", "/"))["controls"]
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(one["method"], one["path"].removeprefix("/_sandbox")) for one in listed}
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    bodies = 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if "requestBody" in operation:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                Draft202012Validator.check_schema(schema)
                # What is described is what is taken: a name that it does not have is refused.
                assert "note" not in schema["properties"]
                error = await refused(http, 400, method, path.replace("{id}", "x"), {"note": 1})
                assert "note" in error, path
                bodies += 1
    assert bodies == 8
    assert set(schemas) >= {"Fault", "RateLimit"}


async def test_a_change_of_settings_promises_no_value_for_what_it_does_not_name(http: httpx2.AsyncClient) -> None:
    put = (await control(http, "GET", "/openapi.json"))["paths"]["/settings"]["put"]
    schema = put["requestBody"]["content"]["application/json"]["schema"]
    assert not any("default" in field for field in schema["properties"].values())


# --- the world ----------------------------------------------------------------------------------------------


async def test_the_accounts_are_those_that_open_the_markets(http: httpx2.AsyncClient) -> None:
    accounts = (await control(http, "GET", "/accounts"))["accounts"]
    own = {
        "polt": ("POST", "/api/auth/verify"), "agentjob": ("POST", "/api/agents/heartbeat"),
        "opentask": ("GET", "/api/agent/me"),
    }  # fmt: skip
    for one in accounts:
        if "key" in one:
            caller = Caller(http, f"/{one['market']}", {"Authorization": f"Bearer {one['key']}"})
            await caller.ok(*own[one["market"]])
        else:
            human = Caller(http, "/agentjob", {"Cookie": f"session={one['session']}"})
            await human.refused(404, "GET", "/api/agents/me")
        logged = (await control(http, "GET", "/requests"))["requests"][-1]
        assert logged["account"] == one["name"]
    assert len(accounts) == 7


async def test_the_clock_is_told_and_moved_where_it_can_be(http: httpx2.AsyncClient, clock: ManualClock) -> None:
    before = await control(http, "GET", "/clock")
    assert before == {"now": clock.now(), "time": "2026-02-25T06:13:20Z"}
    after = await control(http, "POST", "/clock", {"seconds": 90})
    assert (after["now"], clock.now()) == (before["now"] + 90, before["now"] + 90)
    assert "seconds" in await refused(http, 400, "POST", "/clock", {"seconds": -1})


class Machine:
    """A clock that nobody can advance: it goes by itself, here with another's hand on it."""

    def __init__(self) -> None:
        self.hand = ManualClock()
        self.set_back = 0.0

    def now(self) -> float:
        return self.hand.now() - self.set_back

    async def sleep(self, seconds: float) -> None:
        await self.hand.sleep(seconds)


@pytest.fixture
async def machine() -> AsyncGenerator[tuple[Machine, httpx2.AsyncClient]]:
    """A world that goes by a machine's clock."""
    machine = Machine()
    world = World(None, machine, pace=PACE, rng=random.Random(7))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=world.app), base_url="http://sandbox") as http:
        yield machine, http
    world.close()


async def test_the_markets_can_be_ahead_of_a_machines_clock(machine: tuple[Machine, httpx2.AsyncClient]) -> None:
    real, http = machine
    assert (await control(http, "POST", "/clock", {"seconds": 301}))["now"] == real.now() + 301
    await real.hand.advance(10)
    assert (await control(http, "GET", "/clock"))["now"] == real.now() + 301


@pytest.mark.parametrize(("real", "jumped"), [(30, 0), (0, 30), (10, 20)])
async def test_a_sleeper_wakes_when_the_time_has_passed_or_been_jumped_over(
    machine: tuple[Machine, httpx2.AsyncClient], real: float, jumped: float
) -> None:
    (clock, http), answers = machine, list[int]()
    await control(http, "POST", "/faults", {"kind": "latency", "seconds": 30})

    async def ask() -> None:
        answers.append((await http.get("/polt/api/tasks")).status_code)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        await clock.hand.advance(max(0, real - 1))
        await control(http, "POST", "/clock", {"seconds": max(0, jumped - 1)})
        await anyio.wait_all_tasks_blocked()
        assert answers == []
        await clock.hand.advance(1)
        await control(http, "POST", "/clock", {"seconds": 1})
        await anyio.wait_all_tasks_blocked()
        assert answers == [200]


async def test_a_clock_that_is_set_back_lets_nobody_sleep_longer(machine: tuple[Machine, httpx2.AsyncClient]) -> None:
    (clock, http), answers = machine, list[int]()
    await control(http, "POST", "/faults", {"kind": "latency", "seconds": 30})

    async def ask() -> None:
        answers.append((await http.get("/polt/api/tasks")).status_code)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        clock.set_back = 3600
        await clock.hand.advance(30)
        await anyio.wait_all_tasks_blocked()
        assert answers == [200]
        group.cancel_scope.cancel()


async def test_settings_can_be_as_documented_again(http: httpx2.AsyncClient) -> None:
    usual = await control(http, "GET", "/settings")
    await control(http, "PUT", "/settings", {"strict": True, "rate_limit": {"calls": 9, "seconds": 1}})
    assert await control(http, "GET", "/settings") != usual
    await control(http, "DELETE", "/settings")
    assert await control(http, "GET", "/settings") == usual


# --- the other side -----------------------------------------------------------------------------------------


async def submitted(http: httpx2.AsyncClient) -> tuple[str, str]:
    """The ids of a task of POLT and of the work that has just been submitted for it."""
    you = at(http, "polt")
    task = (await you.get("/api/tasks/recent"))["tasks"][0]["id"]
    await you.post(f"/api/tasks/{task}/commit")
    work = await you.post(f"/api/tasks/{task}/submit", {"submission_content": "https://example.com/done"})
    return task, work["submission"]["id"]


async def test_robots_that_rest_do_nothing_until_they_are_let(http: httpx2.AsyncClient, clock: ManualClock) -> None:
    assert await control(http, "PUT", "/counterparties", {"on": False}) == {"on": False}
    task, _ = await submitted(http)
    await clock.advance(PACE * 5)
    assert (await at(http, "polt").get(f"/api/tasks/{task}"))["task"]["status"] == "in_review"
    assert await control(http, "PUT", "/counterparties", {"on": True}) == {"on": True}
    assert (await at(http, "polt").get(f"/api/tasks/{task}"))["task"]["status"] == "completed"


async def test_a_chat_expires_also_while_robots_rest(http: httpx2.AsyncClient, clock: ManualClock) -> None:
    await control(http, "PUT", "/counterparties", {"on": False})
    agent = at(http, "agentjob")
    await beat(agent)
    task = (await control(http, "POST", "/agentjob/chats", {"text": "Hello?"}))["task_id"]
    await agent.get("/api/agents/tasks", wait=0)
    await clock.advance(301)
    assert "expired" in await agent.refused(409, "POST", f"/api/agents/tasks/{task}/response", {"text": "Late."})


@pytest.fixture
async def calm(http: httpx2.AsyncClient) -> AsyncGenerator[httpx2.AsyncClient]:
    """A world whose robots rest, so that only the harness decides."""
    await control(http, "PUT", "/counterparties", {"on": False})
    yield http


async def test_a_submission_is_reviewed_as_the_harness_says(calm: httpx2.AsyncClient) -> None:
    task, work = await submitted(calm)
    body = {"outcome": "rejected", "reason": "Not what was asked."}
    assert await control(calm, "POST", f"/polt/submissions/{work}/review", body) == {"outcome": "rejected"}
    history = (await at(calm, "polt").get(f"/api/tasks/{task}"))["task"]["submissions"]
    assert (history[-1]["status"], history[-1]["reason"]) == ("rejected", "Not what was asked.")
    assert "No pending" in await refused(calm, 404, "POST", f"/polt/submissions/{work}/review", body)


async def test_a_bidder_is_hired_and_work_decided_on_as_the_harness_says(calm: httpx2.AsyncClient) -> None:
    seller = at(calm, "opentask")
    task = (await seller.get("/api/tasks"))["tasks"][0]["id"]
    bid = (await seller.post(f"/api/agent/tasks/{task}/bids", {"priceText": "5 USDC"}))["bid"]["id"]
    contract = (await control(calm, "POST", f"/opentask/bids/{bid}/hire"))["contract_id"]
    assert (await seller.get(f"/api/agent/bids/{bid}"))["bid"]["contractId"] == contract
    await refused(calm, 409, "POST", f"/opentask/bids/{bid}/hire")
    await refused(calm, 404, "POST", f"/opentask/bids/{NOBODY}/hire")
    decision = f"/opentask/contracts/{contract}/decision"
    assert "awaiting" in await refused(calm, 409, "POST", decision, {"action": "accept"})
    for action, status in (("reject", "rejected"), ("accept", "accepted")):
        await seller.post(f"/api/agent/contracts/{contract}/submissions", {"deliverableUrl": "https://example.com/1"})
        body = {"action": action, "reason": "Again, please."}
        assert await control(calm, "POST", decision, body) == {"status": status}
    assert (await seller.get(f"/api/agent/contracts/{contract}"))["contract"]["status"] == "accepted"
    assert "reason" in await refused(calm, 400, "POST", decision, {"action": "reject"})
    await refused(calm, 404, "POST", f"/opentask/contracts/{NOBODY}/decision", {"action": "accept"})


@pytest.mark.parametrize("named", ["agent", "agent_id"])
async def test_a_chat_is_opened_with_the_agent_that_is_named(http: httpx2.AsyncClient, named: str) -> None:
    other = at(http, "agentjob", OTHER_KEYS)
    await beat(other)
    agents = (await other.get("/api/agents"))["data"]
    (found,) = [agent["id"] for agent in agents if agent["name"] == "sandbox_other"]
    who = {"agent": "sandbox_other"} if named == "agent" else {"agent_id": found}
    started = await control(http, "POST", "/agentjob/chats", {"text": "Are you there?", **who})
    assert (await other.get("/api/agents/tasks", wait=0))["data"]["task"]["id"] == started["task_id"]
    await refused(http, 404, "POST", "/agentjob/chats", {"text": "Hello?", "agent": "nobody"})
