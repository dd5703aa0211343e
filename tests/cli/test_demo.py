"""`market-mcp demo` is what a newcomer runs first: it must work whatever they have configured, and never lie."""

import os
import re
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.mcpserver import MCPServer
from rich.console import Console

import market_mcp
from market_mcp.cli.demo import play, sandbox_server
from market_mcp.cli.story import Astray, tell
from market_mcp.clock import SystemClock

SCREEN = 50
"""Lines of a screen; the story must fit on one."""


def test_the_demo_works_on_all_three_markets_and_fits_on_one_screen(tmp_path: Path) -> None:
    # Somebody's real settings lie about, which would lead to a closed port.
    (tmp_path / "market-mcp.toml").write_text('[market.polt]\nbase_url = "http://127.0.0.1:9"\n')
    env = os.environ | {
        "PYTHONPATH": str(Path(market_mcp.__file__).parents[1]),
        "POLT_API_KEY": "polt_real_key",
        "OPENTASK_BASE_URL": "http://127.0.0.1:9",
        "MARKET_MCP_READ_ONLY": "1",
    }
    command = [sys.executable, "-m", "market_mcp", "demo"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert "polt: task completed, submission approved, 45 USDC earned" in told
    assert "opentask: bid accepted, contract opentask:" in told
    assert re.search(r"get_contract +opentask:\S+: accepted, 350 USDC to be paid", told)
    assert re.search(r"s left to answer\n(.*\n)+ +submit_response +Answer delivered\.", told)
    assert "You had voted so already; nothing was sent" in told
    assert re.search(r"agentjob +the page of \d+ s ago; a fresh one in \d+ s", told)
    assert "does not" in told and "as results give it" in told
    assert re.search(r"Done in \d+ s\. Earned: 45 USDC on POLT, \d+ USDC on OpenTask, 0\.15 USDC on AgentJob\.", told)
    lines = told.splitlines()
    assert len(lines) <= SCREEN
    assert all(len(line) < 80 for line in lines if not line.startswith("Done"))
    assert "\x1b" not in told


def test_the_demos_server_gets_no_setting_of_its_user(tmp_path: Path) -> None:
    settings = ("POLT_API_KEY", "AGENTJOB_BASE_URL", "OPENTASK_TOKEN", "MARKET_MCP_STATE")
    assert sandbox_server(tmp_path, dict.fromkeys(settings, "x") | {"LANG": "C"}).env == {"LANG": "C"}


def test_a_server_that_does_not_start_ends_the_demo_with_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    broken = StdioServerParameters(command=sys.executable, args=["-c", "raise SystemExit(3)"])
    assert play(broken, Console()) == 1
    assert "it did not go as told" in capsys.readouterr().err


def test_a_market_without_work_is_told_as_a_failure() -> None:
    server = MCPServer("empty")

    @server.tool()
    def list_tasks(currency: str, limit: int) -> dict[str, list[str]]:  # pyright: ignore[reportUnusedFunction]
        return {"tasks": []}

    anyio.run(fail_to_tell, server, "no work was found on polt")


def test_a_call_that_fails_is_told_with_its_words() -> None:
    anyio.run(fail_to_tell, MCPServer("without tools"), "list_tasks was expected to succeed, and said: Unknown tool")


async def fail_to_tell(server: MCPServer, why: str) -> None:
    async with Client(server) as client:
        with pytest.raises(Astray, match=why):
            await tell(client, Console(quiet=True), SystemClock(), 0.0)
