"""AgentJob: a paid chat is found, answered, gone on with, and lost; and the three posts of a day."""

from collections.abc import AsyncGenerator

import anyio
import pytest

from clocks import ManualClock
from market_mcp.sandbox.world import World
from rig import Json, Rig, of
from stories.parties import Party

pytestmark = pytest.mark.anyio

DAY = 24 * 3600.0
BODY = "I review migrations and write tests for them; ask me anything about it."


@pytest.fixture
async def agent(rig: Rig) -> AsyncGenerator[Party]:
    async with rig.open() as worker:
        yield Party(worker.client)


async def next_chat(agent: Party, clock: ManualClock, *, comes_after: float) -> Json:
    """The question that comes while the agent waits for it."""
    found: list[Json] = []

    async def wait() -> None:
        found.append(await agent.call("get_next_task", wait_seconds=50))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await clock.advance(comes_after - 1)
        assert found == []
        await clock.advance(2)
    chat: Json = found[0]["chat"]
    return chat


def heartbeats(world: World) -> int:
    return sum(seen.path == "/api/agents/heartbeat" for seen in world.requests)


async def presence(agent: Party) -> Json:
    [market] = [m for m in (await agent.call("list_markets"))["markets"] if m["market"] == "agentjob"]
    found: Json = market["presence"]
    return found


async def test_a_question_is_answered_and_its_user_goes_on(agent: Party, clock: ManualClock) -> None:
    chat = await next_chat(agent, clock, comes_after=2)
    assert chat["first_chat"] is True
    assert [m["role"] for m in chat["messages"]] == ["user"]
    await clock.advance(100)
    [duty] = await agent.duties("answer the paid chat")
    assert (duty["id"], duty["next"], duty["due"]) == (chat["task_id"], "submit_response", chat["answer_by"])
    assert chat["seconds_left"] - duty["seconds_left"] in {100, 101}
    answered = await agent.call("submit_response", task_id=chat["task_id"], text="Use `sorted`.")
    assert answered["submitted"] is True
    assert await agent.duties("answer the paid chat") == []
    more = await next_chat(agent, clock, comes_after=2)
    assert more["chat_id"] == chat["chat_id"]
    assert more["first_chat"] is False
    assert [m["role"] for m in more["messages"]] == ["user", "assistant", "user"]
    assert more["messages"][1]["content"] == "Use `sorted`."


async def test_a_claimed_question_comes_back_until_its_time_is_over(
    agent: Party, clock: ManualClock, world: World
) -> None:
    chat = await next_chat(agent, clock, comes_after=2)
    await clock.advance(280)
    world.requests.clear()
    again = await agent.call("get_next_task", wait_seconds=0)
    assert (again["claimed_before"], again["chat"]["task_id"]) == (True, chat["task_id"])
    assert 0 < again["chat"]["seconds_left"] < 12
    assert [seen.path for seen in world.requests] == ["/api/agents/heartbeat"]
    await clock.advance(25)
    assert await agent.duties("answer the paid chat") == []
    late = await agent.refused("submit_response", task_id=chat["task_id"], text="Use `sorted`.")
    assert (late.content["status"], late.content["effect"]) == (409, "none")
    assert "ask get_next_task for another" in late.content["next"]
    fresh = await agent.call("get_next_task", wait_seconds=0)
    assert fresh["chat"] is None or fresh["chat"]["task_id"] != chat["task_id"]


async def test_presence_is_kept_while_questions_are_asked_for_and_lapses_three_minutes_later(
    agent: Party, clock: ManualClock, world: World
) -> None:
    await clock.advance(200)
    assert heartbeats(world) == 0
    assert (await presence(agent))["online"] is False
    await next_chat(agent, clock, comes_after=2)
    assert heartbeats(world) == 1
    assert (await presence(agent))["online"] is True
    await clock.advance(170)
    assert heartbeats(world) == 4
    await clock.advance(600)
    assert heartbeats(world) == 4
    assert await presence(agent) == {"mode": "auto", "online": False}


async def test_three_posts_a_day_and_the_fourth_is_not_even_sent(
    agent: Party, clock: ManualClock, world: World
) -> None:
    for n in range(3):
        await agent.call("create_post", title=f"Migration review {n}", body=BODY)
        await clock.advance(3600)
    routes = [f"{seen.method} {seen.path}" for seen in world.requests]
    assert routes == ["POST /api/agents/heartbeat", "POST /api/tasks"] * 3
    world.requests.clear()
    [market] = [m for m in (await agent.call("list_markets"))["markets"] if m["market"] == "agentjob"]
    assert market["quota_left"]["posts"] == 0
    fourth = await agent.refused("create_post", title="Migration review 4", body=BODY)
    assert (fourth.content["error"], fourth.content["effect"]) == ("too_soon", "none")
    wait = fourth.content["retry_after_seconds"]
    assert DAY - 3 * 3600 - 2 <= wait <= DAY - 3 * 3600 + 2
    assert len(of("agentjob", (await agent.call("list_posts", query="Migration review"))["posts"])) == 3
    await clock.advance(wait)
    await agent.call("create_post", title="Migration review 4", body=BODY)
    again = await agent.refused("create_post", title="Migration review 5", body=BODY)
    assert 3600 - 5 <= again.content["retry_after_seconds"] <= 3600 + 5


async def test_a_server_that_knows_nothing_of_the_posts_hears_of_the_quota_from_the_market(
    agent: Party, rig: Rig, clock: ManualClock
) -> None:
    for n in range(3):
        await agent.call("create_post", title=f"Migration review {n}", body=BODY)
    await clock.advance(60)
    async with rig.open(state="other.db") as worker:
        said = await worker.refused("create_post", title="Migration review 4", body=BODY)
    assert (said.content["status"], said.content["effect"]) == (429, "none")
    assert DAY - 62 <= said.content["retry_after_seconds"] <= DAY
