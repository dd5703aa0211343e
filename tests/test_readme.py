"""README and docs hold what they say: their snippets are files that work, and their names are all there are."""

import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from market_mcp import config
from market_mcp.actions import BESIDES, DEFAULT_TOOLSETS, TOOLSETS
from market_mcp.cli import app
from market_mcp.cli.reference.blocks import MAKE, made_anew
from market_mcp.errors import ConfigError
from market_mcp.gateway.embedded import SANDBOX_URL
from market_mcp.markets import MARKETS
from market_mcp.sandbox import KEYS

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ROOT / "examples" / "clients"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
"""What users read: the README and the pages it leads to."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

CHECKOUT = "/path/to/market-mcp"
"""What stands in the snippets for the user's checkout."""

LIVE_KEYS = {"POLT_API_KEY": "polt_mine", "AGENTJOB_API_KEY": "ak_mine", "OPENTASK_TOKEN": "ot_mine"}

PLACEHOLDERS = {
    "claude-code": "${%s:-}",
    "cursor": "${env:%s}",
    "openclaw": "${%s}",
}
"""How a client takes a value from its environment. Claude Desktop does not, and VS Code asks its user."""

FORMS = {
    "claude-desktop": "mcpServers",
    "claude-code": "mcpServers",
    "cursor": "mcpServers",
    "vscode": "servers",
}
"""Where a client's file keeps its servers; OpenClaw's are a level deeper."""

STDIO_CLIENTS = ("claude-desktop", "claude-code", "openclaw", "cursor", "vscode")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, each a list of its cells."""
    below = README[README.index(f"{heading}\n") :]
    rows = re.search(r"^\|[-|]+\|\n((?:\|.*\|\n)+)", below, re.MULTILINE)
    assert rows is not None, f"no table below {heading!r}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1].splitlines()]


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def server_of(client: str, variant: str) -> dict[str, Any]:
    """The one server in a client's example file."""
    content = json.loads((CLIENTS / f"{client}.{variant}.json").read_text(encoding="utf-8"))
    servers = content["mcp"]["servers"] if client == "openclaw" else content[FORMS[client]]
    (server,) = servers.values()
    return server


def configured(server: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The accounts that the server of a snippet acts on, with its `env` set as its client would."""
    for name, value in server.get("env", {}).items():
        monkeypatch.setenv(name, value)
    arguments = [argument.replace(CHECKOUT, str(ROOT)) for argument in server["args"]]
    assert arguments[0] == "serve"
    file = Path(arguments[arguments.index("--config") + 1]) if "--config" in arguments else None
    return config.accounts(config.load({}, config.config_file(file, os.environ)), KEYS, {})


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing that the tester's own machine has configured plays a part."""
    for name in list(os.environ):
        if name.startswith(("POLT_", "AGENTJOB_", "OPENTASK_", "MARKET_MCP_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_the_readme_is_of_one_breath_and_leads_to_every_other_page() -> None:
    first = PAGES[0].read_text(encoding="utf-8")
    assert len(first.splitlines()) <= 160
    for page in PAGES[1:]:
        assert f"(docs/{page.name})" in first


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_repeats_is_what_the_declarations_and_the_example_files_say(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert made_anew(text, ROOT) == text, f"{page.name} is not current; run: {MAKE}"


def test_every_snippet_of_a_configuration_is_one_of_the_example_files() -> None:
    files = {file.read_text(encoding="utf-8"): file.name for file in CLIENTS.iterdir()}
    snippets = blocks("json") + blocks("toml")

    assert len(snippets) >= 7
    for snippet in snippets:
        assert snippet in files, f"no file in examples/clients says:\n{snippet}"


def test_every_example_file_is_shown_or_linked() -> None:
    for file in CLIENTS.iterdir():
        text = file.read_text(encoding="utf-8")
        assert f"examples/clients/{file.name}" in README or text in README, file.name


DOCUMENTS = ["CONTRIBUTING.md", "CHANGELOG.md", *(str(page.relative_to(ROOT)) for page in PAGES)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith("https://"):
            assert ((ROOT / document).parent / target).exists(), f"{document} links to {target}"


@pytest.mark.parametrize("client", STDIO_CLIENTS)
def test_a_sandbox_snippet_stays_pretend_whatever_keys_there_are(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in LIVE_KEYS.items():
        monkeypatch.setenv(name, key)

    accounts = configured(server_of(client, "sandbox"), monkeypatch)

    assert {account.kind for account in accounts} == set(MARKETS)
    assert all(account.sandbox and account.base_url.startswith(SANDBOX_URL) for account in accounts)


@pytest.mark.parametrize("client", STDIO_CLIENTS)
def test_a_live_snippet_acts_on_the_three_live_markets_once_its_placeholders_are_filled(
    client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_of(client, "live")
    assert server["env"].keys() == LIVE_KEYS.keys()
    if client in PLACEHOLDERS:
        assert server["env"] == {name: PLACEHOLDERS[client] % name for name in LIVE_KEYS}

    accounts = configured({**server, "env": LIVE_KEYS}, monkeypatch)

    assert {account.kind: account.key for account in accounts} == {
        "polt": "polt_mine",
        "agentjob": "ak_mine",
        "opentask": "ot_mine",
    }
    assert not any(account.sandbox for account in accounts)


def test_vs_code_asks_for_every_key_that_its_live_snippet_uses() -> None:
    content = json.loads((CLIENTS / "vscode.live.json").read_text(encoding="utf-8"))
    asked = {f"${{input:{entry['id']}}}" for entry in content["inputs"]}

    assert asked == set(content["servers"]["markets"]["env"].values())
    assert all(entry["type"] == "promptString" and entry["password"] for entry in content["inputs"])


def test_a_forgotten_placeholder_of_claude_desktop_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="POLT_API_KEY"):
        configured(server_of("claude-desktop", "live"), monkeypatch)


@pytest.mark.anyio
async def test_the_command_of_the_sandbox_snippets_starts_a_server_with_three_pretend_markets(
    tmp_path: Path,
) -> None:
    commands = {(s["command"], *s["args"]) for s in (server_of(client, "sandbox") for client in STDIO_CLIENTS)}
    ((program, *arguments),) = commands
    assert program == f"{CHECKOUT}/.venv/bin/market-mcp"
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "market_mcp", *(argument.replace(CHECKOUT, str(ROOT)) for argument in arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "MARKET_MCP_STATE": str(tmp_path / "state.db")},
    )

    async with Client(server) as client:
        result = await client.call_tool("list_markets", {})

    assert result.structured_content is not None
    markets = result.structured_content["markets"]
    assert {market["market"]: market["live"] for market in markets} == dict.fromkeys(MARKETS, False)


@pytest.mark.parametrize("variant", ["sandbox", "live"])
def test_an_http_snippet_names_the_address_that_its_command_serves(variant: str) -> None:
    content = json.loads((CLIENTS / f"http.{variant}.json").read_text(encoding="utf-8"))
    ((server),) = content["mcpServers"].values()
    address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/mcp", server["url"])

    assert server["type"] == "http"
    assert address is not None
    (command,) = [line for line in commands() if f"--port {address[1]}" in " ".join(line)]
    assert ("--config" in command) == (variant == "sandbox")


def test_the_example_of_a_configuration_file_can_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, key in LIVE_KEYS.items():
        monkeypatch.setenv(name, key)

    # It holds a key, so it is of use only where nobody else can read it.
    mine = tmp_path / "mine.toml"
    mine.write_bytes((CLIENTS / "market-mcp.toml").read_bytes())
    mine.chmod(0o600)
    settings = config.load({}, mine)
    accounts = {account.name: account for account in config.accounts(settings, KEYS, {})}

    assert accounts["agentjob"].presence == "off"
    assert (accounts["second"].kind, accounts["second"].key) == ("opentask", "ot_second_account")
    assert [name for name, account in accounts.items() if account.sandbox] == ["practice"]


def commands() -> Iterator[list[str]]:
    """The words of every command line of market-mcp in the README, without the program."""
    lines = [line for block in blocks("sh") for line in re.split(r"\n|&&", block)]
    for line in lines + code(README):
        words = shlex.split(line) if "market-mcp " in line else []
        if words and words[0].rpartition("/")[2] == "market-mcp":
            yield words[1:]


def test_every_command_and_flag_named_exists() -> None:
    parser: Any = typer.main.get_command(app)
    known = {name: {flag for option in c.params for flag in option.opts} for name, c in parser.commands.items()}
    found = list(commands())

    assert {command[0] for command in found} >= {"demo", "serve", "sandbox"}
    for command, *words in found:
        assert command in known, command
        assert {word for word in words if word.startswith("--")} <= known[command], (command, words)
    everywhere = set().union(*known.values())
    for flag in re.findall(r"`(--[a-z-]+)", README):
        assert flag in everywhere, flag


def test_every_program_of_the_commands_is_installed_by_the_project() -> None:
    programs = set(re.findall(r"\.venv/bin/([\w-]+)", README + (ROOT / "CONTRIBUTING.md").read_text("utf-8")))

    assert programs <= {*PROJECT["scripts"], "pip", "python", "pytest", "ruff", "basedpyright", "uv"}


def variables() -> set[str]:
    """The environment variables that the settings are read from."""
    # `market` is the tables of the file: nobody writes those in a variable.
    ours = {f"MARKET_MCP_{name.upper()}" for name in config.Settings.model_fields if name != "market"}
    theirs = {name for m in MARKETS.values() for name in (m.key_env, m.base_url_env, m.password_env) if name}
    return {"MARKET_MCP_CONFIG", *ours, *theirs}


def test_every_environment_variable_is_documented_and_every_documented_one_exists() -> None:
    documented = {name for row in table("## Settings") for name in code(row[0])}

    assert documented == variables()
    assert set(re.findall(r"\b(?:POLT|AGENTJOB|OPENTASK|MARKET_MCP)_[A-Z_]+\b", README)) <= variables()


def test_the_flags_of_the_settings_are_those_of_serve() -> None:
    parser: Any = typer.main.get_command(app)
    serve = {flag for option in parser.commands["serve"].params for flag in option.opts if flag != "--help"}
    documented = {name for row in table("## Settings") for name in code(row[1])}

    assert documented == serve - {"--transport", "--host", "--port"}


def test_every_setting_of_an_account_is_in_the_example_of_a_configuration_file() -> None:
    text = (CLIENTS / "market-mcp.toml").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|or )([a-z_]+) = ", text, re.MULTILINE))
    options = {option for market in MARKETS.values() for option in market.options}

    assert named - config.Settings.model_fields.keys() == config.MarketSettings.model_fields.keys() | options


def test_the_tools_at_a_glance_are_the_tools() -> None:
    rows = table("## Tools at a glance")
    shown = {name: code(tools) for name, _, tools in rows}

    every = {toolset: (*actions, *BESIDES.get(toolset, ())) for toolset, actions in TOOLSETS.items()}
    assert shown == {toolset: [action.tool_name() for action in actions] for toolset, actions in every.items()}
    assert tuple(name for name, state, _ in rows if state == "on") == DEFAULT_TOOLSETS


def test_the_calls_called_inferred_are_those_whose_route_no_document_prints() -> None:
    claimed = {row[0]: set(code(row[1])) for row in table("which were concluded from a description of the call:")}
    inferred = {
        market.name: {row.action.tool_name() for row in market.rows.values() if row.inferred}
        for market in MARKETS.values()
    }

    assert claimed == {name: tools for name, tools in inferred.items() if tools}


def test_every_dependency_has_its_reason() -> None:
    needed = {re.split(r"[<>=~! \[]", requirement)[0] for requirement in PROJECT["dependencies"]}
    below = README[README.index("For tests:") :].partition("\n\n")[0]
    extras = {
        re.split(r"[<>=~! \[]", requirement)[0]
        for extra in PROJECT["optional-dependencies"].values()
        for requirement in extra
    } - {PROJECT["name"]}

    assert {name for row in table("## At run time") for name in code(row[0])} == needed
    assert set(code(below)) == extras


def test_ci_runs_the_very_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (command,) = re.findall(r"\.venv/bin/(pytest.*)$", README, re.MULTILINE)
    (installed,) = re.findall(r"pip (install -q -e '\.\[test\]')", README)

    program, _, arguments = command.partition(" ")
    assert f'"$venv/{program}" {arguments}\n' in script
    assert f'"$venv/pip" {installed}\n' in script
