"""`market-mcp demo` is what a newcomer runs first: it must work whatever they have configured, and never lie."""

import os
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock
from xml.etree import ElementTree

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.mcpserver import MCPServer
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner

import market_mcp
from market_mcp.cli import app
from market_mcp.cli.demo import play, sandbox_server
from market_mcp.cli.recording import picture, recorder
from market_mcp.cli.story import Astray, tell
from market_mcp.clock import SystemClock

SCREEN = 50
"""Lines of a screen; the story must fit on one."""


RECORDING = Path(__file__).resolve().parents[2] / "docs" / "demo.svg"

VARIES = {r"\b\d+ s\b": "N s", r"due \d{4}-\d\d-\d\d": "due DAY", r"opentask:[0-9a-f]{8}\.\.\.": "opentask:ID..."}
"""What differs from one run of the demo to the next: how long things took, the day, and an id."""


def steady(lines: list[str]) -> list[str]:
    """Lines of the demo as they are in every run."""
    text = "\n".join(lines)
    for pattern, name in VARIES.items():
        text = re.sub(pattern, name, text)
    return text.splitlines()


def seen(svg: str) -> list[str]:
    """The lines of the screen in a picture."""
    screen = next(group for group in ElementTree.fromstring(svg).iter() if group.get("class") == "demo-matrix")
    lines: dict[float, str] = {}
    for text in screen.iter("{http://www.w3.org/2000/svg}text"):
        column = round(float(text.attrib["x"]) * 80 / 976)
        row = float(text.attrib["y"])
        lines[row] = lines.get(row, "").ljust(column) + (text.text or "").replace("\xa0", " ")
    return [line.rstrip() for line in lines.values()]


def test_the_demo_works_on_all_three_markets_and_is_the_one_screen_that_the_readme_shows(tmp_path: Path) -> None:
    # Somebody's real settings lie about, which would lead to a closed port.
    (tmp_path / "market-mcp.toml").write_text('[market.polt]\nbase_url = "http://127.0.0.1:9"\n')
    env = os.environ | {
        "PYTHONPATH": str(Path(market_mcp.__file__).parents[1]),
        "POLT_API_KEY": "polt_real_key",
        "OPENTASK_BASE_URL": "http://127.0.0.1:9",
        "MARKET_MCP_READ_ONLY": "1",
    }
    command = [sys.executable, "-m", "market_mcp", "demo", "--svg", "demo.svg"]
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
    assert re.search(r"Done in \d+ s\.\nEarned: 45 USDC on POLT, \d+ USDC on OpenTask, 0\.15 USDC on AgentJob\.", told)
    lines = told.splitlines()
    assert len(lines) <= SCREEN
    assert all(len(line) < 80 for line in lines)
    assert "\x1b" not in told

    assert seen((tmp_path / "demo.svg").read_text(encoding="utf-8")) == lines
    current = steady(seen(RECORDING.read_text(encoding="utf-8"))) == steady(lines)
    assert current, "docs/demo.svg is not current; run: market-mcp demo --svg docs/demo.svg"


def test_the_picture_of_the_same_lines_is_the_same_and_loads_nothing_from_anywhere() -> None:
    def drawn() -> str:
        console = recorder()
        tell_a_little(console)
        return picture(console, "market-mcp demo", "demo")

    svg = drawn()
    assert svg == drawn()
    assert seen(svg) == ["   1. a <chapter> & more", "of two lines"]
    for text in (svg, RECORDING.read_text(encoding="utf-8")):
        assert re.findall(r"\w+://[^\s\"]+", text) == ["http://www.w3.org/2000/svg"]
        assert not re.search(r"@import|url\(|href", text)
    assert RECORDING.stat().st_size < 60_000


def tell_a_little(console: Console) -> None:
    console.print(Text("   ") + Text("1. a <chapter> & more", "bold"), soft_wrap=True)
    console.print(Text("of two lines"), soft_wrap=True)


def test_a_demo_that_fails_leaves_the_recording_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = StdioServerParameters(command=sys.executable, args=["-c", "raise SystemExit(3)"])
    monkeypatch.setattr("market_mcp.cli.demo.sandbox_server", Mock(return_value=broken))
    file = tmp_path / "demo.svg"
    file.write_text("as it was")

    done = CliRunner().invoke(app, ["demo", "--svg", str(file)])

    assert done.exit_code == 1 and "it did not go as told" in done.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["as it was"]


def test_a_recording_that_cannot_be_written_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("market_mcp.cli.demo.play", Mock(return_value=0))

    done = CliRunner().invoke(app, ["demo", "--svg", str(tmp_path / "nowhere" / "demo.svg")])

    assert done.exit_code == 2 and "cannot be written" in done.stderr


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
