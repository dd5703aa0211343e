"""The log of requests: who sent what, what they were told, and whether it changed anything."""

import anyio
import httpx2
import pytest

from market_mcp.sandbox.faults import Dropped, Fault
from market_mcp.sandbox.log import BODY_KEPT, Seen
from market_mcp.sandbox.world import KEYS, OTHER_KEYS, SESSION, World
from sandbox.hands import Caller, Json, ManualClock, at, beat

pytestmark = pytest.mark.anyio


def last(world: World) -> Seen:
    return world.requests[-1]


async def logged(http: httpx2.AsyncClient) -> list[Json]:
    found: list[Json] = (await http.get("/_sandbox/requests")).json()["requests"]
    return found


@pytest.fixture
async def task(http: httpx2.AsyncClient) -> str:
    """The path of an available task of POLT."""
    return f"/api/tasks/{(await http.get('/polt/api/tasks/recent')).json()['tasks'][0]['id']}"


@pytest.mark.parametrize("market", KEYS)
async def test_the_log_names_the_account_and_never_its_key(http: httpx2.AsyncClient, market: str) -> None:
    await at(http, market).get("/api/tasks")
    await at(http, market, OTHER_KEYS).get("/api/tasks")
    await Caller(http, f"/{market}", {"Authorization": "Bearer nobody"}).get("/api/tasks")
    await Caller(http, f"/{market}", {}).get("/api/tasks")
    found = await logged(http)
    assert [one["account"] for one in found] == ["sandbox_agent", "sandbox_other", None, None]
    assert not any(key in str(found) for key in (KEYS[market], OTHER_KEYS[market]))


async def test_a_human_is_named_by_the_session(http: httpx2.AsyncClient, human: Caller) -> None:
    await human.send("GET", "/api/agents/me")
    [one] = await logged(http)
    assert (one["account"], one["status"]) == ("sandbox_user", 404)
    assert SESSION not in str(one)


async def test_the_log_keeps_what_was_sent_and_what_was_answered(
    http: httpx2.AsyncClient, world: World, task: str
) -> None:
    you = at(http, "polt")
    await you.send("POST", f"{task}/submit", {"submission_content": "Häfen ⚓"})
    assert (last(world).status, last(world).body) == (409, '{"submission_content":"Häfen ⚓"}')
    await you.send("GET", task)
    assert (last(world).status, last(world).body) == (200, None)
    await you.send("POST", "/api/nowhere", {"a": 1})
    assert (last(world).status, last(world).body) == (404, '{"a":1}')


async def test_a_long_body_is_cut_and_a_password_is_not_kept(http: httpx2.AsyncClient, world: World) -> None:
    await at(http, "polt").send("POST", "/api/projects/x/replies", {"body": "x" * 9_000})
    assert len(last(world).body or "") == BODY_KEPT
    body = {"email": "a@b.example", "password": 'hunter2"\\', "handle": "a"}
    await http.post("/opentask/api/agent/login", json=body)
    assert (last(world).body or "").endswith('"password":"***","handle":"a"}')
    # Neither where the limit falls into it, nor where the JSON breaks off.
    await http.post("/opentask/api/agent/login", content=b'{"password": "hunter2')
    assert "hunter2" not in (last(world).body or "")


async def test_the_log_keeps_the_idempotency_key(http: httpx2.AsyncClient, world: World) -> None:
    await http.get("/opentask/api/tasks", headers={"Idempotency-Key": "k-1"})
    assert last(world).idempotency_key == "k-1"
    await http.get("/opentask/api/tasks")
    assert last(world).idempotency_key is None


# --- effects ------------------------------------------------------------------------------------------------


async def test_a_write_has_an_effect_where_it_changed_something(
    http: httpx2.AsyncClient, world: World, task: str
) -> None:
    you = at(http, "polt")
    for path, status, effect in (
        (f"{task}/commit", 200, True),
        (f"{task}/commit", 409, False),
        (f"{task}/uncommit", 200, True),
        ("/api/auth/verify", 200, False),
    ):
        await you.send("POST", path)
        assert (last(world).status, last(world).effect) == (status, effect), path
    await you.send("GET", task)
    assert last(world).effect is False


async def test_what_is_set_to_what_it_was_has_no_effect(
    http: httpx2.AsyncClient, world: World, clock: ManualClock
) -> None:
    you = at(http, "polt")
    for effect in (True, False):
        await you.send("PATCH", "/api/agents/me", {"bio": "A new one."})
        assert last(world).effect is effect
    agent = at(http, "agentjob")
    post = (await agent.get("/api/tasks"))["data"][0]["id"]
    for effect in (True, False):
        await agent.send("POST", f"/api/tasks/{post}/upvote")
        assert (last(world).status, last(world).effect) == (200, effect)


async def test_a_refused_attempt_that_is_counted_has_no_effect(http: httpx2.AsyncClient, world: World) -> None:
    await http.post("/opentask/api/agent/login", json={"email": "a@b.example", "password": "wrong"})
    assert (last(world).status, last(world).effect) == (401, False)
    await http.post("/agentjob/api/auth/send-otp", json={"email": "a@b.example"})
    assert (last(world).status, last(world).effect) == (200, False)


async def test_a_claim_is_an_effect_and_what_robots_do_meanwhile_is_none(
    http: httpx2.AsyncClient, world: World, clock: ManualClock
) -> None:
    agent = at(http, "agentjob")
    await beat(agent)
    await clock.advance(60)
    # A robot has opened a chat by now, and does so while this is asked.
    await agent.get("/api/agents")
    assert last(world).effect is False
    for effect in (True, False):
        await agent.get("/api/agents/tasks", wait=0)
        assert last(world).effect is effect


async def test_an_answer_that_is_given_again_has_no_second_effect(clock: ManualClock) -> None:
    world = World(None, clock, contract="current")
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=world.app), base_url="http://sandbox", headers={"Idempotency-Key": "k"}
    ) as http:
        body = {"title": "Count the gulls", "description": "Every gull in the harbour, by noon."}
        answers: list[Json] = []
        for effect in (True, False):
            answers.append(await at(http, "opentask").post("/api/agent/tasks", body))
            assert last(world).effect is effect
        assert answers[0] == answers[1]
    world.close()


# --- trouble ------------------------------------------------------------------------------------------------


async def test_the_log_tells_the_trouble_and_whether_the_market_acted(
    http: httpx2.AsyncClient, world: World, task: str
) -> None:
    you = at(http, "polt")
    world.faults.add(Fault("status"))
    await you.send("POST", f"{task}/commit")
    assert (last(world).fault, last(world).status, last(world).effect) == ("status", 500, False)
    assert last(world).account == "sandbox_agent"
    world.faults.add(Fault("status", when="after"))
    await you.send("POST", f"{task}/commit")
    assert (last(world).fault, last(world).status, last(world).effect) == ("status", 500, True)
    await you.get(task)
    assert last(world).fault is None
    world.faults.add(Fault("duplicate"))
    await you.send("POST", f"{task}/uncommit")
    assert (last(world).fault, last(world).status, last(world).effect) == ("duplicate", 409, True)
    agent = at(http, "agentjob")
    post = (await agent.get("/api/tasks"))["data"][0]["id"]
    world.faults.add(Fault("duplicate"))
    await agent.send("POST", f"/api/tasks/{post}/upvote")
    assert (last(world).fault, last(world).status, last(world).effect) == ("duplicate", 200, True)
    world.faults.add(Fault("reset"))
    with pytest.raises(Dropped):
        await you.send("POST", f"{task}/commit")
    assert (last(world).fault, last(world).status, last(world).effect) == ("reset", None, True)


async def test_a_request_that_waits_stands_in_the_log_without_a_status(
    http: httpx2.AsyncClient, world: World, clock: ManualClock
) -> None:
    agent = at(http, "agentjob")
    await beat(agent)
    async with anyio.create_task_group() as group:
        group.start_soon(agent.get, "/api/agents/tasks")
        await anyio.wait_all_tasks_blocked()
        assert (last(world).path, last(world).status) == ("/api/agents/tasks", None)
        await clock.advance(30)
    assert last(world).status == 200
