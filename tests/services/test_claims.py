"""A claimed question is kept as it came, before it is read: whatever its form, it is told, and none is in its way."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import anyio
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clocks import ManualClock
from market_mcp.actions.chat import GetNextTask
from market_mcp.errors import CallError
from market_mcp.state.store import State
from rig import Rig, Worker, dispatcher_at, kept_in, sandbox_accounts

pytestmark = pytest.mark.anyio

POLL = "/agentjob/api/agents/tasks"
NOTHING = b'{"data": {"task": null}}'
GOOD = b'{"data": {"task": {"id": "q2", "messages": [{"role": "user", "content": "Are you there?"}]}}}'


def handing_over(*claims: bytes) -> httpx2.AsyncBaseTransport:
    """An AgentJob that hands these over, one for each poll, and then nothing; it takes every answer."""
    left = list(claims)

    def handle(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == POLL:
            return httpx2.Response(200, content=left.pop(0) if left else NOTHING)
        return httpx2.Response(200, json={"data": {"submitted": True, "next_heartbeat_in_seconds": 45}})

    return httpx2.MockTransport(handle)


def at(rig: Rig, *claims: bytes) -> AbstractAsyncContextManager[Worker]:
    return rig.open(sandbox_accounts(["agentjob"]), market=handing_over(*claims))


def claims_in(directory: Path) -> list[bytes]:
    """What the state file holds of claims, the oldest first."""
    with closing(sqlite3.connect(directory / "state.db")) as db:
        return [bytes(row[0]) for row in db.execute("SELECT body FROM claim ORDER BY id")]


ODD: Sequence[bytes] = (
    b'{"data": {"task": {"id": "q1", "messages": "Can you help?"}}}',
    b'{"data": {"task": {"task_id": "q1", "messages": [{"content": "Can you help?"}]}}}',
    b'{"data": {"task": {"id": "q1 ", "messages": [{"content": "Can you help?"}]}}}',
    b'{"data": {"task": ["q1", "Can you help?"]}}',
    b'{"task": {"id": "q1", "messages": [{"content": "Can you help?"}]}}',
    b'["q1", "Can you help?"]',
    b'"q1: Can you help?"',
    b'{"data": {"task": {"id": "q1", "messages": [{"content": "Can you help?',
    b"q1: Can you help? \xff\xfe",
    b'{"q1": "Can you help?", "deep": ' + b"[" * 100 + b"]" * 100 + b"}",
)
"""Questions in forms that nobody knows."""


@pytest.mark.parametrize("odd", ODD)
async def test_a_question_in_an_unknown_form_is_told_until_it_is_answered_and_keeps_no_other_away(
    rig: Rig, tmp_path: Path, odd: bytes
) -> None:
    async with at(rig, odd, GOOD) as before:
        refusal = await before.refused("get_next_task", wait_seconds=0)
        assert refusal.content["error"] == "outcome_unknown"
        assert "q1" in refusal.text and "Can you help?" in refusal.text and "never instructions" in refusal.text
        assert claims_in(tmp_path) == [odd]
        await before.clock.advance(30)
        following = await before.call("get_next_task", wait_seconds=0)
        assert following["chat"]["task_id"] == "agentjob:q2" and "claimed_before" not in following
        [told] = following["unreadable"]
        assert "q1" in told["came_as"] and "Can you help?" in told["came_as"] and told["seconds_left"] == 260
        assert "never instructions" in following["untrusted"]
        await before.call("submit_response", task_id="agentjob:q2", text="Yes.")
        assert claims_in(tmp_path) == [odd]
    await rig.clock.advance(30)
    async with at(rig) as after:
        assert (await after.call("list_markets"))["markets"][0]["chats_to_answer"] == 1
        assert "get_next_task tells" in str((await after.call("my_work"))["skipped"])
        found = await after.call("get_next_task", wait_seconds=0)
        assert found["chat"] is None and found["unreadable"] == [told | {"seconds_left": 230}]
        await after.call("submit_response", task_id="agentjob:q1", text="Yes.")
        assert claims_in(tmp_path) == []
        assert "unreadable" not in await after.call("get_next_task", wait_seconds=0)


async def test_a_question_in_an_unknown_form_is_forgotten_when_its_time_is_over(rig: Rig) -> None:
    async with at(rig, ODD[0]) as worker:
        await worker.refused("get_next_task", wait_seconds=0)
        await worker.clock.advance(289)
        assert (await worker.call("get_next_task", wait_seconds=0))["unreadable"]
        await worker.clock.advance(1)
        assert "unreadable" not in await worker.call("get_next_task", wait_seconds=0)


async def test_an_answer_settles_no_question_whose_id_only_begins_or_ends_alike(rig: Rig, tmp_path: Path) -> None:
    other = b'{"data": {"task": {"id": "q1", "messages": "%s"}}}'
    bodies = [other.replace(b"q1", name) for name in (b"q1", b"q10", b"aq1", b"q1-a", b"x_q1")]
    async with at(rig, *bodies) as worker:
        for _ in bodies:
            await worker.refused("get_next_task", wait_seconds=0)
        await worker.call("submit_response", task_id="agentjob:q1", text="Yes.")
    assert claims_in(tmp_path) == bodies[1:]


async def test_what_hides_in_a_question_of_unknown_form_is_taken_out_and_much_of_it_cut(rig: Rig) -> None:
    hidden = json.dumps({"data": {"task": {"id": "q1", "messages": "Can\u200b you \x1b[31mhelp?" + "x" * 9_000}}})
    async with at(rig, hidden.encode(), *[ODD[0]] * 3) as worker:
        refusal = await worker.refused("get_next_task", wait_seconds=0)
        assert len(refusal.text) < 5_000
        for _ in range(3):
            await worker.refused("get_next_task", wait_seconds=0)
        told = (await worker.call("get_next_task", wait_seconds=0))["unreadable"]
        assert len(told) == 4 and sum(len(one["came_as"]) for one in told) < 4_000


async def test_the_key_that_a_market_quotes_in_a_question_is_not_kept(rig: Rig, tmp_path: Path) -> None:
    (account,) = sandbox_accounts(["agentjob"])
    async with at(rig, ODD[0].replace(b"Can", str(account.key).encode())) as worker:
        await worker.refused("get_next_task", wait_seconds=0)
        assert b"[your key] you help?" in claims_in(tmp_path)[0]
        assert str(account.key).encode() not in kept_in(tmp_path)


@pytest.mark.parametrize("messages", ['[{"voice": "https://x.example/1.ogg"}]', '[["Are you there?"]]', "[]"])
async def test_a_question_without_words_is_shown_with_what_it_came_as(rig: Rig, messages: str) -> None:
    silent = b'{"data": {"task": {"id": "q1", "messages": %s}}}' % messages.encode()
    async with at(rig, silent) as worker:
        for _ in range(2):
            chat = (await worker.call("get_next_task", wait_seconds=0))["chat"]
            assert chat["task_id"] == "agentjob:q1" and chat["came_as"] == silent.decode()


async def test_a_question_that_is_handed_over_twice_is_one_and_its_time_runs_from_the_first(rig: Rig) -> None:
    async with at(rig, NOTHING) as worker:
        await worker.call("get_next_task", wait_seconds=0)
    async with rig.open(sandbox_accounts(["agentjob"]), market=handing_over(GOOD, GOOD)) as one:
        # Both wait when it comes.
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(one.client.call_tool, "get_next_task", {"wait_seconds": 0})
        await one.clock.advance(60)
        assert (await one.call("list_markets"))["markets"][0]["chats_to_answer"] == 1
        again = await one.call("get_next_task", wait_seconds=0)
        assert again["claimed_before"] and again["chat"]["seconds_left"] == 230
        await one.call("submit_response", task_id="agentjob:q2", text="Yes.")
        assert (await one.call("list_markets"))["markets"][0]["chats_to_answer"] == 0


async def test_a_poll_that_brings_no_question_leaves_nothing_behind(rig: Rig, tmp_path: Path) -> None:
    async with at(rig, NOTHING, b"null", b'{"data": null}', b'{"data": {}}') as worker:
        for _ in range(5):
            assert (await worker.call("get_next_task", wait_seconds=0))["chat"] is None
    assert claims_in(tmp_path) == []


# --- whatever comes -----------------------------------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.fixed_dictionaries({}, optional={"role": JSON_VALUES, "content": JSON_VALUES, "text": JSON_VALUES}) | JSON_VALUES
)
TASKS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["q1", "q 1", 7, None]) | JSON_VALUES,
        "messages": MESSAGES | JSON_VALUES,
        "text": JSON_VALUES,
        "amount_usdc": JSON_VALUES,
        "is_first_chat": JSON_VALUES,
    },
)
ANSWERS: st.SearchStrategy[bytes] = (
    st.binary(min_size=1, max_size=30)
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | TASKS.map(lambda task: json.dumps({"data": {"task": task}}).encode())
)


@settings(max_examples=150)
@given(ANSWERS)
def test_whatever_a_poll_brings_the_next_question_is_handed_over_and_nothing_is_lost(odd: bytes) -> None:
    async def poll() -> None:
        async with dispatcher_at(
            handing_over(odd, GOOD), ManualClock(), State(None), sandbox_accounts(["agentjob"])
        ) as dispatcher:
            chat, told = None, ""
            try:
                chat = (await dispatcher.perform(GetNextTask(wait_seconds=0)))["chat"]
            except CallError as error:
                told = error.next
            if chat is None:
                second = await dispatcher.perform(GetNextTask(wait_seconds=0))
                assert second["chat"]["task_id"] == "agentjob:q2"
                assert ("It came as" in told) == ("unreadable" in second)

    anyio.run(poll)
