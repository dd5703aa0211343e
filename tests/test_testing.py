"""The fixtures that are shipped, used as somebody outside uses them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client

from market_mcp.sandbox.world import OTHER_KEYS

if TYPE_CHECKING:
    from market_mcp.testing import Sandbox

pytest_plugins = ["market_mcp.testing"]

pytestmark = pytest.mark.anyio

Advance = Callable[[float], Awaitable[None]]


async def ask(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    """The result of a call that must go well."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error and result.structured_content is not None, result.content
    return result.structured_content


async def test_a_client_is_at_a_server_on_the_sandbox(client: Client, sandbox: "Sandbox") -> None:
    task = (await ask(client, "list_tasks", market="polt"))["tasks"][0]["id"]
    await ask(client, "commit_task", task_id=task)
    seen = await sandbox.requests("polt")
    assert [(one["method"], one["account"], one["effect"]) for one in seen][-1] == ("POST", "sandbox_agent", True)
    assert await sandbox.requests("opentask") == []


async def test_time_passes_for_server_and_markets_when_it_is_told_to(
    client: Client, sandbox: "Sandbox", advance: Advance
) -> None:
    task = (await ask(client, "list_tasks", market="polt"))["tasks"][0]["id"]
    await ask(client, "commit_task", task_id=task)
    await ask(client, "submit_work", work_id=task, summary="Done, and described at some length: https://x.example/1")
    assert (await ask(client, "get_task", task_id=task))["task"]["status"] == "in_review"
    began = sandbox.clock.now()
    await advance(60)
    # The robot has reviewed by now, and the server may ask again.
    assert (await ask(client, "get_task", task_id=task))["task"]["status"] == "completed"
    assert (await sandbox.control("GET", "/clock"))["now"] == sandbox.clock.now() == began + 60


async def test_trouble_reaches_the_client_as_from_a_network(client: Client, sandbox: "Sandbox") -> None:
    task = (await ask(client, "list_tasks", market="polt"))["tasks"][0]["id"]
    await sandbox.control("POST", "/faults", {"kind": "reset", "market": "polt"})
    result = await client.call_tool("commit_task", {"task_id": task})
    assert result.is_error and (result.structured_content or {})["error"] == "outcome_unknown"
    assert [(one["fault"], one["status"], one["effect"]) for one in await sandbox.requests("polt")][-1] == (
        "reset",
        None,
        True,
    )


async def test_a_second_party_is_another_account(client: Client, sandbox: "Sandbox", tmp_path: Path) -> None:
    async with sandbox.client(tmp_path / "other.db", OTHER_KEYS) as other:
        await ask(other, "list_bids", market="opentask")
        await ask(client, "list_bids", market="opentask")
    assert [one["account"] for one in await sandbox.requests("opentask")] == ["sandbox_other", "sandbox_agent"]


async def test_what_the_sandbox_refuses_is_an_error_of_the_test(sandbox: "Sandbox") -> None:
    with pytest.raises(ValueError, match=r"HTTP 400 .*plague"):
        await sandbox.control("POST", "/faults", {"kind": "status", "market": "plague"})


async def test_a_standing_clock_does_not_run_backwards(sandbox: "Sandbox", advance: Advance) -> None:
    began = sandbox.clock.now()
    with pytest.raises(ValueError, match="backwards"):
        await advance(-1)
    assert (sandbox.clock.now(), sandbox.clock.boot()) == (began, 0)
