"""The pretend markets as one world: seeded once, shared through a file, watched, and troubled on purpose."""

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import anyio
import httpx2
import pytest
from starlette.types import Message

from market_mcp.sandbox.faults import Dropped, Fault
from market_mcp.sandbox.web import Endpoint, Market
from market_mcp.sandbox.world import KEYS, OTHER_KEYS, REMEMBERED, SESSION, World
from sandbox.hands import PACE, Caller, Json, ManualClock

pytestmark = pytest.mark.anyio


WHO_AM_I = {
    "polt": ("POST", "/api/auth/verify"),
    "agentjob": ("POST", "/api/agents/heartbeat"),
    "opentask": ("GET", "/api/agent/me"),
}


@pytest.fixture
def market() -> str:
    return "polt"


def client(world: World) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=world.app), base_url="http://sandbox")


# --- the world ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [KEYS, OTHER_KEYS], ids=["you", "other"])
@pytest.mark.parametrize("name", WHO_AM_I)
async def test_the_seeded_keys_open_every_market(http: httpx2.AsyncClient, keys: dict[str, str], name: str) -> None:
    method, path = WHO_AM_I[name]
    await Caller(http, f"/{name}", {"Authorization": f"Bearer {keys[name]}"}).ok(method, path)
    await Caller(http, f"/{name}", {"Authorization": "Bearer wrong"}).refused(401, method, path)


async def test_health_names_the_markets(http: httpx2.AsyncClient, clock: ManualClock) -> None:
    health = (await http.get("/_sandbox/health")).json()
    assert health == {"ok": True, "markets": ["polt", "agentjob", "opentask"], "now": clock.now()}


async def test_the_same_random_numbers_make_the_same_world(clock: ManualClock) -> None:
    pages: list[Json] = []
    for _ in range(2):
        world = World(None, clock, rng=random.Random(3))
        async with client(world) as http:
            pages.append((await http.get("/polt/api/tasks")).json())
        world.close()
    assert pages[0] == pages[1]


async def test_a_world_in_a_file_is_seeded_once_and_shared(tmp_path: Path, clock: ManualClock) -> None:
    first, second = (World(tmp_path / "sandbox.db", clock) for _ in range(2))
    async with client(first) as one, client(second) as two:
        tasks = (await one.get("/polt/api/tasks", params={"status": "available"})).json()
        assert (await two.get("/polt/api/tasks", params={"status": "available"})).json() == tasks
        commit = f"/polt/api/tasks/{tasks['tasks'][0]['id']}/commit"
        taken = await one.post(commit, headers={"Authorization": f"Bearer {KEYS['polt']}"})
        assert taken.status_code == 200
        refused = await two.post(commit, headers={"Authorization": f"Bearer {OTHER_KEYS['polt']}"})
        assert refused.status_code == 409
    first.close()
    second.close()


async def test_a_call_that_fails_inside_leaves_no_trace(world: World) -> None:
    with pytest.raises(sqlite3.IntegrityError), world.store.transaction() as db:
        db.execute("DELETE FROM polt_tasks")
        db.execute("INSERT INTO seeded VALUES ('polt')")
    with world.store.transaction() as db:
        assert db.execute("SELECT count(*) FROM polt_tasks").fetchone()[0] > 0


def test_the_sandbox_stands_without_the_adapter_side() -> None:
    script = (
        "import sys, market_mcp.sandbox.world;"
        "print([m for m in sys.modules if m.startswith('market_mcp.') and '.sandbox' not in m])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


# --- the log ------------------------------------------------------------------------------------------------


async def test_the_log_has_every_request_that_reached_a_market(
    http: httpx2.AsyncClient, world: World, you: Caller, clock: ManualClock
) -> None:
    await http.get("/polt/api/tasks", params={"page": 2, "status": ""})
    await clock.advance(5)
    await you.post("/api/auth/verify")
    await http.post("/agentjob/api/agents/heartbeat")
    await http.delete("/opentask/nowhere", headers={"Cookie": f"session={SESSION}"})
    await http.post("/agentjob/api/auth/send-otp", json={"email": "a@b.example"})
    await http.get("/_sandbox/health")
    await http.get("/polt/openapi.json")
    seen = [(s.market, s.method, s.path, s.query, s.has_auth, s.content_type) for s in world.requests]
    assert seen == [
        ("polt", "GET", "/api/tasks", "page=2&status=", False, None),
        ("polt", "POST", "/api/auth/verify", "", True, None),
        ("agentjob", "POST", "/api/agents/heartbeat", "", False, None),
        ("opentask", "DELETE", "/nowhere", "", True, None),
        ("agentjob", "POST", "/api/auth/send-otp", "", False, "application/json"),
    ]
    assert world.requests[1].at - world.requests[0].at == 5
    logged = (await http.get("/_sandbox/requests")).json()["requests"]
    assert [(s["market"], s["path"]) for s in logged] == [(s.market, s.path) for s in world.requests]
    assert (await http.delete("/_sandbox/requests")).status_code == 204
    assert (await http.get("/_sandbox/requests")).json() == {"requests": []}


async def test_the_log_keeps_the_latest_requests_only(http: httpx2.AsyncClient, world: World) -> None:
    await http.get("/polt/api/leaderboard")
    world.requests.extend([world.requests[0]] * REMEMBERED)
    await http.get("/polt/api/projects")
    assert len(world.requests) == REMEMBERED
    assert world.requests[-1].path == "/api/projects"


# --- trouble ------------------------------------------------------------------------------------------------


async def test_a_fault_hits_the_routes_it_names_as_often_as_it_says(http: httpx2.AsyncClient, world: World) -> None:
    world.faults.add(Fault("status", market="polt", method="GET", path="/api/tasks*", times=2, status=503))
    asked = [
        "/polt/api/projects",
        "/agentjob/api/tasks",
        "/polt/api/tasks/recent",
        "/polt/api/tasks",
        "/polt/api/tasks",
    ]
    assert [(await http.get(path)).status_code for path in asked] == [200, 200, 503, 503, 200]


async def test_faults_are_managed_over_http(http: httpx2.AsyncClient, world: World) -> None:
    wanted = {"kind": "rate_limit", "market": "opentask", "seconds": 30}
    made = await http.post("/_sandbox/faults", json=wanted)
    assert (made.status_code, made.json()["fault"]["times"]) == (201, 1)
    listed = (await http.get("/_sandbox/faults")).json()["faults"]
    assert [(f["kind"], f["market"], f["path"]) for f in listed] == [("rate_limit", "opentask", "*")]
    limited = await http.get("/opentask/api/tasks")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "30")
    await http.post("/_sandbox/faults", json=wanted)
    assert (await http.delete("/_sandbox/faults")).status_code == 204
    assert (await http.get("/opentask/api/tasks")).status_code == 200
    assert world.faults.pending == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/_sandbox/faults", b'{"kind": "plague"}'),
        ("/_sandbox/faults", b'{"kind": "status", "status": 99}'),
        ("/_sandbox/faults", b"[]"),
        ("/_sandbox/polt/submissions/x/review", b'{"outcome": "fine"}'),
        ("/_sandbox/agentjob/chats", b"{}"),
        ("/_sandbox/agentjob/chats", b"not json"),
    ],
)
async def test_a_control_call_that_makes_no_sense_is_a_bad_request(
    http: httpx2.AsyncClient, path: str, body: bytes
) -> None:
    assert (await http.post(path, content=body)).status_code == 400


async def test_a_chat_with_an_agent_that_does_not_exist_is_not_started(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/_sandbox/agentjob/chats", json={"agent_id": "nobody", "text": "Hello?"})
    assert answer.status_code == 404


async def test_latency_delays_the_answer(http: httpx2.AsyncClient, world: World, clock: ManualClock) -> None:
    world.faults.add(Fault("latency", seconds=20))
    statuses: list[int] = []

    async def ask() -> None:
        statuses.append((await http.get("/polt/api/tasks")).status_code)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        await clock.advance(19)
        assert statuses == []
        await clock.advance(1)
        assert statuses == [200]


async def test_a_dropped_answer_leaves_its_effect(http: httpx2.AsyncClient, world: World, you: Caller) -> None:
    task_id = (await you.get("/api/tasks/recent"))["tasks"][0]["id"]
    world.faults.add(Fault("drop_after", path="/api/tasks/*/commit"))
    with pytest.raises(Dropped):
        await http.post(f"/polt/api/tasks/{task_id}/commit", headers={"Authorization": f"Bearer {KEYS['polt']}"})
    assert (await you.get(f"/api/tasks/{task_id}"))["task"]["status"] == "committed"


async def test_malformed_huge_and_redirected_answers_are_what_they_say(http: httpx2.AsyncClient, world: World) -> None:
    world.faults.add(Fault("malformed"))
    with pytest.raises(ValueError, match="Expecting value"):
        (await http.get("/polt/api/tasks")).json()
    world.faults.add(Fault("huge"))
    assert len((await http.get("/polt/api/tasks")).content) > 2 * 1024 * 1024
    for fault, status in ((Fault("redirect"), 302), (Fault("redirect", status=307), 307)):
        world.faults.add(fault)
        moved = await http.get("/polt/api/tasks")
        assert (moved.status_code, moved.headers["location"]) == (status, "http://127.0.0.1:9/elsewhere")


@pytest.mark.parametrize(("status", "body"), [(None, True), (418, True), (204, False), (304, False)])
async def test_a_status_that_has_no_body_brings_none(
    http: httpx2.AsyncClient, world: World, status: int | None, body: bool
) -> None:
    world.faults.add(Fault("status", status=status))
    answer = await http.get("/polt/api/tasks")
    assert (answer.status_code, bool(answer.content)) == (status or 500, body)


async def test_a_held_request_whose_client_has_gone_claims_nothing(
    http: httpx2.AsyncClient, world: World, clock: ManualClock
) -> None:
    agent = Caller(http, "/agentjob", {"Authorization": f"Bearer {KEYS['agentjob']}"})
    await agent.post("/api/agents/heartbeat")
    sent: list[Message] = []
    gone = anyio.Event()
    first = True

    async def receive() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": b"", "more_body": False}
        if not gone.is_set():
            await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/agentjob/api/agents/tasks",
        "query_string": b"wait=60",
        "headers": [(b"authorization", f"Bearer {KEYS['agentjob']}".encode())],
        "client": ("127.0.0.1", 1),
    }
    async with anyio.create_task_group() as group:
        group.start_soon(world.app, scope, receive, send)
        await anyio.wait_all_tasks_blocked()
        gone.set()
        await clock.advance(PACE)
        assert (sent[0]["status"], world.requests[-1].status) == (499, None)
    assert (await agent.get("/api/agents/tasks", wait=0))["data"]["task"] is not None


# --- the description ----------------------------------------------------------------------------------------


def described(document: Json, market: Market) -> set[tuple[str, str]]:
    assert document["servers"] == [{"url": f"/{market.name}"}]
    return {(method.upper(), path) for path, item in document["paths"].items() for method in item}


async def test_every_market_describes_its_endpoints_and_no_others(http: httpx2.AsyncClient, world: World) -> None:
    for market in world.markets.values():
        document = (await http.get(f"/{market.name}/openapi.json")).json()
        assert document["openapi"] == "3.1.0"
        assert described(document, market) == {(e.method, e.path) for e in market.endpoints}


async def test_the_description_says_what_a_call_takes_and_may_answer(http: httpx2.AsyncClient) -> None:
    paths = (await http.get("/polt/openapi.json")).json()["paths"]
    submit = paths["/api/tasks/{id}/submit"]["post"]
    assert set(submit["responses"]) == {"201", "400", "401", "403", "404", "409"}
    assert submit["security"] == [{"key": []}]
    assert submit["requestBody"]["content"]["application/json"]["schema"]["required"] == ["submission_content"]
    listing = paths["/api/tasks"]["get"]
    assert listing["security"] == []
    assert [p["name"] for p in listing["parameters"]] == [
        "status",
        "difficulty",
        "sort",
        "project_id",
        "page",
        "limit",
    ]
    session = (await http.get("/agentjob/openapi.json")).json()["paths"]["/api/chat"]["post"]
    assert session["security"] == [{"session": []}]
    assert set(session["responses"]) == {"202", "400", "401", "403", "404", "429"}


def concrete(endpoint: Endpoint) -> str:
    return endpoint.path.replace("{", "").replace("}", "")


async def test_no_endpoint_falls_over_when_it_is_sent_nonsense(http: httpx2.AsyncClient, world: World) -> None:
    bodies = (b"", b"null", b"{}", b'{"a": [1, {"b": null}]}', b'"\\u0000"', b"\x80")
    for market in world.markets.values():
        headers = {"Authorization": f"Bearer {KEYS[market.name]}", "Content-Type": "application/json"}
        for endpoint in (*market.endpoints, *market.forbidden):
            for body in bodies:
                url = f"/{market.name}{concrete(endpoint)}?page=-1&limit=99999999999999999999&wait=x&cursor=%00"
                answer = await http.request(endpoint.method, url, content=body, headers=headers)
                assert answer.status_code < 500, f"{endpoint.method} {url} {body!r}"
