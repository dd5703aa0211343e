"""The import graph: who may stand on whom, and what a server that starts does not pay for."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "market_mcp"

FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "clock", "text"),
    ("actions",),
    ("markets",),
    ("accounts", "state"),
    ("gateway",),
    ("services", "config"),
    ("server",),
    ("cli", "testing"),
    ("__main__",),
)
"""From the ground up. A module imports from floors below its own and from its own package, no other."""

APART = "sandbox"
"""The pretend markets stand beside the house: their agreement is evidence while neither knows the other."""

SANDBOX_USERS = {"gateway.embedded", "cli", "testing"}
"""Who opens the door to the sandbox: the one that serves it in memory, and the commands that run it."""

KEYS_ONLY = {"cli.serve"}
"""What takes from the sandbox nothing but the names of its keys, so that serving does not load it."""

DEFERRED = (
    "uvicorn",
    "rich",
    "stamina",
    "jsonschema",
    "market_mcp.sandbox.world",
)
"""What a server over stdio never needs, or not before a call does."""


def _name(file: Path) -> str:
    """A file's module name below the package; the package itself is the empty name."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}
FLOOR = {name: height for height, names in enumerate(FLOORS) for name in names}


def _imports(module: str) -> Iterator[tuple[str, str]]:
    """The modules of this package that a module imports, wherever in it, each with the name it takes."""
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "market_mcp":
                    yield alias.name.removeprefix("market_mcp").removeprefix("."), "*"
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively; write the module's whole name"
            source = node.module or ""
            if source.split(".")[0] == "market_mcp":
                base = source.removeprefix("market_mcp").removeprefix(".")
                for alias in node.names:
                    inner = f"{base}.{alias.name}".removeprefix(".")
                    yield (inner, "*") if inner in FILES else (base, alias.name)


def _top(module: str) -> str:
    return module.split(".")[0]


@pytest.mark.parametrize("module", [name for name in FILES if name and _top(name) != APART])
def test_every_module_imports_only_from_floors_below_its_own(module: str) -> None:
    assert _top(module) in FLOOR, f"market_mcp.{module} has no floor: give {_top(module)!r} a place in FLOORS"
    for imported, _ in _imports(module):
        if imported and _top(imported) not in {APART, _top(module)}:
            assert _top(imported) in FLOOR, f"{imported} has no floor: give it a place in FLOORS"
            assert FLOOR[_top(imported)] < FLOOR[_top(module)], f"{module} imports upward: {imported}"


def test_the_floors_name_no_module_that_is_gone() -> None:
    assert set(FLOOR) <= {_top(module) for module in FILES}


def test_no_two_modules_import_each_other_however_far_around() -> None:
    graph = {module: {imported for imported, _ in _imports(module) if imported != module} for module in FILES}

    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", [name for name in FILES if _top(name) == APART])
def test_the_sandbox_imports_nothing_of_the_adapter_side(module: str) -> None:
    assert {imported for imported, _ in _imports(module) if _top(imported) != APART} == set()


@pytest.mark.parametrize("module", [name for name in FILES if _top(name) != APART])
def test_the_sandbox_is_imported_only_by_what_serves_it(module: str) -> None:
    taken = {(imported, name) for imported, name in _imports(module) if _top(imported) == APART}

    if module in KEYS_ONLY:
        assert taken <= {(APART, "KEYS")}
    elif not {module, _top(module)} & SANDBOX_USERS:
        assert taken == set()


@pytest.mark.parametrize("package", ["markets", "sandbox"])
def test_marketplaces_do_not_import_one_another(package: str) -> None:
    markets = {f"{package}.{name}" for name in ("polt", "agentjob", "opentask")}
    for module in FILES:
        own = ".".join(module.split(".")[:2])
        if own in markets:
            others = {".".join(imported.split(".")[:2]) for imported, _ in _imports(module)} & markets - {own}
            assert others == set(), f"market_mcp.{module} knows another marketplace"


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=~! \[]", name)[0].replace("-", "_") for name in project["dependencies"]}
    # The SDK is two distributions, and the first pins the second.
    declared |= {"mcp_types"} if "mcp" in declared else set()
    imported: set[str] = set()
    for file in FILES.values():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {_top(alias.name) for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(_top(node.module or ""))

    assert imported - sys.stdlib_module_names - {"market_mcp", "pytest"} == declared


PROBE = """
import json, sys
import mcp.server.mcpserver, mcp.server.stdio
mcp.server.mcpserver.MCPServer("bare")
sdk = set(sys.modules)
from market_mcp.cli import main
sys.argv = ["market-mcp", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print(json.dumps(sorted(set(sys.modules) - sdk)), file=sys.stderr)
"""


def test_a_stdio_server_lists_its_tools_without_loading_what_it_does_not_need(tmp_path: Path) -> None:
    about = {"name": "test", "version": "0"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about}
    calls: tuple[dict[str, Any], ...] = (
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}},
    )
    ours = ("MARKET_MCP_", "POLT_", "AGENTJOB_", "OPENTASK_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment["PYTHONPATH"] = str(PACKAGE.parent)
    server = subprocess.Popen(
        [sys.executable, "-c", PROBE, "serve", "--state", str(tmp_path / "state.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=tmp_path,
        env=environment,
    )
    with server:
        assert server.stdin is not None and server.stdout is not None
        for call in calls:
            server.stdin.write(json.dumps(call) + "\n")
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline() or "null") for _ in range(2)]
        _, errors = server.communicate(timeout=30)

    assert answers[1] is not None and answers[1]["result"]["tools"], errors
    # Beyond what a bare server of the SDK loads by itself, for that is not ours to choose.
    loaded = set(json.loads(errors.splitlines()[-1]))
    assert loaded & set(DEFERRED) == set()
    assert {name for name in loaded if name.startswith("market_mcp.cli.")} == {"market_mcp.cli.serve"}


def test_only_the_gateway_sends_and_only_the_state_and_the_gate_know_sql() -> None:
    """One door to the markets, heartbeats and claims included; services ask tables, not the database."""
    for module, file in FILES.items():
        text = file.read_text(encoding="utf-8")
        taken = set(_imports(module))
        if _top(module) not in {"gateway", APART} and module != "services.dispatcher":
            assert not {("gateway.exchange", "Exchange"), ("gateway.transport", "Transport")} & taken, module
        if _top(module) not in {"gateway", "state", APART}:
            assert "transaction(" not in text and ".execute(" not in text, (
                f"{module} speaks SQL, which belongs in state/"
            )


PACKAGES = sorted({_top(module) for module in FILES if (PACKAGE / _top(module) / "__init__.py").exists()} - {""})


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_in_its_docstring_what_it_is_for(package: str) -> None:
    said = ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert len(said.splitlines()) >= 3, (
        f"{package}/__init__.py: say what it knows, must not know, and what changes there"
    )


def test_the_packages_are_few_enough_to_be_kept_in_mind() -> None:
    assert len(PACKAGES) <= 9
