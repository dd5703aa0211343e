"""What the commands say to an operator: `doctor` names what to fix, and no mistake ends in a traceback."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from market_mcp import __version__
from rig import Square, run

KEYLESS = "no key"


# --- doctor -------------------------------------------------------------------------------------------------


def examined(tmp_path: Path, text: str = "", **settings: str) -> tuple[int, str]:
    """What doctor finds with this configuration file."""
    file = tmp_path / "settings.toml"
    file.write_text(text)
    file.chmod(0o600)
    return run("doctor", "--config", str(file), "--state", str(tmp_path / "state.db"), **settings)


@contextmanager
def plain_listener(answers: bool) -> Generator[tuple[int, list[str]]]:
    """Something that listens and speaks no TLS; the paths of the requests that it got."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(503 if answers else 401)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, paths
    finally:
        server.shutdown()
        server.server_close()


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("https://no-such-host.invalid", "no address is known for no-such-host.invalid"),
        ("http://127.0.0.1:CLOSED", "nothing accepts connections at 127.0.0.1:CLOSED"),
        ("https://localhost:OPEN", "localhost:OPEN does not speak TLS"),
    ],
)
def test_doctor_says_why_a_market_cannot_be_reached(tmp_path: Path, base: str, said: str) -> None:
    with plain_listener(answers=False) as (port, _):
        closed = str(closed_port())
        base, said = (text.replace("CLOSED", closed).replace("OPEN", str(port)) for text in (base, said))
        code, found = examined(tmp_path, POLT_API_KEY="polt_12345678", POLT_BASE_URL=base)
    assert code == 1
    assert said in found
    # What a model may do next is not for an operator, and a market out of reach is one thing to fix.
    assert "another market" not in found and "1 to fix" in found and "stamina" not in found


def test_doctor_says_what_a_market_answered_that_can_be_reached(tmp_path: Path) -> None:
    with plain_listener(answers=True) as (port, _):
        base = f"http://127.0.0.1:{port}"
        _, found = examined(tmp_path, OPENTASK_TOKEN="ot_12345678", OPENTASK_BASE_URL=base)
    assert found.count("OpenTask broke (HTTP 503)") == 2 and "2 to fix" in found
    assert "nothing accepts" not in found and "stamina" not in found


def test_doctor_keeps_a_key_of_the_wrong_form_to_itself(tmp_path: Path) -> None:
    with plain_listener(answers=False) as (port, paths):
        code, found = examined(tmp_path, POLT_API_KEY="canary-key", POLT_BASE_URL=f"http://127.0.0.1:{port}")
    assert code == 1 and "the key from POLT_API_KEY does not look like one of POLT; not sent" in found
    assert paths == [] and "canary" not in found


def test_doctor_names_the_place_of_a_key_that_is_not_accepted_or_missing(tmp_path: Path) -> None:
    with plain_listener(answers=False) as (port, _):
        base = f'kind = "opentask"\nbase_url = "http://127.0.0.1:{port}"\n'
        _, found = examined(tmp_path, f'[market.second]\n{base}api_key = "ot_12345678"\n[market.third]\n{base}')
    assert "the key from api_key in [market.second] is not accepted" in found
    assert "no key: set api_key or credential in [market.third]" in found
    assert "OPENTASK_TOKEN" not in found


def test_doctor_brings_nobody_online(tmp_path: Path, calm: Square) -> None:
    settings = calm.settings(["agentjob"])
    code, found = examined(tmp_path, '[market.agentjob]\npresence = "on"', **settings)
    assert code == 0, found
    assert "presence on: `serve` keeps it online" in found
    assert calm.requests("agentjob") == ["GET /api/tasks"]
    _, found = examined(tmp_path, '[market.agentjob]\npresence = "on"', MARKET_MCP_READ_ONLY="true", **settings)
    assert "presence on: not kept" in found


def test_doctor_names_the_tools_that_a_tokens_scopes_leave_out(tmp_path: Path, calm: Square) -> None:
    text = '[market.opentask]\nscopes = ["profile:read", "bids:read"]'
    _, found = examined(tmp_path, text, MARKET_MCP_TOOLSETS="bidding,work", **calm.settings(["opentask"]))
    assert "scope bids:write is missing: place_bid, respond_to_counter_offer, withdraw_bid" in found
    # Public tasks are read without it, and hiring is not served.
    assert "tasks:read" not in found and "tasks:write" not in found


def test_the_version_is_printed() -> None:
    assert run("--version") == (0, f"market-mcp {__version__}\n")


# --- mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sandbox", "--port", "0", "--data", "TEXT"), "cannot be kept in"),
        (("sandbox", "--port", "0", "--data", "HERE"), "directory"),
        (("sandbox", "--port", "0", "--data", "HERE/no/where.db"), "cannot be kept in"),
        (("tools", "--check", "HERE"), "directory"),
        (("tools", "--check", "BYTES"), "cannot be read as text"),
        (("serve", "--state", "HERE"), "HERE"),
        (("serve", "--state", "TEXT"), "TEXT"),
        (("serve", "--state", "postgresql://me:secret@host/db"), "must be a path"),
        (("doctor", "--state", "postgresql://me:secret@host/db"), "must be a path"),
        (("serve", "--config", "HERE"), "HERE"),
        (("serve", "--config", "BYTES"), "is not valid TOML"),
        (("doctor", "--config", "/proc/self/mem"), "/proc/self/mem"),
    ],
)
def test_a_mistake_is_explained_in_a_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    text, data = tmp_path / "text", tmp_path / "bytes"
    text.write_text("This is no database, and it is long enough to be looked at as one." * 20)
    text.chmod(0o600)
    data.write_bytes(b"\xff\xfe\x00" * 100)
    names = {"HERE": str(tmp_path), "TEXT": str(text), "BYTES": str(data)}

    def real(word: str) -> str:
        for name, path in names.items():
            word = word.replace(name, path)
        return word

    code, found = run(*map(real, arguments))
    assert code == 2
    # Boxes of the command line's library break lines where they like.
    assert "".join(real(said).split()) in "".join(found.replace("│", "").split()), found
    assert "secret" not in found


@pytest.mark.parametrize("content", ["[]", "7", '{"mine": 7}', '{"mine": {"secret": "ot_12345678"}}', "{"])
def test_a_credential_store_that_was_edited_by_mistake_is_explained_too(tmp_path: Path, content: str) -> None:
    store = tmp_path / "credentials.json"
    store.write_text(content)
    store.chmod(0o600)
    code, found = examined(tmp_path, '[market.opentask]\ncredential = "mine"')
    assert code == 2
    assert "market-mcp: " in found and "credential" in found
    assert "ot_12345678" not in found
