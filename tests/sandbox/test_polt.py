"""The pretend POLT keeps the rules of the POLT skill."""

import httpx2
import pytest

from market_mcp.sandbox import polt
from market_mcp.sandbox.web import Endpoint
from market_mcp.sandbox.world import World
from sandbox.hands import NOBODY, PACE, Caller, Json, ManualClock

pytestmark = pytest.mark.anyio


GOOD_WORK = "Done, see https://git.example/notebook/pull/31"


@pytest.fixture
def market() -> str:
    return "polt"


async def available(caller: Caller) -> list[str]:
    found = await caller.get("/api/tasks", status="available")
    return [task["id"] for task in found["tasks"]]


async def committed(caller: Caller) -> str:
    """The id of a task that the caller has just committed to."""
    task_id = (await available(caller))[0]
    await caller.post(f"/api/tasks/{task_id}/commit")
    return task_id


async def task(caller: Caller, task_id: str) -> Json:
    return (await caller.get(f"/api/tasks/{task_id}"))["task"]


async def submit(caller: Caller, task_id: str, content: str) -> Json:
    return (await caller.post(f"/api/tasks/{task_id}/submit", {"submission_content": content}))["submission"]


async def project_in(caller: Caller, status: str) -> str:
    return (await caller.get("/api/projects", status=status))["projects"][0]["id"]


# --- reading ------------------------------------------------------------------------------------------------


async def test_the_seeded_market_has_every_phase_and_every_difficulty(stranger: Caller) -> None:
    tasks = (await stranger.get("/api/tasks"))["tasks"]
    projects = (await stranger.get("/api/projects"))["projects"]
    assert {p["status"] for p in projects} == {"idea", "voting", "development", "testing", "live"}
    assert {t["difficulty"] for t in tasks} == {"easy", "medium", "hard", "expert"}
    assert {t["status"] for t in tasks} == {"available", "committed", "in_review", "completed"}


async def test_tasks_are_filtered_by_status_difficulty_and_project(stranger: Caller) -> None:
    project_id = await project_in(stranger, "development")
    found = await stranger.get("/api/tasks", status="available", difficulty="medium", project_id=project_id)
    assert found["total"] == len(found["tasks"]) == 2
    for shown in found["tasks"]:
        assert (shown["status"], shown["difficulty"], shown["project_id"]) == (
            "available",
            "medium",
            project_id,
        )


async def test_an_empty_status_means_all_tasks(stranger: Caller) -> None:
    assert (await stranger.get("/api/tasks", status=""))["total"] == (await stranger.get("/api/tasks"))["total"]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "open"},
        {"difficulty": "insane"},
        {"sort": "old"},
        {"page": 0},
        {"page": -1},
        {"limit": 101},
    ],
)
async def test_an_unknown_filter_value_is_a_bad_request(stranger: Caller, query: dict[str, str | int]) -> None:
    await stranger.refused(400, "GET", "/api/tasks", None, **query)


async def test_tasks_are_sorted_by_age_payout_and_deadline(stranger: Caller) -> None:
    by_age = (await stranger.get("/api/tasks", sort="new"))["tasks"]
    by_payout = (await stranger.get("/api/tasks", sort="payout"))["tasks"]
    by_deadline = (await stranger.get("/api/tasks", sort="deadline"))["tasks"]
    assert [t["created_at"] for t in by_age] == sorted((t["created_at"] for t in by_age), reverse=True)
    payouts = [float(t["payout"]) for t in by_payout]
    assert payouts == sorted(payouts, reverse=True)
    deadlines = [t["deadline"] or "9999" for t in by_deadline]
    assert deadlines == sorted(deadlines)


async def test_pages_cover_every_task_once(stranger: Caller) -> None:
    whole = await stranger.get("/api/tasks", limit=100)
    pages = [await stranger.get("/api/tasks", page=page, limit=5) for page in (1, 2, 3, 4)]
    seen = [t["id"] for page in pages for t in page["tasks"]]
    assert seen == [t["id"] for t in whole["tasks"]]
    assert (pages[1]["page"], pages[1]["limit"], pages[1]["total"]) == (2, 5, len(seen))
    assert pages[3]["tasks"] == []


async def test_recent_tasks_are_the_five_newest_available(stranger: Caller) -> None:
    newest = await stranger.get("/api/tasks", status="available", sort="new", limit=5)
    assert (await stranger.get("/api/tasks/recent"))["tasks"] == newest["tasks"]


async def test_the_second_stage_has_two_names(stranger: Caller) -> None:
    [one, other] = [await stranger.get("/api/projects", status=stage) for stage in ("voting", "debating")]
    assert one == other and [project["status"] for project in one["projects"]] == ["voting"]


async def test_projects_are_sorted_by_progress(stranger: Caller) -> None:
    found = (await stranger.get("/api/projects", sort="progress"))["projects"]
    progress = [p["progress"] for p in found]
    assert progress == sorted(progress, reverse=True)
    assert progress[0] > 0


async def test_a_project_shows_all_its_tasks_and_milestones(stranger: Caller) -> None:
    project_id = await project_in(stranger, "development")
    project = (await stranger.get(f"/api/projects/{project_id}"))["project"]
    assert project["tasks"] == (await stranger.get(f"/api/projects/{project_id}/tasks"))["tasks"]
    assert len(project["tasks"]) == project["task_count"]
    assert [m["completed"] for m in project["milestones"]] == [True, False, False]


@pytest.mark.parametrize(
    "path",
    [
        f"/api/tasks/{NOBODY}",
        f"/api/projects/{NOBODY}",
        f"/api/projects/{NOBODY}/tasks",
        "/api/agents/nobody",
    ],
)
async def test_what_does_not_exist_is_not_found(stranger: Caller, path: str) -> None:
    await stranger.refused(404, "GET", path)


# --- accounts -----------------------------------------------------------------------------------------------


async def test_a_registered_agent_can_use_its_key(http: httpx2.AsyncClient, stranger: Caller) -> None:
    form = {"username": "newcomer", "display_name": "New Comer", "bio": "Just arrived"}
    made = await stranger.ok("POST", "/api/auth/register", form)
    assert set(made) == {"agent_id", "api_key"}
    assert made["api_key"].startswith("polt_")
    newcomer = Caller(http, "/polt", {"Authorization": f"Bearer {made['api_key']}"})
    assert (await newcomer.post("/api/auth/verify"))["agent"]["id"] == made["agent_id"]


async def test_a_username_is_given_once_whatever_its_case(stranger: Caller) -> None:
    form = {"username": "Sandbox_Agent", "display_name": "Me too"}
    await stranger.refused(409, "POST", "/api/auth/register", form)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/auth/verify"),
        ("POST", f"/api/tasks/{NOBODY}/commit"),
        ("POST", f"/api/tasks/{NOBODY}/uncommit"),
        ("POST", f"/api/tasks/{NOBODY}/submit"),
        ("POST", f"/api/projects/{NOBODY}/vote"),
        ("POST", f"/api/projects/{NOBODY}/replies"),
        ("PATCH", "/api/agents/me"),
    ],
)
async def test_what_needs_a_key_is_refused_without_one(stranger: Caller, method: str, path: str) -> None:
    assert await stranger.refused(401, method, path) == "Unauthorized"


async def test_a_profile_keeps_what_an_update_leaves_out(you: Caller) -> None:
    await you.ok("PATCH", "/api/agents/me", {"bio": "Careful with numbers"})
    agent = (await you.get("/api/agents/sandbox_agent"))["agent"]
    assert (agent["display_name"], agent["bio"]) == ("Sandbox Agent", "Careful with numbers")


async def test_the_leaderboard_ranks_by_what_was_earned(stranger: Caller) -> None:
    ranked = (await stranger.get("/api/leaderboard", limit=2))["leaderboard"]
    assert [(r["rank"], r["username"], r["total_earned"]) for r in ranked] == [
        (1, "quanta-7", "400.00"),
        (2, "papertrail", "75.00"),
    ]


# --- committing ---------------------------------------------------------------------------------------------


async def test_a_committed_task_is_locked_to_its_committer(you: Caller, other: Caller) -> None:
    task_id = (await available(you))[0]
    answer = await you.post(f"/api/tasks/{task_id}/commit")
    assert answer["message"] == "Successfully committed to task"
    assert (answer["task"]["status"], answer["task"]["committed_by"]) == ("committed", "sandbox_agent")
    await other.refused(409, "POST", f"/api/tasks/{task_id}/commit")
    await other.refused(403, "POST", f"/api/tasks/{task_id}/uncommit")
    await other.refused(403, "POST", f"/api/tasks/{task_id}/submit", {"submission_content": GOOD_WORK})
    assert [t["id"] for t in (await other.get("/api/agents/sandbox_agent/committed-tasks"))["tasks"]] == [task_id]


async def test_a_second_commit_of_the_same_task_is_refused(you: Caller) -> None:
    task_id = await committed(you)
    await you.refused(409, "POST", f"/api/tasks/{task_id}/commit")


async def test_a_fourth_commitment_waits_until_one_is_given_back(you: Caller) -> None:
    first, second, third, fourth = (await available(you))[:4]
    for task_id in (first, second, third):
        await you.post(f"/api/tasks/{task_id}/commit")
    assert "maximum" in await you.refused(409, "POST", f"/api/tasks/{fourth}/commit")
    await you.post(f"/api/tasks/{second}/uncommit")
    await you.post(f"/api/tasks/{fourth}/commit")
    assert second in await available(you)


async def test_a_submitted_task_cannot_be_abandoned_or_submitted_again(you: Caller) -> None:
    task_id = await committed(you)
    await submit(you, task_id, GOOD_WORK)
    assert (await task(you, task_id))["status"] == "in_review"
    await you.refused(409, "POST", f"/api/tasks/{task_id}/uncommit")
    await you.refused(409, "POST", f"/api/tasks/{task_id}/submit", {"submission_content": GOOD_WORK})


async def test_a_task_that_nobody_committed_to_takes_no_submission(you: Caller) -> None:
    task_id = (await available(you))[0]
    await you.refused(409, "POST", f"/api/tasks/{task_id}/submit", {"submission_content": GOOD_WORK})
    await you.refused(409, "POST", f"/api/tasks/{task_id}/uncommit")


# --- review -------------------------------------------------------------------------------------------------


async def test_good_work_is_approved_after_a_while_and_credited(you: Caller, clock: ManualClock) -> None:
    task_id = await committed(you)
    await submit(you, task_id, GOOD_WORK)
    await clock.advance(PACE - 1)
    assert (await task(you, task_id))["status"] == "in_review"
    await clock.advance(1)
    done = await task(you, task_id)
    assert (done["status"], done["completed_by"], done["committed_by"]) == (
        "completed",
        "sandbox_agent",
        None,
    )
    assert [s["status"] for s in done["submissions"]] == ["approved"]
    contributions = (await you.get("/api/agents/sandbox_agent/contributions"))["contributions"]
    assert [(c["id"], c["payout"]) for c in contributions] == [(task_id, done["payout"])]
    assert (await you.get("/api/agents/sandbox_agent"))["agent"]["total_earned"] == done["payout"]


async def test_a_long_description_without_a_link_is_good_work_too(you: Caller, clock: ManualClock) -> None:
    task_id = await committed(you)
    await submit(you, task_id, "x" * 40)
    await clock.advance(PACE)
    assert (await task(you, task_id))["status"] == "completed"


async def test_thin_work_comes_back_for_revision_and_is_rejected_the_second_time(
    you: Caller, other: Caller, clock: ManualClock
) -> None:
    task_id = await committed(you)
    await submit(you, task_id, "done")
    await clock.advance(PACE)
    back = await task(you, task_id)
    assert (back["status"], back["committed_by"]) == ("committed", "sandbox_agent")
    assert back["submissions"][0]["status"] == "needs_revision"
    assert back["submissions"][0]["reason"]
    await submit(you, task_id, "really done")
    await clock.advance(PACE)
    gone = await task(you, task_id)
    assert (gone["status"], gone["committed_by"]) == ("available", None)
    assert [s["status"] for s in gone["submissions"]] == ["needs_revision", "rejected"]
    assert gone["submissions"][1]["reason"]
    await other.post(f"/api/tasks/{task_id}/commit")


async def test_a_harness_can_review_by_hand_before_the_robot_does(
    http: httpx2.AsyncClient, you: Caller, clock: ManualClock
) -> None:
    task_id = await committed(you)
    submission = await submit(you, task_id, GOOD_WORK)
    path = f"/_sandbox/polt/submissions/{submission['id']}/review"
    decided = await http.post(path, json={"outcome": "rejected", "reason": "Not what was asked"})
    assert decided.status_code == 200
    await clock.advance(PACE)
    assert [(s["status"], s["reason"]) for s in (await task(you, task_id))["submissions"]] == [
        ("rejected", "Not what was asked")
    ]
    assert (await http.post(path, json={"outcome": "approved"})).status_code == 404


async def test_the_work_of_seeded_robots_stays_in_review(stranger: Caller, clock: ManualClock) -> None:
    await clock.advance(1000 * PACE)
    assert (await stranger.get("/api/tasks", status="in_review"))["total"] == 1


# --- votes and replies --------------------------------------------------------------------------------------


async def test_the_same_vote_again_removes_it_and_the_other_value_flips_it(you: Caller) -> None:
    path = f"/api/projects/{await project_in(you, 'voting')}"
    before = (await you.get(path))["project"]

    async def vote(value: int) -> tuple[int | None, int, int]:
        answer = await you.post(f"{path}/vote", {"value": value})
        return (
            answer["vote"],
            answer["upvotes"] - before["upvotes"],
            answer["downvotes"] - before["downvotes"],
        )

    assert await vote(1) == (1, 1, 0)
    assert await vote(-1) == (-1, 0, 1)
    assert await vote(-1) == (None, 0, 0)
    assert await vote(-1) == (-1, 0, 1)


@pytest.mark.parametrize("status", ["development", "testing", "live"])
async def test_votes_are_taken_in_the_idea_and_voting_phases_only(you: Caller, status: str) -> None:
    project_id = await project_in(you, status)
    await you.refused(409, "POST", f"/api/projects/{project_id}/vote", {"value": 1})


async def test_a_vote_is_plus_or_minus_one(you: Caller) -> None:
    project_id = await project_in(you, "idea")
    await you.refused(400, "POST", f"/api/projects/{project_id}/vote", {"value": 2})


async def test_a_reply_is_shown_with_the_project(you: Caller) -> None:
    project_id = await project_in(you, "idea")
    await you.post(f"/api/projects/{project_id}/replies", {"body": "Count me in"})
    replies = (await you.get(f"/api/projects/{project_id}"))["project"]["replies"]
    assert (replies[-1]["author"], replies[-1]["body"]) == ("sandbox_agent", "Count me in")


# --- the wire -----------------------------------------------------------------------------------------------


async def test_a_json_content_type_with_an_empty_body_is_a_bad_request(you: Caller) -> None:
    task_id = (await available(you))[0]
    answer = await you.raw("POST", f"/api/tasks/{task_id}/commit", b"", "application/json")
    assert answer.status_code == 400
    assert task_id in await available(you)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b'{"body": "text"}', None),
        (b'{"body": "text"}', "text/plain"),
        (b"{", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b'{"body": "\\ud800"}', "application/json"),
        (b'{"body": NaN}', "application/json"),
        (b'{"body": 1e999}', "application/json"),
        (b'["body"]', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"body": ' + b"9" * 5000 + b"}", "application/json"),
    ],
    ids=[
        "untyped",
        "text",
        "cut",
        "not utf-8",
        "surrogate",
        "nan",
        "infinite",
        "list",
        "nested",
        "huge number",
    ],
)
async def test_a_body_that_is_no_proper_json_is_a_bad_request(
    you: Caller, content: bytes, content_type: str | None
) -> None:
    project_id = await project_in(you, "idea")
    answer = await you.raw("POST", f"/api/projects/{project_id}/replies", content, content_type)
    assert answer.status_code == 400


async def test_a_nul_and_unusual_characters_come_back_as_they_were_sent(you: Caller) -> None:
    project_id = await project_in(you, "idea")
    text = "nul \0, bidi \u202e, tag \U000e0041, emoji \U0001f469\u200d\U0001f4bb"
    await you.post(f"/api/projects/{project_id}/replies", {"body": text})
    assert (await you.get(f"/api/projects/{project_id}"))["project"]["replies"][-1]["body"] == text


@pytest.mark.parametrize("endpoint", polt.FORBIDDEN, ids=lambda e: f"{e.method} {e.path}")
async def test_what_is_reserved_to_the_cto_is_refused_and_seen(you: Caller, world: World, endpoint: Endpoint) -> None:
    path = endpoint.path.replace("{id}", NOBODY).replace("{agent_id}", NOBODY)
    assert await you.refused(403, endpoint.method, path) == "Forbidden: CTO only"
    assert [(seen.method, seen.path) for seen in world.requests] == [(endpoint.method, path)]


def test_none_of_the_reserved_calls_is_served() -> None:
    documented = {(e.method, e.path) for e in polt.ENDPOINTS}
    assert polt.FORBIDDEN and not documented & {(e.method, e.path) for e in polt.FORBIDDEN}
