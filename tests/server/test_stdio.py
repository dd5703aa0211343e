"""Every line that a client writes gets an answer, whatever stands in it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_mcp.server.stdio import LINE_LIMIT, NoMessage, read_message
from rig import MARGIN, command, environment

HELLO: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}},
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def call(number: int, tool: str, **arguments: object) -> bytes:
    params = {"name": tool, "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode()


def said(directory: Path, *lines: bytes) -> tuple[list[dict[str, Any]], str]:
    """What the server answers to these lines after the handshake, and what it writes to stderr; it ends by itself."""
    talk = b"\n".join([json.dumps(HELLO).encode(), json.dumps(READY).encode(), *lines]) + b"\n"
    done = subprocess.run(
        command("serve", "--state", str(directory / "state.db")),
        input=talk,
        capture_output=True,
        env=environment(),
        timeout=MARGIN,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()][1:], done.stderr.decode()


def test_lines_that_are_no_messages_are_answered_and_the_next_call_too(tmp_path: Path) -> None:
    lines = (b"\xff\xfe garbage", b"[1,2]", b"{}", b"null", b"", b'{"jsonrpc":"1.0","id":7,"method":"ping"}')
    answers, _ = said(tmp_path, *lines, call(8, "list_markets"))
    assert [(one["id"], one["error"]["code"]) for one in answers[:-1]] == [
        (None, -32700),
        (None, -32600),
        (None, -32600),
        (None, -32600),
        (7, -32600),
    ]
    assert answers[-1]["id"] == 8 and not answers[-1]["result"]["isError"]


def test_half_an_emoji_in_an_argument_is_replaced_and_whole_ones_stay() -> None:
    message = read_message(call(1, "list_tasks", query="a \ud83d b \ud83d\ude00 c"))
    assert message.model_dump()["params"]["arguments"] == {"query": "a \ufffd b \U0001f600 c"}


def test_a_line_beyond_the_limit_ends_the_connection_and_stderr_says_why(tmp_path: Path) -> None:
    answers, stderr = said(tmp_path, b"x" * (LINE_LIMIT + 200_000))
    assert "longer than 4 MiB" in stderr and len(answers) <= 1


def test_an_error_that_a_client_answers_with_is_a_message_like_any_other() -> None:
    text = b'{"jsonrpc":"2.0","id":3,"error":{"code":-1,"message":"no"}}'
    assert read_message(text).model_dump(exclude_unset=True) == json.loads(text)


@given(st.binary() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_a_line_is_read_or_answered_and_nothing_else(line: bytes | str) -> None:
    try:
        read_message(line.encode() if isinstance(line, str) else line)
    except NoMessage as mistake:
        assert mistake.answer.error.code in {-32700, -32600}


@pytest.mark.parametrize("number", [True, 1.5, None, [], {}])
def test_what_is_no_number_of_a_question_is_not_given_back(number: object) -> None:
    with pytest.raises(NoMessage) as caught:
        read_message(json.dumps({"id": number, "method": 5}).encode())
    assert caught.value.answer.id is None
