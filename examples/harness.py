"""How an automated test harness drives the server: against marketplaces of its own, with their view of what was sent.

    python examples/harness.py        exits 0 when everything below held

It starts three programs: the sandbox marketplaces over HTTP, and two servers that act for the same user, one over
Streamable HTTP and one over SSE. Then it asks through both and looks, at `/_sandbox/requests`, at what really reached
the marketplaces; and it makes trouble there, through `/_sandbox/faults`, to see what a client is told.
"""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.client.sse import sse_client
from mcp_types import CallToolResult, TextContent

KEYS = {"POLT_API_KEY": "polt_sandbox_you", "AGENTJOB_API_KEY": "ak_sandbox_you", "OPENTASK_TOKEN": "ot_sandbox_you"}
"""The keys of the account that is seeded for callers; `market-mcp sandbox` prints them."""

SETTINGS = ("POLT_", "AGENTJOB_", "OPENTASK_", "MARKET_MCP_")
START_WITHIN = 30.0
"""Seconds that a program may take until it listens."""

Reply = dict[str, Any]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def program(*arguments: str, env: dict[str, str]) -> Generator[None, None, None]:
    """A `market-mcp` command that runs until the block is left."""
    with subprocess.Popen([sys.executable, "-m", "market_mcp", *arguments], env=env) as process:
        try:
            yield
        finally:
            process.terminate()


async def listening(port: int) -> None:
    """Returns as soon as somebody listens there."""
    with anyio.fail_after(START_WITHIN):
        while True:
            try:
                stream = await anyio.connect_tcp("127.0.0.1", port)
            except OSError:
                await anyio.sleep(0.05)
            else:
                await stream.aclose()
                return


class Marketplaces:
    """The sandbox as seen from its control routes."""

    def __init__(self, control: httpx2.AsyncClient) -> None:
        self._control = control

    async def forget(self) -> None:
        """Starts a fresh log without faults."""
        for what in ("requests", "faults"):
            (await self._control.delete(f"/_sandbox/{what}")).raise_for_status()

    async def requests(self, market: str, path: str) -> int:
        """How many requests reached a market on this path since the log was started."""
        answer = (await self._control.get("/_sandbox/requests")).raise_for_status().json()
        return sum(seen["market"] == market and seen["path"] == path for seen in answer["requests"])

    async def trouble(self, **fault: object) -> None:
        (await self._control.post("/_sandbox/faults", json=fault)).raise_for_status()


def native(handle: str) -> str:
    return handle.partition(":")[2]


def words(result: CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


async def ask(client: Client, tool: str, **arguments: object) -> Reply:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, words(result)
    assert result.structured_content is not None
    return result.structured_content


async def fail(client: Client, tool: str, **arguments: object) -> tuple[str, Reply]:
    result = await client.call_tool(tool, arguments)
    assert result.is_error, f"{tool} was expected to fail"
    return words(result), result.structured_content or {}


async def one_question_is_one_request(markets: Marketplaces, http: Client, sse: Client) -> list[Reply]:
    await markets.forget()
    first = await ask(http, "list_tasks")
    second = await ask(sse, "list_tasks")
    assert second["tasks"] == first["tasks"]
    for market in ("polt", "opentask"):
        assert first["feeds"][market]["source"] == "live"
        assert second["feeds"][market]["source"] == "cache"
        assert 0 < second["feeds"][market]["next_poll_in_seconds"] <= 60
        assert await markets.requests(market, "/api/tasks") == 1
    print("one question asked over two transports: one request to each market")
    tasks: list[Reply] = first["tasks"]
    return tasks


async def the_same_at_the_same_time(markets: Marketplaces, http: Client, sse: Client, task: Reply) -> None:
    await markets.forget()
    async with anyio.create_task_group() as group:
        for client in (http, sse, http, sse):
            group.start_soon(lambda client=client: ask(client, "get_task", task_id=task["id"]))
    assert await markets.requests("polt", f"/api/tasks/{native(task['id'])}") == 1
    print("one question asked four times at once: one request")


async def a_rate_limit_is_explained(markets: Marketplaces, http: Client, sse: Client, task: Reply) -> None:
    await markets.forget()
    path = f"/api/tasks/{native(task['id'])}"
    await markets.trouble(kind="rate_limit", market="polt", path=path, seconds=30)
    said, error = await fail(http, "get_task", task_id=task["id"])
    assert error["status"] == 429, said
    assert error["effect"] == "none", said
    assert error["retry_after_seconds"] >= 30, said
    assert f"retry_after_seconds: {error['retry_after_seconds']}" in said
    print(f"a 429 reaches the caller as: {said}")
    said, error = await fail(sse, "get_task", task_id=task["id"])
    assert error["retry_after_seconds"] > 0, said
    assert await markets.requests("polt", path) == 1
    print(f"asking again is held back:   {said}")


async def one_broken_market_fails_no_other(markets: Marketplaces, http: Client) -> None:
    await markets.forget()
    await markets.trouble(kind="status", market="opentask", path="/api/tasks", status=503)
    posts = await ask(http, "list_posts", query="a")
    assert set(posts["feeds"]) == {"polt", "agentjob"}
    print(f"a broken market is named:    opentask: {posts['skipped']['opentask']}")


async def check(control_url: str, http_url: str, sse_url: str) -> None:
    async with (
        httpx2.AsyncClient(base_url=control_url) as control,
        Client(http_url) as http,
        Client(sse_client(sse_url)) as sse,
    ):
        markets = Marketplaces(control)
        bounties = [task for task in await one_question_is_one_request(markets, http, sse) if _on_polt(task)]
        await the_same_at_the_same_time(markets, http, sse, bounties[0])
        await one_broken_market_fails_no_other(markets, http)
        # Last, since a market that wants to be left alone is.
        await a_rate_limit_is_explained(markets, http, sse, bounties[1])


def _on_polt(task: Reply) -> bool:
    return str(task["id"]).startswith("polt:")


async def main() -> None:
    sandbox, http, sse = free_port(), free_port(), free_port()
    home = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    kinds = ("polt", "agentjob", "opentask")
    markets = {f"{kind.upper()}_BASE_URL": f"http://127.0.0.1:{sandbox}/{kind}" for kind in kinds}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        config = Path(directory) / "market-mcp.toml"
        config.touch()
        files = ["--state", str(Path(directory) / "state.db"), "--config", str(config)]
        with (
            program("sandbox", "--port", str(sandbox), env=home),
            program("serve", "--transport", "http", "--port", str(http), *files, env=home | markets | KEYS),
            program("serve", "--transport", "sse", "--port", str(sse), *files, env=home | markets | KEYS),
        ):
            for port in (sandbox, http, sse):
                await listening(port)
            await check(f"http://127.0.0.1:{sandbox}", f"http://127.0.0.1:{http}/mcp", f"http://127.0.0.1:{sse}/sse")


if __name__ == "__main__":
    anyio.run(main)
