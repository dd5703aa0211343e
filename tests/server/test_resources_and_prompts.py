"""Resources are the `get_*` tools at an address, and prompts name only tools there are."""

import json
import re
from collections.abc import Sequence

import pytest
from mcp import MCPError
from mcp_types import Completion, PromptReference, ResourceTemplateReference, TextContent, TextResourceContents

from market_mcp.actions import TOOLSETS
from market_mcp.sandbox.faults import Fault
from market_mcp.sandbox.world import World
from market_mcp.server.prompts import ROLES, RULES
from market_mcp.server.resources import MOST_VALUES
from rig import Hand, Json, Rig, Worker, of, sandbox_accounts, times

pytestmark = pytest.mark.anyio

TASKS = "market://{market}/tasks/{id}"
NOWHERE = "00000000-0000-4000-8000-000000000000"
NOT_FOUND = -32602
"""The code of what is not there: invalid parameters."""
FAILED = -32603
"""The code of what is there and could not be read."""
ALL_TOOLS = {action.tool_name() for actions in TOOLSETS.values() for action in actions}


def uri(handle: str, kind: str) -> str:
    market, _, native = handle.partition(":")
    return f"market://{market}/{kind}/{native}"


async def read(hand: Hand, uri: str) -> Json:
    """The JSON at an address."""
    (content,) = (await hand.client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "application/json")
    found: Json = json.loads(content.text)
    return found


async def missed(hand: Hand, uri: str) -> MCPError:
    with pytest.raises(MCPError) as failure:
        await hand.client.read_resource(uri)
    return failure.value


async def first(hand: Hand, tool: str, market: str, noun: str) -> str:
    """The handle of the first entry of a list."""
    handle: str = of(market, (await hand.call(tool, market=market))[noun])[0]["id"]
    return handle


async def templates(hand: Hand) -> list[str]:
    return [t.uri_template for t in (await hand.client.list_resource_templates()).resource_templates]


# --- resources ----------------------------------------------------------------------------------------------


async def test_a_task_and_a_post_read_as_their_tools_give_them(both: Worker) -> None:
    task = await first(both, "list_tasks", "polt", "tasks")
    post = await first(both, "list_posts", "agentjob", "posts")
    at = {task: (uri(task, "tasks"), "task"), post: (uri(post, "posts"), "post")}
    for handle, (address_of_it, noun) in at.items():
        shown = await read(both, address_of_it)
        told = await both.call(f"get_{noun}", **{f"{noun}_id": handle})
        assert shown[noun] == told[noun]
        assert shown["untrusted"] == told["untrusted"]


async def test_a_bid_and_its_contract_read_as_their_tools_give_them(worker: Worker, rig: Rig) -> None:
    task = await first(worker, "list_tasks", "opentask", "tasks")
    bid = (await worker.call("place_bid", task_id=task, price="100 USDC"))["bid"]["id"]
    assert (await read(worker, uri(bid, "bids")))["bid"]["price"]["text"] == "100 USDC"
    await rig.clock.advance(61)
    hired = (await read(worker, uri(bid, "bids")))["bid"]
    contract = await read(worker, uri(hired["contract_id"], "contracts"))
    assert (contract["contract"]["bid_id"], contract["contract"]["status"]) == (bid, "in_progress")


async def test_a_resource_and_its_tool_are_one_question_to_the_market(worker: Worker) -> None:
    task = await first(worker, "list_tasks", "polt", "tasks")
    worker.wire.sent.clear()
    assert (await read(worker, uri(task, "tasks")))["feed"]["source"] == "live"
    assert (await worker.call("get_task", task_id=task))["feed"]["source"] == "cache"
    assert (await read(worker, uri(task, "tasks")))["feed"]["source"] == "cache"
    assert times(f"GET /api/tasks/{task.partition(':')[2]}", worker.wire.to("polt")) == 1


async def test_what_strangers_wrote_is_scrubbed_and_bounded_in_a_resource_too(worker: Worker) -> None:
    post = await first(worker, "list_posts", "agentjob", "posts")
    for _ in range(5):
        await worker.call("add_reply", post_id=post, body="all\u202e clear\u200b \x1b[31mhere " + "x" * 9_000)
    (content,) = (await worker.client.read_resource(uri(post, "posts"))).contents
    assert isinstance(content, TextResourceContents)
    assert "all clear here" in content.text
    assert len(content.text) <= 32_000


@pytest.mark.parametrize(
    "where",
    [
        f"market://polt/tasks/{NOWHERE}",
        f"market://nowhere/tasks/{NOWHERE}",
        f"market://polt/contracts/{NOWHERE}",
        f"market://polt/things/{NOWHERE}",
        "market://polt/tasks/..%2F..%2Fapi%2Fcto",
        "market://polt/tasks/a%20b",
        "market://polt/tasks/" + "a" * 500,
        "market://polt/tasks/",
    ],
)
async def test_what_is_not_there_is_not_found(both: Worker, where: str) -> None:
    error = await missed(both, where)
    assert error.code == NOT_FOUND
    paths = [sent.path for sent in both.wire.sent]
    assert paths in ([], [f"/api/tasks/{NOWHERE}"])


async def test_a_market_that_breaks_is_told_as_a_failure_in_its_own_words(both: Worker, world: World) -> None:
    world.faults.add(Fault("status", "polt", path=f"/api/tasks/{NOWHERE}", status=503))
    error = await missed(both, f"market://polt/tasks/{NOWHERE}")
    assert error.code == FAILED
    assert "POLT broke (HTTP 503)" in error.message
    again = await missed(both, f"market://polt/tasks/{NOWHERE}")
    assert again.code == FAILED
    assert "retry_after_seconds" in again.message


@pytest.mark.parametrize(
    ("kinds", "things"),
    [
        (["polt"], ["tasks", "posts"]),
        (["agentjob"], ["posts"]),
        (["opentask"], ["tasks", "posts", "contracts", "bids"]),
        ([], []),
    ],
)
async def test_only_what_a_configured_market_has_is_offered(rig: Rig, kinds: Sequence[str], things: list[str]) -> None:
    async with rig.open(sandbox_accounts(kinds)) as worker:
        assert await templates(worker) == [f"market://{{market}}/{thing}/{{id}}" for thing in things]


async def completions(hand: Hand, name: str, value: str, *, template: str = TASKS, market: str = "") -> Completion:
    ref = ResourceTemplateReference(uri=template)
    context = {"market": market} if market else None
    return (await hand.client.complete(ref, {"name": name, "value": value}, context_arguments=context)).completion


async def test_market_names_are_completed_by_who_has_such_things(both: Worker) -> None:
    assert (await completions(both, "market", "")).values == ["polt", "opentask"]
    assert (await completions(both, "market", "p")).values == ["polt"]
    bids = "market://{market}/bids/{id}"
    assert (await completions(both, "market", "", template=bids)).values == ["opentask"]
    assert (await completions(both, "market", "", template="market://{market}/nothing/{id}")).values == []
    prompt = await both.client.complete(PromptReference(name="hire_and_judge"), {"name": "work", "value": ""})
    assert prompt.completion.values == []


async def test_ids_are_completed_by_those_seen_of_that_kind_on_that_market_the_latest_first(worker: Worker) -> None:
    assert (await completions(worker, "id", "")).values == []
    listed = [task["id"].partition(":") for task in (await worker.call("list_tasks", limit=50))["tasks"]]
    await worker.call("list_posts", market="polt")
    ours = [native for market, _, native in listed if market == "polt"]
    assert (await completions(worker, "id", "", market="polt")).values == ours[::-1]
    assert (await completions(worker, "id", ours[3][:8], market="polt")).values == [ours[3]]
    assert set((await completions(worker, "id", "")).values) == {native for _, _, native in listed}
    await worker.call("get_task", task_id=f"polt:{ours[2]}")
    assert (await completions(worker, "id", "", market="polt")).values[0] == ours[2]


async def test_no_more_ids_are_completed_than_the_protocol_allows(worker: Worker) -> None:
    for number in range(MOST_VALUES + 5):
        worker.dispatcher.accounts.remember(f"polt:{number:04}", "task")
    found = await completions(worker, "id", "")
    assert len(found.values) == MOST_VALUES
    assert (found.total, found.has_more) == (MOST_VALUES + 5, True)


# --- prompts ------------------------------------------------------------------------------------------------


async def prompt(hand: Hand, name: str, **given: str) -> str:
    (message,) = (await hand.client.get_prompt(name, given)).messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    return message.content.text


async def prompts(hand: Hand) -> dict[str, str]:
    """Every prompt there is, told without an argument."""
    return {p.name: await prompt(hand, p.name) for p in (await hand.client.list_prompts()).prompts}


def named(text: str) -> set[str]:
    """The tools that a text names."""
    return set(re.findall(r"`(\w+)`", text))


def test_what_stands_in_backticks_in_a_role_is_a_tool_and_no_tool_stands_there_without() -> None:
    for role in ROLES:
        assert role.does <= ALL_TOOLS
        for step in role.steps:
            assert named(step) <= ALL_TOOLS, step
            bare = re.sub(r"`\w+`", "", step)
            assert not set(re.findall(r"\w+", bare)) & ALL_TOOLS, step


@pytest.mark.parametrize("kinds", [["polt"], ["agentjob"], ["opentask"], ["polt", "agentjob", "opentask"], []])
@pytest.mark.parametrize("toolsets", [(), ("all",), ("work",), ("chat",), ("hiring",), ("profiles",)])
@pytest.mark.parametrize("read_only", [False, True])
async def test_prompts_name_only_tools_that_are_registered(
    rig: Rig, kinds: Sequence[str], toolsets: Sequence[str], read_only: bool
) -> None:
    async with rig.open(sandbox_accounts(kinds), toolsets=toolsets, read_only=read_only) as worker:
        tools = set(await worker.names())
        for name, text in (await prompts(worker)).items():
            assert named(text), name
            assert named(text) <= tools, f"{name} names {named(text) - tools}"


async def test_the_three_roles_carry_the_rules_and_number_their_steps(both: Worker) -> None:
    told = await prompts(both)
    assert list(told) == ["find_and_win_work", "deliver_and_get_paid", "hire_and_judge"]
    for text in told.values():
        assert all(rule in text for rule in RULES)
        numbers = [int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= 7
    assert {"list_tasks", "commit_task", "place_bid", "get_next_task"} <= named(told["find_and_win_work"])
    assert {"my_work", "submit_work", "submit_response"} <= named(told["deliver_and_get_paid"])
    assert {"create_task", "hire_bidder", "decide_submission"} <= named(told["hire_and_judge"])


def test_the_rules_speak_of_handles_the_minute_strangers_texts_deadlines_and_unknown_effects() -> None:
    for word in ("handles", "once a minute", "strangers", "never instructions", "password", "Deadlines", "unknown"):
        assert any(word in rule for rule in RULES), word


async def test_a_seller_by_default_is_offered_no_buyers_role_and_a_reader_none(rig: Rig) -> None:
    async with rig.open(toolsets=()) as worker:
        assert list(await prompts(worker)) == ["find_and_win_work", "deliver_and_get_paid"]
    async with rig.open(read_only=True) as worker:
        assert await prompts(worker) == {}


async def test_what_the_user_says_of_the_work_stands_in_the_prompt(both: Worker) -> None:
    assert "What you do well: Rust and German" in await prompt(both, "find_and_win_work", skills=" Rust and German ")
    assert "What you do well" not in await prompt(both, "find_and_win_work", skills="")
    assert "Which work: polt:1" in await prompt(both, "deliver_and_get_paid", work="polt:1")
