"""What stands between an operator and a market that answers, but not as itself: `doctor` names it, and the setting."""

import email.utils
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from rig import run

PAGE = {"content-type": "text/html; charset=utf-8"}
JSON = {"content-type": "application/json"}


@contextmanager
def answering_with(status: int, headers: Mapping[str, str], body: str) -> Generator[str]:
    """The address of something that answers every request alike; a `date` among the headers replaces its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = body.encode()
            self.send_response_only(status)
            dated = {"date": email.utils.formatdate(usegmt=True), **headers, "content-length": str(len(content))}
            for name, value in dated.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def examined(tmp_path: Path, address: str) -> tuple[int, str]:
    """What doctor finds where POLT is at this address."""
    (tmp_path / "settings.toml").touch()
    files = ("--config", str(tmp_path / "settings.toml"), "--state", str(tmp_path / "state.db"))
    return run("doctor", *files, POLT_BASE_URL=address, POLT_API_KEY="polt_12345678")


@pytest.mark.parametrize(
    ("status", "headers", "body", "named"),
    [
        (
            404,
            PAGE | {"ngrok-error-code": "ERR_NGROK_3200"},
            "<html><body>The endpoint polt.example is offline.</body></html>",
            "tunnel",
        ),
        (502, PAGE, "<html><title>Tunnel unavailable</title><body>localtunnel: no tunnel</body></html>", "tunnel"),
        (301, {"location": "https://elsewhere.example/api/projects?token=canary"}, "", "redirect"),
        (308, {"location": "/v2/api/projects"}, "", "redirect"),
        (503, PAGE | {"retry-after": "3600"}, "<html><h1>Down for maintenance</h1></html>", "maintenance"),
        (503, JSON | {"retry-after": "3600"}, '{"error": "Scheduled maintenance."}', "maintenance"),
        (403, PAGE | {"cf-mitigated": "challenge"}, "<html><title>Just a moment...</title></html>", "challenge"),
        (200, PAGE, "<html><body>Verify you are human to continue</body></html>", "challenge"),
        (404, PAGE, "<!doctype html><html><body>This page does not exist.</body></html>", "address"),
        (404, JSON, '{"detail": "Not Found"}', "HTTP 404"),
        (200, PAGE, "<!doctype html><html><body>Welcome to nginx!</body></html>", "address"),
    ],
)
def test_doctor_names_what_answers_in_a_markets_place_and_where_its_address_is_set(
    tmp_path: Path, status: int, headers: Mapping[str, str], body: str, named: str
) -> None:
    with answering_with(status, headers, body) as address:
        code, found = examined(tmp_path, address)

    assert code == 1
    assert f"HTTP {status}" in found and named in found, found
    assert "POLT_BASE_URL or base_url in [market.polt]" in found
    # What may be secret in a place is not repeated, and something answered.
    assert "canary" not in found and "nothing accepts" not in found


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (1, "this machine's clock is 1 hour behind POLT's"),
        (-25.5, "this machine's clock is 1 day 1 hour 30 minutes ahead of POLT's"),
    ],
)
def test_doctor_says_by_how_much_and_which_way_the_clock_is_off(tmp_path: Path, hours: float, said: str) -> None:
    date = email.utils.formatdate(time.time() + hours * 3600, usegmt=True)
    with answering_with(200, JSON | {"date": date}, '{"projects": [], "valid": true}') as address:
        code, found = examined(tmp_path, address)

    assert code == 1 and said in found and "due times and expiries depend on it" in found


def test_a_clock_that_is_right_or_whose_rightness_cannot_be_known_is_nothing_to_fix(tmp_path: Path) -> None:
    an_hour_ago = email.utils.formatdate(time.time() - 3600, usegmt=True)
    for place, headers in enumerate(({}, {"date": "yesterday"}, {"date": an_hour_ago, "age": "3590"})):
        home = tmp_path / str(place)
        home.mkdir()
        with answering_with(200, JSON | headers, '{"projects": [], "valid": true}') as address:
            code, found = examined(home, address)
        assert code == 0 and "this machine's clock" not in found, found
