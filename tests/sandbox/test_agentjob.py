"""The pretend AgentJob brings paid chats to agents that are online, on the documented terms."""

import anyio
import httpx2
import pytest

from market_mcp.sandbox.agentjob import chats
from market_mcp.sandbox.agentjob.robots import CONVERSATIONS
from sandbox.hands import NOBODY, PACE, Caller, Json, ManualClock, agent_named, beat

pytestmark = pytest.mark.anyio


@pytest.fixture
def market() -> str:
    return "agentjob"


async def poll(caller: Caller, wait: int = 0) -> Json | None:
    return (await caller.get("/api/agents/tasks", wait=wait))["data"]["task"]


async def taken(caller: Caller) -> Json:
    """The chat task that is waiting for the caller, claimed."""
    task = await poll(caller)
    assert task is not None
    return task


async def answer(caller: Caller, task: Json, text: str = "Here you are.") -> None:
    reply = await caller.post(f"/api/agents/tasks/{task['id']}/response", {"text": text})
    assert reply == {"data": {"submitted": True}}


# --- presence -----------------------------------------------------------------------------------------------


async def test_a_heartbeat_says_when_the_next_one_is_due(you: Caller) -> None:
    assert await you.post("/api/agents/heartbeat") == {"data": {"next_heartbeat_in_seconds": 45}}


async def test_an_agent_is_online_for_two_minutes_after_its_heartbeat(you: Caller, clock: ManualClock) -> None:
    assert not (await agent_named(you, "sandbox_agent"))["online"]
    await beat(you)
    await clock.advance(120)
    assert (await agent_named(you, "sandbox_agent"))["online"]
    await clock.advance(1)
    assert not (await agent_named(you, "sandbox_agent"))["online"]


async def test_the_list_of_agents_narrows_to_those_online_or_with_an_nft(stranger: Caller) -> None:
    every = (await stranger.get("/api/agents"))["data"]
    online = (await stranger.get("/api/agents", online="true"))["data"]
    nft = (await stranger.get("/api/agents", nft="true"))["data"]
    assert {a["name"] for a in online} == {"CodeHelper Pro", "Ledger Lens"}
    assert {a["name"] for a in nft} == {"CodeHelper Pro"}
    assert (await stranger.get("/api/agents", online="false"))["data"] == every


async def test_an_agent_is_found_by_its_id_and_by_its_wallet_in_any_case(stranger: Caller) -> None:
    agent = await agent_named(stranger, "Ledger Lens")
    assert agent["wallet"].startswith("0x")
    for named in (agent["id"], agent["wallet"], "0x" + agent["wallet"][2:].upper()):
        assert (await stranger.get(f"/api/agents/{named}"))["data"] == agent
    await stranger.refused(404, "GET", f"/api/agents/{NOBODY}")


# --- chats --------------------------------------------------------------------------------------------------


async def test_an_online_agent_is_asked_a_while_after_its_first_heartbeat(you: Caller, clock: ManualClock) -> None:
    await beat(you)
    assert await poll(you) is None
    await clock.advance(PACE)
    task = await taken(you)
    assert set(task) == {"id", "chat_id", "messages", "user_id", "is_first_chat", "amount_usdc"}
    assert task["messages"] == [{"role": "user", "content": CONVERSATIONS[0][0]}]
    assert (task["is_first_chat"], task["amount_usdc"]) == (True, "0.100000")


async def test_an_agent_that_was_never_online_is_not_asked(you: Caller, clock: ManualClock) -> None:
    await clock.advance(100 * PACE)
    assert await poll(you) is None


async def test_a_long_poll_is_held_until_a_task_comes(you: Caller, clock: ManualClock) -> None:
    await beat(you)
    got: list[Json | None] = []

    async def wait() -> None:
        got.append(await poll(you, 30))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await clock.advance(PACE - 1)
        assert got == []
        await clock.advance(1)
        assert len(got) == 1
    assert got[0] is not None


@pytest.mark.parametrize(("query", "wait"), [({}, 30), ({"wait": 60}, 60), ({"wait": 1}, 1)])
async def test_a_long_poll_without_a_task_ends_with_null_after_its_wait(
    other: Caller, clock: ManualClock, query: dict[str, int], wait: int
) -> None:
    got: list[Json] = []

    async def hold() -> None:
        got.append(await other.get("/api/agents/tasks", **query))

    async with anyio.create_task_group() as group:
        group.start_soon(hold)
        await anyio.wait_all_tasks_blocked()
        await clock.advance(wait - 0.5)
        assert got == []
        await clock.advance(0.5)
        assert got == [{"data": {"task": None}}]


async def test_a_wait_of_more_than_a_minute_is_a_bad_request(you: Caller) -> None:
    await you.refused(400, "GET", "/api/agents/tasks", None, wait=61)


async def test_a_taken_task_is_not_handed_out_again(you: Caller, clock: ManualClock) -> None:
    await beat(you)
    await clock.advance(PACE)
    await taken(you)
    assert await poll(you) is None


async def test_an_agent_that_went_offline_is_handed_nothing(you: Caller, clock: ManualClock) -> None:
    await beat(you)
    await clock.advance(PACE)
    await you.get("/api/tasks")
    await clock.advance(121)
    assert await poll(you) is None
    await beat(you)
    await taken(you)


async def test_a_chat_goes_on_for_three_messages_and_another_one_follows_later(you: Caller, clock: ManualClock) -> None:
    await beat(you)
    await clock.advance(PACE)
    first = await taken(you)
    await answer(you, first, "Like this.")
    await clock.advance(PACE)
    second = await taken(you)
    assert (second["chat_id"], second["is_first_chat"], second["amount_usdc"]) == (
        first["chat_id"],
        False,
        "0.050000",
    )
    assert second["messages"] == [
        {"role": "user", "content": CONVERSATIONS[0][0]},
        {"role": "assistant", "content": "Like this."},
        {"role": "user", "content": CONVERSATIONS[0][1]},
    ]
    await answer(you, second)
    await clock.advance(PACE)
    await answer(you, await taken(you))
    await clock.advance(10 * PACE - 1)
    await beat(you)
    assert await poll(you) is None
    await clock.advance(1)
    fresh = await taken(you)
    assert fresh["chat_id"] != first["chat_id"]
    assert (fresh["is_first_chat"], fresh["amount_usdc"]) == (True, "0.100000")


async def test_an_answer_after_five_minutes_is_too_late_and_counts_against_the_agent(
    you: Caller, clock: ManualClock
) -> None:
    await beat(you)
    await clock.advance(PACE)
    task = await taken(you)
    await clock.advance(chats.ANSWER_WITHIN + 1)
    path = f"/api/agents/tasks/{task['id']}/response"
    assert "expired" in await you.refused(409, "POST", path, {"text": "Sorry!"})
    agent = await agent_named(you, "sandbox_agent")
    assert (agent["noResponseCount"], agent["completedCount"], agent["successRate"]) == (1, 0, 0)


async def test_an_answer_within_five_minutes_counts_for_the_agent(you: Caller, clock: ManualClock) -> None:
    await beat(you)
    await clock.advance(PACE)
    task = await taken(you)
    await clock.advance(chats.ANSWER_WITHIN)
    await answer(you, task)
    agent = await agent_named(you, "sandbox_agent")
    assert (agent["noResponseCount"], agent["completedCount"], agent["successRate"]) == (0, 1, 1)


async def test_a_second_answer_and_an_answer_to_what_is_not_yours_are_refused(
    you: Caller, other: Caller, clock: ManualClock
) -> None:
    await beat(you)
    await clock.advance(PACE)
    task = await taken(you)
    path = f"/api/agents/tasks/{task['id']}/response"
    await other.refused(403, "POST", path, {"text": "Mine!"})
    await answer(you, task)
    assert "already answered" in await you.refused(409, "POST", path, {"text": "Once more"})
    await you.refused(404, "POST", f"/api/agents/tasks/{NOBODY}/response", {"text": "Hello?"})


@pytest.mark.parametrize(("text", "status"), [("", 400), ("x" * 100_000, 200), ("x" * 100_001, 400)])
async def test_an_answer_has_1_to_100000_characters(you: Caller, clock: ManualClock, text: str, status: int) -> None:
    await beat(you)
    await clock.advance(PACE)
    task = await taken(you)
    sent = await you.send("POST", f"/api/agents/tasks/{task['id']}/response", {"text": text})
    assert sent.status_code == status


async def test_a_harness_can_start_a_chat(http: httpx2.AsyncClient, you: Caller, human: Caller) -> None:
    started = (await http.post("/_sandbox/agentjob/chats", json={"text": "Are you there?"})).json()
    await beat(you)
    task = await taken(you)
    assert (task["id"], task["chat_id"]) == (started["task_id"], started["chat_id"])
    assert task["messages"] == [{"role": "user", "content": "Are you there?"}]
    await answer(you, task, "Yes.")
    assert (await human.get(f"/api/chat/{task['id']}"))["data"] == {"status": "completed", "text": "Yes."}


async def test_a_registered_agent_is_asked_at_its_own_price(
    http: httpx2.AsyncClient, human: Caller, clock: ManualClock
) -> None:
    made = (await human.post("/api/agents", {"name": "CodeHelper Mini", "priceFirstMsg": 0.3}))["data"]
    agent = Caller(http, "/agentjob", {"Authorization": f"Bearer {made['apiKey']}"})
    await beat(agent)
    await clock.advance(PACE)
    assert (await taken(agent))["amount_usdc"] == "0.300000"


# --- the buyer ----------------------------------------------------------------------------------------------


async def test_a_human_buys_an_answer_from_an_agent(you: Caller, human: Caller) -> None:
    agent = await agent_named(you, "sandbox_agent")
    message = {"agentId": agent["id"], "message": "How deep is the fjord?"}
    assert await human.refused(403, "POST", "/api/chat", message) == "Agent is offline"
    await beat(you)
    sent = await human.send("POST", "/api/chat", message)
    assert sent.status_code == 202
    task_id, chat_id = sent.json()["data"]["taskId"], sent.json()["data"]["chatId"]
    assert (await human.get(f"/api/chat/{task_id}"))["data"] == {"status": "pending"}
    task = await taken(you)
    assert (task["id"], task["chat_id"], task["is_first_chat"]) == (task_id, chat_id, True)
    await answer(you, task, "1308 metres.")
    assert (await human.get(f"/api/chat/{task_id}"))["data"] == {
        "status": "completed",
        "text": "1308 metres.",
    }
    await human.post("/api/chat", {**message, "chatId": chat_id})
    assert (await taken(you))["amount_usdc"] == "0.050000"


async def test_a_message_that_nobody_answers_in_time_has_failed(you: Caller, human: Caller, clock: ManualClock) -> None:
    await beat(you)
    agent = await agent_named(you, "sandbox_agent")
    sent = await human.post("/api/chat", {"agentId": agent["id"], "message": "Hello?"})
    await taken(you)
    await clock.advance(chats.ANSWER_WITHIN + 1)
    assert (await human.get(f"/api/chat/{sent['data']['taskId']}"))["data"] == {"status": "failed"}


async def test_robot_agents_answer_buyers(human: Caller, clock: ManualClock) -> None:
    agent = await agent_named(human, "Ledger Lens")
    sent = await human.post("/api/chat", {"agentId": agent["id"], "message": "What does not add up here?"})
    await clock.advance(PACE)
    assert (await human.get(f"/api/chat/{sent['data']['taskId']}"))["data"]["status"] == "completed"


async def test_the_61st_message_within_a_minute_is_one_too_many(human: Caller, clock: ManualClock) -> None:
    message = {"agentId": (await agent_named(human, "Ledger Lens"))["id"], "message": "And this?"}
    for _ in range(60):
        await human.post("/api/chat", message)
    refused = await human.send("POST", "/api/chat", message)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    await clock.advance(60)
    await human.post("/api/chat", message)


async def test_a_chat_is_nobody_elses_business(you: Caller, human: Caller, clock: ManualClock) -> None:
    await beat(you)
    await clock.advance(PACE)
    task = await taken(you)
    await human.refused(403, "GET", f"/api/chat/{task['id']}")
    await you.refused(401, "GET", f"/api/chat/{task['id']}")
