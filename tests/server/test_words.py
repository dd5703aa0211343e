"""What a model reads names the markets that are configured, as their rows have it, and no other."""

import ast
import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import market_mcp
from market_mcp.accounts import Account
from market_mcp.markets import MARKETS
from rig import Rig, sandbox_accounts

pytestmark = pytest.mark.anyio

PACKAGE = Path(market_mcp.__file__).parent
FOURTH = Path(__file__).parents[1] / "fourth"

Tools = dict[str, dict[str, Any]]


@pytest.fixture
def fourth(monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account on the market that a package of its own brings."""
    monkeypatch.setattr(sys, "path", [str(FOURTH), *sys.path])
    monkeypatch.setitem(MARKETS, "fourth", importlib.import_module("fourth_market").FOURTH)
    return Account("fourth", "fourth", "http://fourth.example")


async def offered(rig: Rig, accounts: Sequence[Account]) -> Tools:
    """`tools/list` of a server with these accounts, by tool."""
    async with rig.open(accounts) as worker:
        tools = (await worker.client.list_tools()).tools
    return {tool.name: tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in tools}


def meaning(tools: Tools, tool: str, name: str) -> str | None:
    """What a tool says of an argument."""
    described: str | None = tools[tool]["inputSchema"]["properties"][name].get("description")
    return described


def market_names() -> set[str]:
    """What tells that a text speaks of some market, in small letters; a password's variable begins with the kind."""
    known = MARKETS.values()
    return {name.lower() for market in known for name in (market.name, market.kind, market.key_env)}


def texts(file: Path) -> Iterator[str]:
    """Every string of a module but those of the examples, which are run on the pretend markets."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    examples = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["example"]
    ]
    apart = {part for example in examples for part in ast.walk(example)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in apart:
            yield node.value


@pytest.mark.parametrize("package", ["actions", "server"])
def test_no_text_of_a_call_a_prompt_or_the_server_names_a_market_or_its_variables(package: str) -> None:
    files = sorted((PACKAGE / package).rglob("*.py"))
    assert len(files) > 5
    for file in files:
        for text in texts(file):
            assert not [name for name in market_names() if name in text.lower()], f"{file.name}: {text}"


@pytest.mark.parametrize("kind", ["polt", "agentjob", "opentask", "fourth"])
async def test_a_server_with_one_market_talks_of_no_other(rig: Rig, fourth: Account, kind: str) -> None:
    accounts = [fourth] if kind == "fourth" else sandbox_accounts([kind])
    async with rig.open(accounts) as worker:
        client = worker.client
        prompts = (await client.list_prompts()).prompts
        said: list[Any] = [
            client.instructions,
            await client.list_tools(),
            await client.list_resource_templates(),
            prompts,
            *[await client.get_prompt(prompt.name) for prompt in prompts],
        ]
    told = " ".join(map(str, said)).lower()
    others = {n.lower() for m in MARKETS.values() if m.kind != kind for n in (m.name, m.kind, m.key_env)}
    assert MARKETS[kind].name.lower() in told
    assert not [name for name in others if name in told]


async def test_no_description_keeps_the_place_where_names_go(rig: Rig, fourth: Account) -> None:
    for accounts in ([], sandbox_accounts(), [*sandbox_accounts(), fourth]):
        for name, tool in (await offered(rig, accounts)).items():
            assert "{" not in tool["description"] and "  " not in tool["description"], name


async def test_a_market_of_another_package_stands_in_the_words_beside_ours(rig: Rig, fourth: Account) -> None:
    tools = await offered(rig, [*sandbox_accounts(), fourth])
    assert "paid work on POLT, OpenTask and The Fourth:" in tools["list_tasks"]["description"]
    assert "a task on OpenTask or The Fourth;" in tools["place_bid"]["description"]
    assert meaning(tools, "place_bid", "price") == "Amount and currency: `450 USDC`."
    assert meaning(tools, "place_bid", "eta_days") == "OpenTask."
    assert meaning(tools, "place_bid", "approach") == "Plan, assumptions, questions, how you verify (OpenTask)."
    assert meaning(tools, "list_bids", "status") == "OpenTask."
    assert meaning(tools, "list_tasks", "query") == "Words in title or description."
    assert meaning(tools, "list_tasks", "min_pay") == "In `currency` (POLT and OpenTask)."


async def test_two_accounts_on_one_market_are_told_of_as_one(rig: Rig) -> None:
    one, other = sandbox_accounts(["polt", "opentask"])
    tools = await offered(rig, [one, replace(one, name="second"), other])
    assert "paid work on POLT and OpenTask:" in tools["list_tasks"]["description"]
    assert "a task on POLT:" in tools["commit_task"]["description"]
    assert meaning(tools, "list_tasks", "difficulty") == "POLT."


async def test_an_argument_that_every_market_takes_says_nothing_of_markets(rig: Rig, fourth: Account) -> None:
    ours, theirs = await offered(rig, sandbox_accounts(["opentask"])), await offered(rig, [fourth])
    assert meaning(ours, "place_bid", "eta_days") is None
    assert set(theirs["place_bid"]["inputSchema"]["properties"]) == {"task_id", "price"}


async def test_of_a_choice_only_what_some_market_takes_is_offered_and_who_takes_it_is_said(rig: Rig) -> None:
    tools = await offered(rig, sandbox_accounts())
    assert meaning(tools, "list_posts", "sort") == "hot: AgentJob. progress: POLT."
    assert meaning(tools, "list_tasks", "status") == "committed, in_review, completed, any: POLT."
    alone = await offered(rig, sandbox_accounts(["polt"]))
    sort = alone["list_posts"]["inputSchema"]["properties"]["sort"]
    assert sort == {"default": "new", "enum": ["new", "progress"], "type": "string"}


async def test_a_choice_of_nothing_but_the_default_is_left_out(rig: Rig) -> None:
    tools = await offered(rig, sandbox_accounts(["opentask"]))
    assert "sort" not in tools["list_posts"]["inputSchema"]["properties"]
    assert "status" not in tools["list_tasks"]["inputSchema"]["properties"]
    assert tools["list_tasks"]["inputSchema"]["properties"]["sort"]["enum"] == ["new", "payout", "deadline"]


async def test_what_only_some_markets_demand_is_said_and_what_all_demand_is_required(rig: Rig) -> None:
    both = await offered(rig, sandbox_accounts(["polt", "opentask"]))
    assert meaning(both, "submit_work", "deliverable_url") == "Required: OpenTask."
    assert both["submit_work"]["inputSchema"]["required"] == ["work_id", "summary"]
    one = await offered(rig, sandbox_accounts(["opentask"]))
    assert meaning(one, "submit_work", "deliverable_url") is None
    assert one["submit_work"]["inputSchema"]["required"] == ["work_id", "summary", "deliverable_url"]
    other = await offered(rig, sandbox_accounts(["polt"]))
    assert meaning(other, "submit_work", "deliverable_url") is None


async def test_a_tool_tells_the_limits_that_its_markets_document(rig: Rig) -> None:
    tools = await offered(rig, sandbox_accounts())
    assert tools["commit_task"]["description"].endswith("At most 3 commitments at once.")
    assert tools["create_post"]["description"].endswith("Brings you online for 2 minutes. At most 3 posts in 24 h.")
    assert tools["add_reply"]["description"].endswith("Brings you online for 2 minutes on AgentJob.")
    assert "at most" not in tools["abandon_task"]["description"].lower()
    alone = await offered(rig, sandbox_accounts(["polt"]))
    assert "online" not in json.dumps(alone["add_reply"])
