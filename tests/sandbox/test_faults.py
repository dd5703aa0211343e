"""Trouble on purpose: whether the marketplace acts or not, and what its client gets to see of it."""

import socket

import anyio
import httpx2
import pytest

from market_mcp.sandbox.faults import KINDS, NEEDS_AN_ANSWER, Dropped, Fault, Kind, When
from market_mcp.sandbox.world import KEYS, World
from rig import Square
from sandbox.hands import Caller, Json, ManualClock

pytestmark = pytest.mark.anyio

HEADERS = {"Authorization": f"Bearer {KEYS['polt']}"}


@pytest.fixture
def market() -> str:
    return "polt"


@pytest.fixture
async def task(you: Caller) -> str:
    """The path of an available task."""
    return f"/api/tasks/{(await you.get('/api/tasks/recent'))['tasks'][0]['id']}"


async def status_of(caller: Caller, task: str) -> str:
    return str((await caller.get(task))["task"]["status"])


async def commit(http: httpx2.AsyncClient, task: str) -> httpx2.Response:
    return await http.post(f"/polt{task}/commit", headers=HEADERS)


ANSWERED: dict[Kind, int] = {
    "status": 500, "html": 502, "rate_limit": 429, "redirect": 302, "malformed": 200, "huge": 200, "latency": 200,
}  # fmt: skip
"""Kinds that end in an answer, and its status when nothing else is chosen."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ANSWERED)
async def test_trouble_leaves_an_effect_only_when_it_comes_after_it(
    http: httpx2.AsyncClient, world: World, you: Caller, task: str, clock: ManualClock, kind: Kind, when: When
) -> None:
    world.faults.add(Fault(kind, path="*/commit", seconds=0 if kind == "latency" else 5, when=when))
    answers: list[int] = []

    async def ask() -> None:
        answers.append((await commit(http, task)).status_code)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        await clock.advance(0)
    assert answers == [ANSWERED[kind]]
    acted = when == "after" or kind == "latency"
    assert await status_of(you, task) == ("committed" if acted else "available")


@pytest.mark.parametrize(("kind", "when"), [("drop_after", "after"), ("reset", "after"), ("reset", "before")])
async def test_a_broken_connection_leaves_an_effect_only_when_it_comes_after_it(
    http: httpx2.AsyncClient, world: World, you: Caller, task: str, kind: Kind, when: When
) -> None:
    world.faults.add(Fault(kind, path="*/commit", when=when))
    with pytest.raises(Dropped):
        await commit(http, task)
    assert await status_of(you, task) == ("committed" if when == "after" else "available")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_request_that_times_out_is_never_answered(
    http: httpx2.AsyncClient, world: World, you: Caller, task: str, clock: ManualClock, when: When
) -> None:
    world.faults.add(Fault("timeout", path="*/commit", when=when))
    async with anyio.create_task_group() as group:

        async def ask() -> None:
            await commit(http, task)
            raise AssertionError("it was answered")

        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        await clock.advance(100_000)
        assert await status_of(you, task) == ("committed" if when == "after" else "available")
        assert world.requests[-2].status is None
        group.cancel_scope.cancel()


async def test_an_answer_can_come_late_after_its_effect(
    http: httpx2.AsyncClient, world: World, you: Caller, task: str, clock: ManualClock
) -> None:
    world.faults.add(Fault("latency", path="*/commit", seconds=90, when="after"))
    answers: list[int] = []

    async def ask() -> None:
        answers.append((await commit(http, task)).status_code)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        await clock.advance(89)
        assert (answers, await status_of(you, task)) == ([], "committed")
        await clock.advance(1)
        assert answers == [200]


async def test_a_proxys_page_is_html_with_the_status_that_was_chosen(http: httpx2.AsyncClient, world: World) -> None:
    for chosen, status in ((None, 502), (404, 404), (200, 200)):
        world.faults.add(Fault("html", status=chosen))
        page = await http.get("/polt/api/tasks")
        assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert page.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("which", ["first", "second"])
async def test_a_request_that_is_delivered_twice_is_handled_twice(
    http: httpx2.AsyncClient, world: World, you: Caller, which: str
) -> None:
    project = (await you.get("/api/projects", status="idea"))["projects"][0]["id"]
    before = (await you.get(f"/api/projects/{project}"))["project"]["upvotes"]
    body = {"kind": "duplicate", "path": "*/vote", "answer": which}
    assert (await http.post("/_sandbox/faults", json=body)).status_code == 201
    said = (await you.post(f"/api/projects/{project}/vote", {"value": 1}))["message"]
    assert said == {"first": "Vote recorded", "second": "Vote removed"}[which]
    # POLT skill: the same value again removes the vote, whichever answer the caller was given.
    assert (await you.get(f"/api/projects/{project}"))["project"]["upvotes"] == before


async def test_the_second_answer_to_a_commit_that_is_delivered_twice_is_a_conflict(
    http: httpx2.AsyncClient, world: World, you: Caller, task: str
) -> None:
    world.faults.add(Fault("duplicate", path="*/commit"))
    assert (await commit(http, task)).status_code == 409
    assert await status_of(you, task) == "committed"


@pytest.mark.parametrize("kind", sorted(NEEDS_AN_ANSWER))
async def test_trouble_with_an_answer_cannot_come_before_there_is_one(http: httpx2.AsyncClient, kind: str) -> None:
    refused = await http.post("/_sandbox/faults", json={"kind": kind, "when": "before"})
    assert refused.status_code == 400
    assert f"{kind} is done to an answer of the marketplace" in refused.text


async def test_every_kind_says_over_http_when_it_comes_unless_it_is_told(http: httpx2.AsyncClient) -> None:
    said: dict[str, str] = {}
    for kind in KINDS:
        fault: Json = (await http.post("/_sandbox/faults", json={"kind": kind})).json()["fault"]
        said[kind] = fault["when"]
    assert {kind for kind, when in said.items() if when == "before"} == {"latency", "status", "rate_limit", "redirect"}
    assert set(said.values()) == {"before", "after"}


# --- by chance ----------------------------------------------------------------------------------------------


async def statuses(http: httpx2.AsyncClient, schedule: Json, requests: int = 60) -> list[int]:
    """The statuses of so many requests under a schedule that is set anew."""
    made = await http.post("/_sandbox/schedule", json=schedule)
    assert made.status_code == 201, made.text
    return [(await http.get("/polt/api/leaderboard")).status_code for _ in range(requests)]


CHANCE: Json = {"seed": 7, "rate": 0.3, "kinds": ["status", "html", {"kind": "status", "status": 503, "when": "after"}]}


async def test_a_schedule_troubles_a_part_of_the_requests_and_the_same_ones_again(http: httpx2.AsyncClient) -> None:
    first = await statuses(http, CHANCE)
    assert first == await statuses(http, CHANCE)
    assert set(first) == {200, 500, 502, 503}
    assert 8 <= sum(status != 200 for status in first) <= 28
    assert first != await statuses(http, CHANCE | {"seed": 8})


@pytest.mark.parametrize(("rate", "met"), [(0, 0), (1, 60)])
async def test_a_rate_of_nothing_troubles_nobody_and_one_of_all_everybody(
    http: httpx2.AsyncClient, rate: float, met: int
) -> None:
    found = await statuses(http, {"seed": 1, "rate": rate, "kinds": ["status"]})
    assert found.count(500) == met
    told = (await http.get("/_sandbox/schedule")).json()["schedule"]
    assert told == {"seed": 1, "rate": rate, "kinds": ["status"], "asked": 60, "met": met}


async def test_a_schedule_that_ended_troubles_nobody(http: httpx2.AsyncClient) -> None:
    assert set(await statuses(http, {"seed": 1, "rate": 1, "kinds": ["status"]}, 3)) == {500}
    assert (await http.delete("/_sandbox/schedule")).status_code == 204
    assert (await http.get("/polt/api/leaderboard")).status_code == 200
    assert (await http.get("/_sandbox/schedule")).json() == {"schedule": None}


async def test_a_fault_of_a_schedule_keeps_to_the_routes_it_names(http: httpx2.AsyncClient) -> None:
    only = {"kind": "status", "market": "agentjob", "status": 507}
    assert set(await statuses(http, {"seed": 1, "rate": 1, "kinds": [only]}, 3)) == {200}
    # `times` of such a fault counts for nothing: it comes as often as it is drawn.
    assert [(await http.get("/agentjob/api/tasks")).status_code for _ in range(3)] == [507] * 3


async def test_a_fault_that_was_asked_for_comes_before_those_of_chance(http: httpx2.AsyncClient, world: World) -> None:
    always = CHANCE | {"rate": 1}
    without = await statuses(http, always, 20)
    world.faults.add(Fault("status", path="/api/leaderboard", times=2, status=418))
    # Nor does it move the others: each request has its own number.
    assert await statuses(http, always, 20) == [418, 418, *without[2:]]


@pytest.mark.parametrize(
    ("schedule", "named"),
    [
        ({"rate": 0.5}, "seed"),
        ({"seed": 1, "rate": 1.5}, "rate"),
        ({"seed": 1, "rate": 0.5, "kinds": []}, "kinds"),
        ({"seed": 1, "rate": 0.5, "kinds": ["plague"]}, "kinds.0"),
        ({"seed": 1, "rate": 0.5, "kind": "status"}, "kind: Unexpected"),
    ],
)
async def test_a_schedule_that_makes_no_sense_is_refused_and_changes_nothing(
    http: httpx2.AsyncClient, world: World, schedule: Json, named: str
) -> None:
    await statuses(http, CHANCE, 1)
    refused = await http.post("/_sandbox/schedule", json=schedule)
    assert refused.status_code == 400
    assert named in refused.json()["error"]
    assert world.faults.schedule is not None and world.faults.schedule.seed == 7


async def test_a_misspelled_field_of_a_fault_is_refused(http: httpx2.AsyncClient) -> None:
    refused = await http.post("/_sandbox/faults", json={"kind": "status", "tmies": 3})
    assert (refused.status_code, "tmies" in refused.json()["error"]) == (400, True)


@pytest.mark.parametrize(("field", "value"), [("market", "plot"), ("method", "post"), ("method", "PUT")])
async def test_a_fault_that_no_request_can_meet_is_refused(
    http: httpx2.AsyncClient, world: World, field: str, value: str
) -> None:
    fault = {"kind": "status", field: value}
    for path, body in (("faults", fault), ("schedule", {"seed": 1, "rate": 1, "kinds": [fault]})):
        refused = await http.post(f"/_sandbox/{path}", json=body)
        assert (refused.status_code, refused.json()["error"].startswith(f"{field}: none fits '{value}'")) == (400, True)
    assert (world.faults.pending, world.faults.schedule) == ([], None)


# --- on the wire --------------------------------------------------------------------------------------------


def received(square: Square, path: str, **fault: object) -> bytes:
    """Every byte that comes back for a request that meets this fault, until the connection is closed."""
    square.control("POST", "/faults", fault)
    host, port = square.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as caller:
        caller.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: caller.recv(65536), b""))


def test_a_reset_connection_brings_not_one_byte(calm: Square) -> None:
    assert received(calm, "/polt/api/tasks", kind="reset") == b""


def test_a_dropped_answer_brings_its_status_line_and_no_body(calm: Square) -> None:
    head, _, body = received(calm, "/polt/api/tasks", kind="drop_after").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and body == b""


def test_a_truncated_answer_brings_less_than_it_promises(calm: Square) -> None:
    head, _, body = received(calm, "/polt/api/tasks", kind="truncated").partition(b"\r\n\r\n")
    promised = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert head.startswith(b"HTTP/1.1 200 ") and b'{"tasks":' in body
    assert len(body) == promised // 2 > 0


def test_a_dripping_answer_is_the_whole_answer_in_the_end(calm: Square) -> None:
    whole = received(calm, "/polt/api/tasks", kind="latency", seconds=0).partition(b"\r\n\r\n")[2]
    head, _, body = received(calm, "/polt/api/tasks", kind="drip", seconds=0).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and body == whole


async def test_a_dripping_answer_takes_its_seconds(
    http: httpx2.AsyncClient, world: World, you: Caller, task: str, clock: ManualClock
) -> None:
    world.faults.add(Fault("drip", path="*/commit", seconds=30))
    answers: list[Json] = []

    async def ask() -> None:
        answers.append((await commit(http, task)).json())

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        for _ in range(19):
            await clock.advance(1.5)
        assert (answers, await status_of(you, task)) == ([], "committed")
        await clock.advance(1.5)
    assert answers[0]["task"]["status"] == "committed"
