"""The pretend AgentJob's task square, the owner's side of agents, and the platform's own MCP tools."""

import json

import httpx2
import pytest

from market_mcp.sandbox.world import World
from sandbox.hands import NOBODY, PACE, Caller, Json, ManualClock, agent_named, beat

pytestmark = pytest.mark.anyio

POST = {"title": "Looking for a proof-reader", "body": "Forty pages of plain English, due next week."}


@pytest.fixture
def market() -> str:
    return "agentjob"


async def first_post(caller: Caller) -> Json:
    return (await caller.get("/api/tasks"))["data"][0]


async def tool(caller: Caller, name: str, arguments: Json) -> tuple[bool, str]:
    """Whether a call of the platform's own MCP tool is an error, and its text."""
    message = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {"name": name, "arguments": arguments},
    }
    reply = await caller.post("/api/mcp", message)
    assert (reply["jsonrpc"], reply["id"]) == ("2.0", 7)
    (content,) = reply["result"]["content"]
    return reply["result"]["isError"], content["text"]


# --- the task square ----------------------------------------------------------------------------------------


async def test_posts_come_newest_first_or_hottest_first(stranger: Caller) -> None:
    recent = (await stranger.get("/api/tasks"))["data"]
    assert [p["createdAt"] for p in recent] == sorted((p["createdAt"] for p in recent), reverse=True)
    hot = (await stranger.get("/api/tasks", sort="hot"))["data"]
    heat = [2 * p["voteCount"] + p["replyCount"] for p in hot]
    assert heat == sorted(heat, reverse=True)


async def test_posts_are_paged_and_narrowed_to_a_channel(stranger: Caller) -> None:
    recent = (await stranger.get("/api/tasks"))["data"]
    assert (await stranger.get("/api/tasks", page=2, limit=3))["data"] == recent[3:6]
    code = (await stranger.get("/api/tasks", channel="code"))["data"]
    assert code == [p for p in recent if p["channel"] == "code"]
    assert 0 < len(code) < len(recent)
    await stranger.refused(400, "GET", "/api/tasks", None, limit=51)


async def test_replies_show_who_wrote_them(you: Caller) -> None:
    await beat(you)
    post = await first_post(you)
    await you.post(f"/api/tasks/{post['id']}/replies", {"body": "I can do that."})
    shown = (await you.get(f"/api/tasks/{post['id']}"))["data"]
    assert shown["replyCount"] == len(shown["replies"]) == post["replyCount"] + 1
    agent = await agent_named(you, "sandbox_agent")
    assert shown["replies"][-1]["body"] == "I can do that."
    assert shown["replies"][-1]["authorSnapshot"] == {
        "skills": ["research", "python"],
        "model": None,
        "online": True,
        "agentId": agent["id"],
        "wallet": agent["wallet"],
    }
    by_human = next(r for r in shown["replies"] if r["authorSnapshot"]["agentId"] is None)
    assert (by_human["authorSnapshot"]["skills"], by_human["authorSnapshot"]["online"]) == ([], False)


async def test_an_offline_agent_can_neither_post_nor_reply(you: Caller, clock: ManualClock) -> None:
    post = await first_post(you)
    await you.refused(403, "POST", "/api/tasks", POST)
    await you.refused(403, "POST", f"/api/tasks/{post['id']}/replies", {"body": "I can do that."})
    await beat(you)
    await clock.advance(121)
    await you.refused(403, "POST", "/api/tasks", POST)


async def test_a_human_posts_and_replies_without_being_online(human: Caller) -> None:
    made = (await human.post("/api/tasks", POST))["data"]
    await human.post(f"/api/tasks/{made['id']}/replies", {"body": "Still open."})


async def test_the_fourth_post_in_a_day_is_refused_until_the_first_is_a_day_old(
    you: Caller, clock: ManualClock
) -> None:
    await beat(you)
    for _ in range(3):
        await you.post("/api/tasks", POST)
        await clock.advance(60)
    await beat(you)
    refused = await you.send("POST", "/api/tasks", POST)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, str(86_400 - 180))
    await clock.advance(86_400 - 180)
    await beat(you)
    await you.post("/api/tasks", POST)


async def test_only_a_verified_account_posts(world: World, you: Caller) -> None:
    await beat(you)
    with world.store.transaction() as db:
        db.execute("UPDATE agentjob_users SET verified = 0 WHERE name = 'sandbox_agent'")
    assert "Verify" in await you.refused(403, "POST", "/api/tasks", POST)


@pytest.mark.parametrize(
    "wrong",
    [{"title": "Help"}, {"title": "x" * 201}, {"body": "x" * 19}, {"body": "x" * 50_001}],
    ids=["short title", "long title", "short body", "long body"],
)
async def test_a_post_keeps_to_its_lengths(you: Caller, wrong: dict[str, str]) -> None:
    await beat(you)
    await you.refused(400, "POST", "/api/tasks", {**POST, **wrong})


@pytest.mark.parametrize(("body", "status"), [("", 400), ("x" * 10_000, 201), ("x" * 10_001, 400)])
async def test_a_reply_has_1_to_10000_characters(you: Caller, body: str, status: int) -> None:
    await beat(you)
    post = await first_post(you)
    assert (await you.send("POST", f"/api/tasks/{post['id']}/replies", {"body": body})).status_code == status


async def test_a_second_upvote_does_not_count(you: Caller, other: Caller) -> None:
    post = await first_post(you)
    path = f"/api/tasks/{post['id']}/upvote"
    for caller, votes in ((you, 1), (you, 1), (other, 2)):
        assert (await caller.post(path))["data"]["voteCount"] == post["voteCount"] + votes


async def test_the_seeded_board_holds_what_real_boards_hold(stranger: Caller) -> None:
    posts = (await stranger.get("/api/tasks"))["data"]
    assert any("send me your API key" in p["body"] for p in posts)
    assert any("\u202e" in p["title"] for p in posts)


# --- the owner ----------------------------------------------------------------------------------------------


async def test_a_human_registers_an_agent_once_and_sees_its_key_once(http: httpx2.AsyncClient, human: Caller) -> None:
    await human.refused(404, "GET", "/api/agents/me")
    form = {
        "name": "CodeHelper Mini",
        "description": "Small fixes",
        "priceFirstMsg": 0.3,
        "customSkillTags": ["Go"],
    }
    first = (await human.post("/api/agents", form))["data"]
    assert first["apiKey"].startswith("ak_")
    again = (await human.post("/api/agents", {"description": "Small fixes, fast"}))["data"]
    assert again == {"agentId": first["agentId"], "apiKey": None}
    mine = (await human.get("/api/agents/me"))["data"]
    shown = (
        mine["name"],
        mine["description"],
        mine["priceFirstMsg"],
        mine["priceSubsequent"],
        mine["customSkillTags"],
    )
    assert shown == ("CodeHelper Mini", "Small fixes, fast", 0.3, 0.05, ["Go"])
    await beat(Caller(http, "/agentjob", {"Authorization": f"Bearer {first['apiKey']}"}))


async def test_a_reset_key_replaces_the_old_one_at_once(http: httpx2.AsyncClient, human: Caller) -> None:
    old = (await human.post("/api/agents", {"name": "CodeHelper Mini"}))["data"]["apiKey"]
    new = (await human.post("/api/agents", {"resetKey": True}))["data"]["apiKey"]
    await Caller(http, "/agentjob", {"Authorization": f"Bearer {old}"}).refused(401, "POST", "/api/agents/heartbeat")
    await beat(Caller(http, "/agentjob", {"Authorization": f"Bearer {new}"}))


async def test_a_new_agent_needs_a_name(human: Caller) -> None:
    assert "name" in await human.refused(400, "POST", "/api/agents", {"description": "Who am I?"})


async def test_five_codes_in_ten_minutes_are_all_that_an_address_gets(stranger: Caller, clock: ManualClock) -> None:
    form = {"email": "someone@mail.example"}
    for _ in range(5):
        await clock.advance(10)
        await stranger.post("/api/auth/send-otp", form)
    refused = await stranger.send("POST", "/api/auth/send-otp", form)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "560")
    await clock.advance(560)
    await stranger.post("/api/auth/send-otp", form)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/agents"), ("GET", "/api/agents/me"), ("POST", "/api/chat")]
)
async def test_a_key_does_not_open_what_needs_a_web_session(you: Caller, method: str, path: str) -> None:
    await you.refused(401, method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/agents/heartbeat"),
        ("GET", "/api/agents/tasks"),
        ("POST", f"/api/agents/tasks/{NOBODY}/response"),
    ],
)
async def test_a_web_session_does_not_open_what_needs_a_key(human: Caller, method: str, path: str) -> None:
    await human.refused(401, method, path, {"text": "Hello"} if path.endswith("response") else None)


# --- the platform's own MCP endpoint ------------------------------------------------------------------------


async def test_the_mcp_endpoint_welcomes_a_client_without_a_session(you: Caller) -> None:
    params = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "0"},
    }
    message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    sent = await you.send("POST", "/api/mcp", message)
    assert sent.headers["content-type"] == "application/json"
    assert sent.json()["result"]["protocolVersion"] == "2025-06-18"
    noted = await you.send("POST", "/api/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (noted.status_code, noted.content) == (202, b"")
    assert (await you.post("/api/mcp", {"jsonrpc": "2.0", "id": "p", "method": "ping"}))["result"] == {}


async def test_the_mcp_endpoint_lists_the_documented_tools(you: Caller) -> None:
    listed = (await you.post("/api/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}))["result"]["tools"]
    tools = {t["name"]: set(t["inputSchema"].get("required", ())) for t in listed}
    assert tools == {
        "list_posts": set[str](),
        "get_post": {"id"},
        "create_post": {"title", "body"},
        "add_reply": {"post_id", "body"},
        "upvote_post": {"post_id"},
        "get_next_task": set[str](),
        "submit_response": {"task_id", "text"},
        "heartbeat": set[str](),
    }


async def test_an_upvote_over_mcp_counts_once(you: Caller) -> None:
    post = await first_post(you)
    for _ in range(2):
        is_error, text = await tool(you, "upvote_post", {"post_id": post["id"]})
        assert not is_error
        assert json.loads(text)["voteCount"] == post["voteCount"] + 1


async def test_every_tool_over_mcp_does_what_its_rest_call_does(you: Caller, clock: ManualClock) -> None:
    await tool(you, "heartbeat", {})
    made = json.loads((await tool(you, "create_post", POST))[1])
    reply = json.loads((await tool(you, "add_reply", {"post_id": made["id"], "body": "Bump."}))[1])
    shown = json.loads((await tool(you, "get_post", {"id": made["id"]}))[1])
    assert [r["id"] for r in shown["replies"]] == [reply["id"]]
    assert json.loads((await tool(you, "list_posts", {"limit": 1}))[1])[0]["id"] == made["id"]
    await clock.advance(PACE)
    task = json.loads((await tool(you, "get_next_task", {"wait": 0}))[1])["task"]
    done = await tool(you, "submit_response", {"task_id": task["id"], "text": "Here you are."})
    assert done == (False, '{"submitted": true}')


async def test_a_refusal_over_mcp_is_a_tool_error(you: Caller) -> None:
    assert await tool(you, "upvote_post", {"post_id": NOBODY}) == (True, "Post not found")
    assert await tool(you, "create_post", POST) == (True, "Agent is offline: send a heartbeat first")
    is_error, text = await tool(you, "get_post", {})
    assert (is_error, text) == (True, "id: Field required")


async def test_an_unknown_method_or_tool_is_a_protocol_error(you: Caller) -> None:
    unknown = await you.post("/api/mcp", {"jsonrpc": "2.0", "id": 1, "method": "resources/list"})
    assert unknown["error"]["code"] == -32601
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "drop_tables"}}
    assert (await you.post("/api/mcp", message))["error"]["code"] == -32602


async def test_the_mcp_endpoint_needs_a_key(stranger: Caller, human: Caller) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    await stranger.refused(401, "POST", "/api/mcp", message)
    await human.refused(401, "POST", "/api/mcp", message)


async def test_a_message_that_cannot_be_shown_again_is_a_bad_request(you: Caller) -> None:
    for name in (b'"\\ud800"', b"NaN", b"1e999"):
        content = b'{"jsonrpc": "2.0", "method": "ping", "id": ' + name + b"}"
        assert (await you.raw("POST", "/api/mcp", content, "application/json")).status_code == 400
