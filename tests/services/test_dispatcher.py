"""What is not offered is not named, not listed and not done: hints, lists and presence go by the tools there are."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace

import httpx2
import pytest

from market_mcp.accounts import Account
from market_mcp.actions import TOOLSETS
from market_mcp.actions.hiring import HireBidder
from market_mcp.sandbox.faults import Fault
from market_mcp.sandbox.world import OTHER_KEYS
from market_mcp.services.hints import NO_TOOL
from market_mcp.services.overview import NOBODY_ANSWERS
from rig import Json, Rig, Worker, of, sandbox_accounts, times

pytestmark = pytest.mark.anyio

ALL = {action.tool_name() for actions in TOOLSETS.values() for action in actions}
NATIVE = "00000000-0000-4000-8000-000000000000"


def strangers(text: str, offered: Sequence[str]) -> set[str]:
    """The tools that a text names and that are not offered."""
    return {name for name in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text) if name in ALL - set(offered)}


# --- hints --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toolsets", "read_only"),
    [((), False), ((), True), (("board",), False), (("inbox",), False), (("hiring",), False), (("bidding",), False)],
)
async def test_no_description_sends_anybody_to_a_tool_that_is_not_offered(
    rig: Rig, toolsets: tuple[str, ...], read_only: bool
) -> None:
    async with rig.open(toolsets=toolsets, read_only=read_only) as worker:
        tools = (await worker.client.list_tools()).tools
        templates = (await worker.client.list_resource_templates()).resource_templates
        names = [tool.name for tool in tools]
        for described in (*tools, *templates):
            assert described.description
            assert strangers(described.description, names) == set(), described.name


async def test_the_list_of_markets_names_the_tools_that_are_offered(rig: Rig) -> None:
    async with rig.open(toolsets=("work", "inbox"), read_only=True) as worker:
        offered = set(await worker.names())
        named = [set(market["tools"]) for market in (await worker.call("list_markets"))["markets"]]
        assert all(tools <= offered for tools in named) and {"list_tasks"} <= set().union(*named)


def secret(rig: Rig, credential: str) -> str:
    """A key of the credential store."""
    return str(json.loads((rig.directory / "credentials.json").read_text())[credential]["secret"])


async def test_the_next_step_of_a_duty_is_a_tool_that_there_is(rig: Rig) -> None:
    async with rig.open() as worker:
        tasks = (await worker.call("list_tasks", market="polt"))["tasks"]
        await worker.call("commit_task", task_id=tasks[0]["id"])
        assert (await worker.call("my_work", market="polt"))["work"][0]["next"] == "submit_work"
    async with rig.open(toolsets=("work",), read_only=True) as reader:
        assert (await reader.call("my_work", market="polt"))["work"][0]["next"] == NO_TOOL


async def test_an_error_advises_only_what_is_offered(rig: Rig) -> None:
    async with rig.open() as worker:
        await worker.call("create_token", name="reader", scopes=["bids:read"])
    [reader] = sandbox_accounts(["opentask"], {"opentask": secret(rig, "opentask/token/reader")})
    for toolsets, advised in ((("contracts",), False), (("contracts", "account"), True)):
        async with rig.open([reader], toolsets=toolsets, state=f"{len(toolsets)}.db") as worker:
            refusal = await worker.refused("list_contracts")
            assert "Ask the user for a token with it" in refusal.text
            assert ("create_token" in refusal.text) == advised == ("create_token" in refusal.content["next"])


# --- hiring -------------------------------------------------------------------------------------------------


async def hired(rig: Rig, worker: Worker) -> tuple[Json, Json]:
    """A task of the worker's and a bid on it, by another."""
    task = await worker.call(
        "create_task", title="Write API docs", description="Document the agent flows.", budget_amount=5,
        budget_currency="USDC",
    )  # fmt: skip
    async with rig.open(sandbox_accounts(["opentask"], OTHER_KEYS), state="other.db") as other:
        await other.call("place_bid", task_id=task["task"]["id"], price="4 USDC")
        await other.call("add_payout_method", symbol="USDC", network="base", address="0x" + "1" * 40)
    (bid,) = (await worker.call("list_task_bids", task_id=task["task"]["id"]))["bids"]
    return task["task"], bid


def current(accounts: Sequence[Account]) -> list[Account]:
    return [replace(account, contract="current") for account in accounts]


async def test_who_may_hire_may_look_up_where_the_seller_is_paid(rig: Rig) -> None:
    async with rig.open(current(sandbox_accounts(["opentask"])), toolsets=("hiring",)) as worker:
        task, bid = await hired(rig, worker)
        call = {"task_id": task["id"], "bid_id": bid["id"]}
        refusal = await worker.refused("hire_bidder", **call)
        assert "payout_method_id" in refusal.text
        assert "get_profile" in refusal.content["next"] and "bidder_id" in refusal.content["next"]
        profile = (await worker.call("get_profile", profile_id=bid["bidder_id"]))["profile"]
        assert await worker.call("hire_bidder", **call, payout_method_id=profile["payout_methods"][0]["id"])


async def test_a_tool_of_two_toolsets_is_offered_once(rig: Rig) -> None:
    async with rig.open(toolsets=("hiring", "profiles", "bidding")) as worker:
        names = await worker.names()
    assert len(names) == len(set(names))
    assert {"get_profile", "get_bid", "hire_bidder", "list_reviews"} <= set(names)


@pytest.mark.parametrize(
    ("contract", "properties", "required"),
    [
        ("current", {"task_id", "bid_id", "payout_method_id"}, {"task_id", "bid_id", "payout_method_id"}),
        ("seed", set(HireBidder.model_fields), {"task_id", "bid_id"}),
    ],
)
async def test_the_arguments_of_hiring_are_those_that_the_contract_version_knows(
    rig: Rig, contract: str, properties: set[str], required: set[str]
) -> None:
    accounts = sandbox_accounts(["opentask"])
    async with rig.open(current(accounts) if contract == "current" else accounts, toolsets=("hiring",)) as worker:
        (tool,) = [tool for tool in (await worker.client.list_tools()).tools if tool.name == "hire_bidder"]
    assert set(tool.input_schema["properties"]) == properties
    assert set(tool.input_schema["required"]) == required


# --- presence -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("toolsets", "read_only"), [((), True), (("board", "work", "inbox"), False)])
async def test_nobody_is_kept_online_who_could_not_answer(rig: Rig, toolsets: tuple[str, ...], read_only: bool) -> None:
    (account,) = sandbox_accounts(["agentjob"])
    async with rig.open([replace(account, presence="on")], toolsets=toolsets, read_only=read_only) as worker:
        await worker.clock.advance(200)
        assert worker.wire.to("agentjob") == []
        (market,) = (await worker.call("list_markets"))["markets"]
        assert market["presence"] == {"mode": "on", "online": False, "kept_online": NOBODY_ANSWERS}


# --- keys ---------------------------------------------------------------------------------------------------


async def test_who_has_no_key_is_told_where_this_account_gets_one(rig: Rig) -> None:
    third = replace(sandbox_accounts(["opentask"])[0], name="third", key=None)
    async with rig.open([third]) as worker:
        refusal = await worker.refused("list_my_tasks")
        assert "api_key or credential in [market.third]" in refusal.content["next"]
        (market,) = (await worker.call("list_markets"))["markets"]
        assert market["key"] == "none: set api_key or credential in [market.third] to do more than read"


async def test_a_key_that_is_not_accepted_is_named_by_where_it_stands(rig: Rig) -> None:
    place = "credential in [market.second]"
    second = replace(sandbox_accounts(["opentask"])[0], name="second", key="ot_wrong", key_from=place)
    async with rig.open([second]) as worker:
        refusal = await worker.refused("verify_key")
        assert refusal.content["next"] == f"If the key is at fault, tell the user: it comes from {place}."
        assert "OPENTASK_TOKEN" not in refusal.text


async def test_a_market_that_wants_a_key_for_what_is_public_says_where_to_put_one(rig: Rig) -> None:
    keyless = replace(sandbox_accounts(["polt"])[0], key=None)
    closed = httpx2.MockTransport(lambda _: httpx2.Response(401, json={"error": "who are you?"}))
    async with rig.open([keyless], market=closed) as worker:
        refusal = await worker.refused("list_posts")
        assert "ask the user to set POLT_API_KEY" in refusal.text and "not accepted" not in refusal.text


async def test_a_key_that_was_made_here_is_named_by_the_credential_store(rig: Rig) -> None:
    keyless = replace(sandbox_accounts(["polt"])[0], key=None)
    async with rig.open([keyless]) as worker:
        await worker.call("register_agent", username="parser_smith", display_name="P", bio="Writes parsers.")
        (account,) = worker.dispatcher.accounts.all()
        assert account.key and account.key_source == "the credential store"


# --- what a key does not allow ------------------------------------------------------------------------------


async def task_of(worker: Worker) -> str:
    return str(of("opentask", (await worker.call("list_tasks", market="opentask"))["tasks"])[0]["id"])


PUBLIC, KEYED_ROUTE = "GET /api/tasks/", "GET /api/agent/tasks/"


async def test_a_public_task_is_read_in_public_if_the_key_is_known_not_to_allow_more(rig: Rig) -> None:
    (account,) = sandbox_accounts(["opentask"])
    async with rig.open([replace(account, scopes=frozenset({"bids:read"}))]) as worker:
        task = await task_of(worker)
        assert (await worker.call("get_task", task_id=task))["task"]["id"] == task
        assert worker.wire.to("opentask")[-1].startswith(PUBLIC)


async def test_a_task_that_was_read_in_public_can_be_bid_on(rig: Rig) -> None:
    may_bid = replace(current(sandbox_accounts(["opentask"]))[0], scopes=frozenset({"bids:read", "bids:write"}))
    async with rig.open([may_bid]) as worker:
        task = await task_of(worker)
        await worker.call("get_task", task_id=task)
        assert await worker.call("place_bid", task_id=task, price="100 USDC")


async def test_a_public_task_is_read_in_public_once_the_key_turned_out_not_to_allow_more(rig: Rig) -> None:
    async with rig.open(sandbox_accounts(["opentask"])) as worker:
        rig.world.faults.add(Fault("status", market="opentask", path="/api/agent/tasks/*", status=403, times=9))
        task = await task_of(worker)
        assert (await worker.call("get_task", task_id=task))["task"]["id"] == task
        sent = worker.wire.to("opentask")[-2:]
        assert [route.startswith(start) for route, start in zip(sent, (KEYED_ROUTE, PUBLIC), strict=True)] == [True] * 2
        await worker.clock.advance(61)
        await worker.call("get_task", task_id=task)
        assert worker.wire.to("opentask")[-1].startswith(PUBLIC)
        assert sum(route.startswith(KEYED_ROUTE) for route in worker.wire.to("opentask")) == 1


async def test_a_task_that_is_nobodys_to_see_is_refused_with_the_keys_own_refusal(rig: Rig) -> None:
    async with rig.open(sandbox_accounts(["opentask"])) as worker:
        rig.world.faults.add(Fault("status", market="opentask", path="/api/agent/tasks/*", status=403))
        refusal = await worker.refused("get_task", task_id=f"opentask:{NATIVE}")
        assert "HTTP 403" in refusal.text
        # One task proves nothing against the key.
        task = await task_of(worker)
        await worker.call("get_task", task_id=task)
        assert worker.wire.to("opentask")[-1].startswith(KEYED_ROUTE)


async def token(rig: Rig, *scopes: str) -> Account:
    """An account with a token of these scopes, about which nothing is known."""
    name = f"reader-{len(scopes)}"
    async with rig.open() as worker:
        await worker.call("create_token", name=name, scopes=list(scopes))
    [account] = sandbox_accounts(["opentask"], {"opentask": secret(rig, f"opentask/token/{name}")})
    return account


async def test_a_scope_that_a_refusal_names_is_asked_for_and_not_tried_again(rig: Rig) -> None:
    async with rig.open([await token(rig, "bids:read", "tokens:write")]) as worker:
        for sent in (1, 0):
            worker.wire.sent.clear()
            refusal = await worker.refused("create_task", title="Sort my bookmarks", description="By topic, please.")
            assert "tasks:write" in refusal.text and refusal.content["effect"] == "none"
            assert "Ask the user for a token with it; create_token makes one" in refusal.content["next"]
            assert len(worker.wire.sent) == sent
        # Another call that wants it is not tried either; what wants another scope is.
        assert (await worker.call("list_bids"))["bids"] == []
        [market] = (await worker.call("list_markets"))["markets"]
        assert market["missing_scopes"] == {"tasks:write": ["create_task"]}
        assert "create_task" not in market["tools"] and "list_bids" in market["tools"]


async def test_who_may_make_no_token_is_sent_to_the_user_for_a_scope(rig: Rig) -> None:
    async with rig.open([await token(rig, "bids:read")]) as worker:
        await worker.refused("create_token", name="more", scopes=["tasks:read"])
        refusal = await worker.refused("list_contracts")
        assert refusal.content["next"] == "Ask the user for a token with it."


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ("Missing scope: bids:read", {"bids:read"}),
        ("This needs bids:read; the token has tasks:read and bids:write", {"bids:read"}),
        ("This needs contracts:read", {"contracts:read"}),
        ("Neither tasks:read nor tasks:write", set[str]()),
        ("You are not a party to this", set[str]()),
    ],
)
async def test_a_refusal_tells_of_a_scope_only_what_it_says(rig: Rig, said: str, missing: set[str]) -> None:
    refusing = httpx2.MockTransport(lambda _: httpx2.Response(403, json={"error": said}))
    async with rig.open(sandbox_accounts(["opentask"]), market=refusing) as worker:
        await worker.refused("list_bids")
        assert worker.dispatcher.accounts.named("opentask").missing == missing


async def test_a_tool_that_no_key_has_the_scope_for_is_not_offered(rig: Rig) -> None:
    [account] = sandbox_accounts(["opentask"])
    reader = replace(account, scopes=frozenset({"tasks:read"}))
    async with rig.open([reader]) as worker:
        names = set(await worker.names())
        assert not {"place_bid", "hire_bidder", "list_bids", "submit_work", "create_token"} & names
        # What is public, what its scope allows, and what sends nothing by itself.
        assert {"list_tasks", "get_post", "list_my_tasks", "my_work", "list_markets", "login"} <= names
        [market] = (await worker.call("list_markets"))["markets"]
        assert market["scopes"] == ["tasks:read"]
    async with rig.open([reader, replace(account, name="second")]) as worker:
        assert "place_bid" in await worker.names()
        first, second = (await worker.call("list_markets"))["markets"]
        assert "place_bid" in first["missing_scopes"]["bids:write"] and "place_bid" in second["tools"]
        assert "missing_scopes" not in second


# --- limits -------------------------------------------------------------------------------------------------


async def test_a_task_that_is_yours_already_is_called_so_even_when_no_more_can_be_taken(rig: Rig) -> None:
    async with rig.open() as worker:
        tasks = [task["id"] for task in (await worker.call("list_tasks", market="polt"))["tasks"]]
        for task in tasks[:3]:
            await worker.call("commit_task", task_id=task)
        sent = len(worker.wire.sent)
        again = await worker.refused("commit_task", task_id=tasks[0])
        assert "you have already" in again.text and "End one first" not in again.text
        assert "End one first" in (await worker.refused("commit_task", task_id=tasks[3])).text
        assert len(worker.wire.sent) == sent


async def test_a_limit_says_its_time_as_people_do(rig: Rig) -> None:
    async with rig.open() as worker:
        for number in range(5):
            await worker.ask("register_agent", market="opentask", username=f"smith_{number}", email=f"s{number}@b.co")
        assert times("POST /api/agent/register", worker.wire.to("opentask")) == 5
        refusal = await worker.refused("register_agent", market="opentask", username="smith_6", email="s6@b.co")
        assert "5 registrations in a minute" in refusal.text
        for number in range(3):
            await worker.call("create_post", title=f"Post number {number}", body="A body that is long enough for it.")
        refusal = await worker.refused("create_post", title="One too many", body="A body that is long enough for it.")
        assert "3 posts in 24 hours" in refusal.text
