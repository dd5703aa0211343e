"""The reference says what is so: it is made of the declarations and of a run, and `tools.md` is that reference."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contract.witness import WitnessCall, load_all, load_forbidden
from market_mcp.actions import BESIDES, DEFAULT_TOOLSETS, TOOLSETS
from market_mcp.actions.base import ID
from market_mcp.actions.board import CreatePost
from market_mcp.cli import app
from market_mcp.cli.reference.left_out import LEFT_OUT, RESERVED
from market_mcp.cli.reference.samples import LINES, WIDTH, sample
from market_mcp.cli.tools import make_reference
from market_mcp.markets import MARKETS

ROOT = Path(__file__).resolve().parents[2]
TOOLS = {action.tool_name(): action for actions in TOOLSETS.values() for action in actions}
ROWS = {
    (market.kind, row.route)
    for market in MARKETS.values()
    for listed in market.rows.values()
    for row in (listed, *listed.also.values(), *([listed.request.before] if listed.request.before else []))
}


@pytest.fixture(scope="module")
def reference() -> str:
    return make_reference()


def section(reference: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = heading.partition(" ")[0]
    below = reference[reference.index(f"\n{heading}\n") + len(heading) + 2 :]
    return re.split(rf"^#{{1,{len(level)}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def samples(text: str) -> list[str]:
    return re.findall(r"^```json\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)


def routes(text: str) -> set[str]:
    return set(re.findall(r"`((?:GET|POST|PATCH|DELETE) /[^`]*)`", text))


def blank(route: str) -> str:
    """A route without the names of its ids, which everybody gives as they like."""
    return re.sub(r"\{\w+\}|:\w+", "{}", route)


# --- tools.md ---------------------------------------------------------------------------------------------


def test_the_file_in_the_repository_is_the_reference_of_this_version(reference: str) -> None:
    current = (ROOT / "tools.md").read_text(encoding="utf-8") == reference

    assert current, "tools.md is not current; run: market-mcp tools --output tools.md"


def test_the_reference_comes_out_the_same_byte_by_byte_whenever_it_is_made(reference: str) -> None:
    assert make_reference() == reference


# --- examples ---------------------------------------------------------------------------------------------


def test_every_tool_has_an_example_that_ran_without_an_error_and_brought_something(reference: str) -> None:
    for tool, action in TOOLS.items():
        call, result = map(json.loads, samples(section(reference, f"### {tool}")))

        assert call.keys() >= action.example.keys(), tool
        assert "error" not in result and result[action.noun or "market"], tool


def test_every_result_is_short_enough_to_be_read_at_a_glance(reference: str) -> None:
    for text in samples(reference):
        lines = text.splitlines()
        assert len(lines) <= LINES + 5, text
        # A field is never torn apart, so that one long text beside its name may stand out.
        assert max(map(len, lines)) <= WIDTH + 20, text


def test_no_example_keeps_an_id_that_stands_for_any(reference: str) -> None:
    assert ID not in reference


def test_no_example_shows_a_key_or_a_password(reference: str) -> None:
    assert not re.search(r"\b(?:polt|ak|ot)_(?:sandbox|[0-9a-f]{8})", reference)
    assert "only-for-the-examples" not in reference


def test_what_is_left_out_of_a_result_can_be_seen() -> None:
    long = {"items": [{"text": "word " * 60, "tags": [str(n) for n in range(9)]}] * 12}

    shown = json.loads(sample(long))

    *items, more = shown["items"]
    assert more == f"… {12 - len(items)} more"
    assert items[0]["text"].endswith("…") and items[0]["tags"][-1] == "… 3 more"


def test_a_short_result_is_printed_as_it_is() -> None:
    assert sample({"a": [1, 2.5, None, True], "b": {}}) == '{"a": [1, 2.5, null, true], "b": {}}'


# --- tools and rows ---------------------------------------------------------------------------------------


def test_every_tool_stands_in_its_toolset_with_purpose_tier_hints_and_arguments(reference: str) -> None:
    for toolset, actions in TOOLSETS.items():
        state = "on" if toolset in DEFAULT_TOOLSETS else "off"
        below = section(reference, f"## Toolset {toolset}")
        assert re.findall(r"^### (\w+)$", below, re.MULTILINE) == [action.tool_name() for action in actions]
        for action in actions:
            text = section(below, f"### {action.tool_name()}")
            assert action.purpose([market.name for market in MARKETS.values() if market.supports(action)]) in text
            besides = "".join(f", and with {name}" for name, others in BESIDES.items() if action in others)
            assert f"Toolset {toolset}, {state} by default{besides}; tier *{action.tier}*; " in text
            assert f"readOnlyHint {str(action.tier == 'read').lower()}, " in text
            assert f"destructiveHint {str(action.destructive).lower()}, " in text
            named = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
            assert named <= set(action.model_fields)
            assert {name for name, field in action.model_fields.items() if field.is_required()} <= named


def test_every_row_stands_below_its_tool_with_what_it_asks_for(reference: str) -> None:
    for market in MARKETS.values():
        for row in market.rows.values():
            tool = row.action.offered and row.action.tool_name()
            text = section(reference, f"### {tool}" if tool else "## Calls without a tool of their own")
            (line,) = [
                line
                for line in text.splitlines()
                if line.startswith(f"- **{market.name}**")
                and routes(line.partition(":")[0]) == {row.route}
                and (not row.variant or f"`{row.variant}`" in line or f'"{row.variant}"`' in line)
                and (row.variant == "current") == ('`contract = "current"` `' in line)
            ]
            assert f"“{row.section}”" in line
            assert ("**inferred**: " + row.inferred in line) if row.inferred else ("inferred" not in line)
            assert not row.scope or f"scope `{row.scope}`" in line
            assert not row.topic or row.writes or f"paced as `{row.topic}`" in line
            assert routes(line) >= {
                part.route for part in (*row.also.values(), *([row.request.before] if row.request.before else []))
            }


def test_no_other_request_is_said_to_be_made(reference: str) -> None:
    made = reference[: reference.index("\n## Documented calls that no tool makes\n")]

    assert routes(made) == {route for _, route in ROWS}


# --- what no tool does ------------------------------------------------------------------------------------


def test_every_call_of_the_documents_is_made_by_a_row_or_left_out_with_a_reason() -> None:
    made = {(market, blank(route)) for market, route in ROWS}
    left_out = {(call.market, blank(call.request)) for call in LEFT_OUT}

    for call in load_all():
        # All tools of the platform's own MCP endpoint have one address.
        if call.variant and call.path == "/api/mcp" and call.no_tool_reason:
            (entry,) = [entry for entry in LEFT_OUT if entry.request == route(call)]
            assert call.variant in re.split(r"\W+", entry.what)
        elif (call.market, blank(route(call))) not in made:
            assert (call.market, blank(route(call))) in left_out, f"nobody says why there is no tool for {call}"


def test_nothing_is_left_out_that_a_document_does_not_have() -> None:
    documented = {(call.market, blank(route(call))) for call in load_all()}

    assert {(call.market, blank(call.request)) for call in LEFT_OUT} <= documented


def test_what_is_left_out_is_called_inferred_where_the_document_has_no_route_for_it() -> None:
    inferred = {(call.market, blank(route(call))) for call in load_all() if call.status == "inferred"}

    for call in LEFT_OUT:
        assert call.inferred == ((call.market, blank(call.request)) in inferred), call


def route(call: WitnessCall) -> str:
    return f"{call.method} {call.path}".strip()


def test_what_polt_reserves_is_listed_and_made_by_no_row(reference: str) -> None:
    reserved = {blank(f"{ban.method} {ban.path}") for ban in load_forbidden("polt")}

    assert {blank(request) for request in RESERVED} == reserved
    assert routes(section(reference, "## Calls that cannot be made")) == RESERVED.keys()
    assert reserved & {blank(route) for market, route in ROWS if market == "polt"} == set()


# --- the command ------------------------------------------------------------------------------------------


def test_the_command_prints_the_reference(reference: str) -> None:
    done = CliRunner().invoke(app, ["tools", "--markdown"])

    assert (done.exit_code, done.stdout_bytes.decode()) == (0, reference)


def test_the_command_writes_the_reference_whole_or_leaves_the_file_as_it_was(
    reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tools.md"
    done = CliRunner().invoke(app, ["tools", "--output", str(file)])
    assert (done.exit_code, file.read_bytes().decode()) == (0, reference)

    monkeypatch.setattr(CreatePost, "example", {**CreatePost.example, "body": "too short"})
    failed = CliRunner().invoke(app, ["tools", "--output", str(file)])
    assert failed.exit_code == 1 and "create_post" in failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tools.md"]
    assert file.read_bytes().decode() == reference


def test_the_check_is_silent_about_a_current_file(reference: str, tmp_path: Path) -> None:
    file = tmp_path / "tools.md"
    file.write_bytes(reference.encode())

    done = CliRunner().invoke(app, ["tools", "--check", str(file)])

    assert (done.exit_code, done.output) == (0, "")


def test_the_check_fails_with_the_difference_and_the_command_to_run(reference: str, tmp_path: Path) -> None:
    file = tmp_path / "tools.md"
    file.write_bytes(reference.replace("## Ids\n", "## Idols\n").encode())

    done = CliRunner().invoke(app, ["tools", "--check", str(file)])

    assert done.exit_code == 1
    assert {"-## Idols", "+## Ids"} <= set(done.stdout.splitlines())
    assert f"market-mcp tools --output {file}" in done.stderr


def test_the_check_of_a_file_that_is_not_there_fails_briefly(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["tools", "--check", str(tmp_path / "tools.md")])

    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) < 40


def test_the_tools_are_printed_as_mcp_lists_them() -> None:
    done = CliRunner().invoke(app, ["tools", "--json"])

    assert done.exit_code == 0
    listed = {tool["name"]: tool for tool in json.loads(done.stdout_bytes)["tools"]}
    assert list(listed) == list(TOOLS)
    assert listed["commit_task"]["annotations"]["readOnlyHint"] is False
    assert listed["list_posts"]["inputSchema"]["properties"]["market"]["enum"] == list(MARKETS)


def test_without_an_option_there_is_a_table_of_the_tools() -> None:
    done = CliRunner().invoke(app, ["tools"])

    assert done.exit_code == 0
    for tool, action in TOOLS.items():
        (line,) = [line for line in done.stdout.splitlines() if re.search(rf"\b{tool}\b", line)]
        assert action.tier in line
