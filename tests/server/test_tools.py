"""The tools as a client sees them: which there are, what they say of themselves, and that each does its work."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from clocks import ManualClock
from market_mcp import config
from market_mcp.accounts import Account, Contract
from market_mcp.actions import DEFAULT_TOOLSETS, Action, actions_of
from market_mcp.sandbox.world import KEYS, OTHER_KEYS, World
from rig import ERAS, Json, Retold, Rig, Square, Worker, of, sandbox_accounts, square
from story import ACTIONS, Transcript, live

pytestmark = pytest.mark.anyio

ONE_TOOL = 170
DEFAULT = 5_000
ALL = 12_000
"""What tools may cost a model, in tokens of four characters each, which is near what tokenizers make of JSON."""


def names(*toolsets: str) -> list[str]:
    return [action.tool_name() for action in actions_of(toolsets)]


async def on_the_wire(worker: Worker) -> list[dict[str, Any]]:
    """What `tools/list` sends, tool by tool."""
    listed = (await worker.client.list_tools()).tools
    return [tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in listed]


# --- what they do -------------------------------------------------------------------------------------------


async def test_posts_of_all_three_markets_are_listed_without_an_argument(both: Worker) -> None:
    posts = (await both.call("list_posts"))["posts"]
    assert all(of(market, posts) for market in ("polt", "agentjob", "opentask"))


class NetworkClock(ManualClock):
    """Split seconds pass by themselves: who waits them waits for an answer that is on its way over a real wire."""

    async def sleep(self, seconds: float) -> None:
        if 0 < seconds < 1:
            await anyio.sleep(seconds)
        else:
            await super().sleep(seconds)


async def lived(rig: Rig, you: list[Account], other: list[Account], **options: Any) -> Transcript:
    """The life in which every tool is called, between two servers."""
    async with rig.open(you, **options) as a, rig.open(other, state="other.db", **options) as b:
        return await live(a, b, rig.clock)


async def test_every_tool_does_its_example_on_the_embedded_markets(
    prompt_world: World, clock: ManualClock, tmp_path: Path, era: str
) -> None:
    rig = Rig(prompt_world, clock, tmp_path, era)
    transcript = await lived(rig, sandbox_accounts(), sandbox_accounts(keys=OTHER_KEYS))
    assert transcript.tools() == set(ACTIONS)
    pretend = [result for tool, _, result in transcript.lines if tool != "list_markets"]
    assert all(result["sandbox"] is True for result in pretend)


@pytest.mark.parametrize("contract", ["seed", "current"])
async def test_the_markets_over_http_give_the_same_results_as_those_in_memory(
    world_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contract: Contract
) -> None:
    def at(keys: dict[str, str]) -> list[Account]:
        return [replace(account, contract=contract) for account in sandbox_accounts(keys=keys)]

    clock = ManualClock()
    world = World(world_file, clock, pace=0, contract=contract)
    (tmp_path / "memory").mkdir()
    try:
        expected = await lived(Rig(world, clock, tmp_path / "memory"), at(KEYS), at(OTHER_KEYS))
    finally:
        world.close()
    with square(tmp_path, 0, contract) as market:
        you = configured(market, KEYS, contract, tmp_path, monkeypatch)
        other = configured(market, OTHER_KEYS, contract, tmp_path, monkeypatch)
        rig = Rig(world, NetworkClock(), tmp_path)
        one, two = (httpx2.AsyncHTTPTransport(verify=False) for _ in range(2))
        async with rig.open(you, state="a.db", market=one) as a, rig.open(other, state="b.db", market=two) as b:
            found = await live(a, b, rig.clock)
    for line, same in zip(expected.plain(), found.plain(), strict=True):
        assert line == same


def configured(
    market: Square, keys: dict[str, str], contract: Contract, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Account]:
    """The accounts of a server whose environment names these markets and keys; that suffices for today's contract."""
    file = directory / "market-mcp.toml"
    file.write_text("".join(f'[market.{kind}]\ncontract = "{contract}"\n' for kind in keys))
    for name, value in market.settings().items():
        kind = name.partition("_")[0].lower()
        monkeypatch.setenv(name, value if name.endswith("_BASE_URL") else keys[kind])
    return config.accounts(config.load({}, file if contract == "seed" else None), KEYS, {})


async def test_all_replies_to_a_post_can_be_read_whole(both: Worker) -> None:
    post = of("agentjob", (await both.call("list_posts", market="agentjob"))["posts"])[0]["id"]
    already = (await both.call("get_post", post_id=post))["post"].get("replies", [])
    bodies = [f"Reply {number}: " + "word " * 150 for number in range(120)]
    with both.world.store.transaction() as db:
        author = db.execute("SELECT id FROM agentjob_users WHERE name = 'lin'").fetchone()["id"]
        for number, body in enumerate(bodies):
            row = (both.world.store.new_id(), post.partition(":")[2], author, None, body.strip(), number + 2e9)
            db.execute("INSERT INTO agentjob_replies VALUES (?, ?, ?, ?, ?, ?)", row)
    await both.clock.advance(61)
    page = await both.call("get_post", post_id=post)
    read = [reply["body"] for reply in page["post"]["replies"]]
    while "next_replies_offset" in page:
        page = await both.call("get_post", post_id=post, replies_offset=page["next_replies_offset"])
        read += [reply["body"] for reply in page["post"]["replies"]]
    assert read == [reply["body"] for reply in already] + [body.strip() for body in bodies]
    beyond = await both.call("get_post", post_id=post, replies_offset=500)
    assert beyond["post"].get("replies", []) == [] and "next_replies_offset" not in beyond


async def test_a_long_post_and_its_replies_are_read_side_by_side(rig: Rig) -> None:
    body = "".join(f"{number:06d} " for number in range(7_000))[:-1]

    def long(path: str, answer: Json) -> Json:
        if not path.startswith("/agentjob/api/tasks/"):
            return answer
        replies = [{"id": f"r{number}", "body": f"{number} " + "x" * 900} for number in range(40)]
        return {"data": answer["data"] | {"body": body, "replies": replies}}

    async with rig.open(sandbox_accounts(["agentjob"]), market=Retold(rig.market(), long)) as worker:
        post = (await worker.call("list_posts"))["posts"][0]["id"]
        page = await worker.call("get_post", post_id=post)
        found = page["post"]["body"]
        assert len(found) == page["next_offset"] > 10_000 and body.startswith(found)
        assert 10 < page["next_replies_offset"] == len(page["post"]["replies"]) < 40
        rest = await worker.call(
            "get_post", post_id=post, offset=len(found), replies_offset=page["next_replies_offset"]
        )
        assert rest["post"]["body"].startswith(body[len(found) :][:10_000])
        assert rest["post"]["replies"][0]["body"].startswith(f"{page['next_replies_offset']} x")
        assert all(reply["body"].endswith("x") for reply in rest["post"]["replies"])


def opentask_that(answers: Callable[[str], Json]) -> httpx2.AsyncBaseTransport:
    """An OpenTask that answers requests by the last part of their path."""
    return httpx2.MockTransport(lambda request: httpx2.Response(200, json=answers(request.url.path.rpartition("/")[2])))


async def test_a_long_contract_is_read_whole_part_by_part(rig: Rig) -> None:
    terms: Json = {"title": "Docs", "description": "D" * 20_000, "approach": "A" * 9_000}
    terms["acceptanceCriteria"] = [f"{number} " + "c" * 480 for number in range(50)]
    handed_in = [{"id": f"s{number}", "notes": f"{number} " + "n" * 3_000} for number in range(30)]

    def answers(name: str) -> Json:
        return {"submissions": handed_in} if name == "submissions" else {"contract": {"id": "c1", "terms": terms}}

    async with rig.open(sandbox_accounts(["opentask"]), market=opentask_that(answers)) as worker:
        page = await worker.call("get_contract", contract_id="opentask:c1")
        parts = [page["contract"]]
        while "next_offset" in page:
            page = await worker.call("get_contract", contract_id="opentask:c1", offset=page["next_offset"])
            assert "cut" not in page and len(parts) < 12
            parts.append(page["contract"])
        assert "".join(part.get("description", "") for part in parts) == terms["description"]
        assert "".join(part.get("approach", "") for part in parts) == terms["approach"]
        assert [one for part in parts for one in part.get("criteria", [])] == terms["acceptanceCriteria"]
        notes = [one["content"] for part in parts for one in part.get("submissions", [])]
        assert notes == [one["notes"] for one in handed_in]
        assert all(part["title"] == "Docs" for part in parts)


@pytest.mark.parametrize(
    ("tool", "name", "field", "of"),
    [
        ("list_messages", "messages", "body", "bid_id"),
        ("list_counter_offers", "counterOffers", "message", "bid_id"),
        ("list_submissions", "submissions", "notes", "contract_id"),
        ("list_reviews", "reviews", "text", "contract_id"),
    ],
)
async def test_what_no_other_tool_reads_is_whole_in_its_list(
    rig: Rig, tool: str, name: str, field: str, of: str
) -> None:
    texts = [f"{number}: " + "word " * 1_000 + "END" for number in range(9)]
    answer = {name: [{"id": str(number), field: text} for number, text in enumerate(texts)]}
    async with rig.open(sandbox_accounts(["opentask"]), market=opentask_that(lambda _: answer)) as worker:
        page: Json = {"next_cursor": None}
        found: list[str] = []
        while "next_cursor" in page:
            page = await worker.call(tool, **{of: "opentask:1"}, cursor=page["next_cursor"])
            assert "cut" not in page
            found += [next(text for text in item.values() if "word" in str(text)) for item in page[ACTIONS[tool].noun]]
        assert found == texts


async def test_what_a_list_cuts_names_the_tool_that_reads_it_whole(rig: Rig) -> None:
    tasks = {"tasks": [{"id": "1", "title": "A task", "description": "word " * 200}]}
    async with rig.open(sandbox_accounts(["opentask"]), market=opentask_that(lambda _: tasks)) as worker:
        (task,), (post,) = (await worker.call("list_tasks"))["tasks"], (await worker.call("list_posts"))["posts"]
        assert task["description"].endswith("… [1000 characters; get_task has them all]")
        assert post["body"].endswith("… [1000 characters; get_post has them all]")


async def test_an_argument_that_does_not_exist_is_refused_and_nothing_is_sent(both: Worker) -> None:
    for action in ACTIONS.values():
        refusal = await both.refused(action.tool_name(), **action.example, surprise=1)
        assert "surprise" in refusal.text and "nothing was sent" in refusal.text, action
    assert both.wire.sent == []


async def test_an_argument_that_is_null_counts_as_left_out(both: Worker) -> None:
    assert (await both.call("list_posts", market=None, query=None, limit=2))["posts"]


async def test_a_wrong_argument_is_explained_without_repeating_it(both: Worker) -> None:
    refusal = await both.refused("list_posts", limit="a great many, says mallory")
    assert "limit" in refusal.text and "mallory" not in refusal.text


async def test_a_tool_that_does_not_exist_is_an_error_and_the_next_call_answers(both: Worker) -> None:
    assert "upvote_everything" in (await both.refused("upvote_everything")).text
    assert (await both.call("list_markets"))["markets"]


# --- what they say of themselves ----------------------------------------------------------------------------


async def test_every_tool_says_explicitly_what_it_can_do_to_the_world(both: Worker) -> None:
    for tool in await on_the_wire(both):
        action = ACTIONS[tool["name"]]
        assert tool["annotations"] == {
            "title": action.label,
            "readOnlyHint": action.tier == "read",
            "destructiveHint": action.destructive,
            "idempotentHint": action.idempotent,
            "openWorldHint": True,
        }
        assert not (action.tier == "read" and action.destructive)
        assert tool["title"] == action.label and tool["description"]


async def test_every_schema_is_closed_and_names_no_market_that_is_not_there(rig: Rig) -> None:
    async with rig.open(sandbox_accounts(["polt", "agentjob"])) as worker:
        for tool in await on_the_wire(worker):
            schema = tool["inputSchema"]
            assert schema["additionalProperties"] is False, tool["name"]
            enum = schema["properties"].get("market", {"enum": ["polt", "agentjob"]})["enum"]
            assert len(enum) > 1 and set(enum) <= {"polt", "agentjob"}, tool["name"]
            assert set(schema.get("required", [])) <= set(schema["properties"]), tool["name"]


async def test_the_tools_are_the_same_in_both_eras_of_the_protocol(rig: Rig) -> None:
    lists: list[list[dict[str, Any]]] = []
    for era in ERAS:
        async with rig.with_era(era).open(state=f"{era}.db") as worker:
            lists.append(await on_the_wire(worker))
    assert lists[0] == lists[1]


async def test_the_tools_are_cheap_for_a_model(rig: Rig) -> None:
    async with rig.open(toolsets=()) as worker:
        default = [len(json.dumps(tool, separators=(",", ":"))) / 4 for tool in await on_the_wire(worker)]
    async with rig.open() as worker:
        every = [len(json.dumps(tool, separators=(",", ":"))) / 4 for tool in await on_the_wire(worker)]
    assert sum(default) / len(default) <= ONE_TOOL
    assert sum(default) <= DEFAULT
    assert sum(every) <= ALL


# --- which there are ----------------------------------------------------------------------------------------


async def test_the_default_tools_are_those_a_seller_needs(rig: Rig, era: str) -> None:
    async with rig.with_era(era).open(toolsets=()) as worker:
        assert await worker.names() == names(*DEFAULT_TOOLSETS)


async def test_the_toolsets_that_are_named_are_offered_and_no_others(rig: Rig) -> None:
    async with rig.open(toolsets=("hiring", "chat")) as worker:
        assert await worker.names() == names("chat", "hiring")
        assert "list_posts" in (await worker.refused("list_posts")).text


async def test_a_tool_that_no_chosen_market_supports_is_not_offered(rig: Rig) -> None:
    async with rig.open(sandbox_accounts(["agentjob"])) as worker:
        offered = set(await worker.names())
    assert {"create_post", "get_next_task", "list_agents", "my_work"} <= offered
    assert not offered & {"commit_task", "place_bid", "list_tasks", "downvote_post", "login"}


async def test_read_only_wins_over_every_toolset(rig: Rig) -> None:
    def reads(action: type[Action]) -> bool:
        return action.tier == "read"

    async with rig.open(toolsets=("all",), read_only=True) as worker:
        assert await worker.names() == [name for name, action in ACTIONS.items() if reads(action)]
        assert "commit_task" in (await worker.refused("commit_task", task_id="polt:1")).text
        for tool in await on_the_wire(worker):
            assert tool["annotations"]["readOnlyHint"] is True
