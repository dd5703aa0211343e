"""A fourth marketplace moves in as a package of its own, found by its entry point, without an edit of ours."""

import json
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mcp import Client

from market_mcp.markets import MARKETS
from rig import SOURCE, Hand, Json, over_stdio, run

PACKAGE = Path(__file__).parent / "fourth"
KEY = "four_12345678"


@contextmanager
def fourth_market() -> Generator[str]:
    """The marketplace itself, on this machine: one job, and what is bid on it."""
    bids: list[Json] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path != "/jobs" and self.headers["authorization"] != f"Bearer {KEY}":
                self.answer(401, {"error": "who are you?"})
            elif path == "/jobs":
                self.answer(200, {"jobs": [{"id": "j1", "title": "Paint a fence", "reward": "40 USD"}]})
            elif path == "/bids":
                self.answer(200, {"bids": bids})
            elif path == "/news/count":
                self.answer(200, {"unread": len(bids)})
            else:
                self.answer(200, {"news": [{"id": "n1", "kind": "bid_seen", "words": "Your bid was seen."}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            bids.append({"id": "b1", "job": "j1", "title": "Paint a fence", "price": body["price"], "state": "open"})
            if self.path == "/jobs/j1/sealed-bids":
                bids[-1]["state"] = "sealed"
            self.answer(201, bids[-1])

        def answer(self, status: int, content: Json) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def configured(directory: Path, address: str, setting: str = "") -> tuple[str, ...]:
    file = directory / "settings.toml"
    file.write_text(f'[market.fourth]\nbase_url = "{address}"\n{setting}\n')
    return ("--config", str(file), "--state", str(directory / "state.db"))


ENVIRONMENT = {"PYTHONPATH": os.pathsep.join((SOURCE, str(PACKAGE))), "FOURTH_KEY": KEY}


@pytest.mark.anyio
async def test_a_market_of_another_package_is_worked_on_like_ours(tmp_path: Path) -> None:
    with fourth_market() as address:
        server = over_stdio(*configured(tmp_path, address), **ENVIRONMENT)
        async with Client(server) as client:
            hand = Hand(client)
            (job,) = (await hand.call("list_tasks"))["tasks"]
            assert (job["id"], job["pay"]["amount"], job["pay"]["currency"]) == ("fourth:j1", "40", "USD")

            placed = await hand.call("place_bid", task_id=job["id"], price="38 USD")
            assert placed["bid"]["id"] == "fourth:b1"

            (duty,) = (await hand.call("my_work"))["work"]
            assert duty["id"] == "fourth:b1" and "wait" in duty["what"]

            (change,) = (await hand.call("check_inbox"))["changes"]
            assert change["text"] == "Your bid was seen."

            (market,) = (await hand.call("list_markets"))["markets"]
            assert (market["kind"], market["key"]) == ("The Fourth", "configured")
            assert {"list_tasks", "place_bid", "list_bids"} <= set(market["tools"])


def test_doctor_finds_nothing_to_fix_on_such_a_market(tmp_path: Path) -> None:
    with fourth_market() as address:
        code, found = run("doctor", *configured(tmp_path, address), **ENVIRONMENT)
    assert code == 0 and "The Fourth" in found and "answers" in found


@pytest.mark.anyio
async def test_a_setting_that_such_a_market_declares_chooses_its_rows(tmp_path: Path) -> None:
    with fourth_market() as address:
        server = over_stdio(*configured(tmp_path, address, 'bids = "sealed"'), **ENVIRONMENT)
        async with Client(server) as client:
            placed = await Hand(client).call("place_bid", task_id="fourth:j1", price="38 USD")
    assert placed["bid"]["status"] == "sealed"


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        ('bids = "loud"', "market.fourth.bids: must be one of open, sealed"),
        ("bids = 7", "market.fourth.bids: must be one of open, sealed"),
        ('bid = "open"', "market.fourth.bid: there is no such setting; did you mean 'bids'?"),
    ],
)
def test_a_setting_that_it_does_not_declare_is_refused_at_start(tmp_path: Path, setting: str, wrong: str) -> None:
    code, found = run("doctor", *configured(tmp_path, "https://fourth.example", setting), **ENVIRONMENT)
    assert code == 2 and wrong in found


def test_a_package_that_cannot_be_imported_is_explained(tmp_path: Path) -> None:
    (tmp_path / "broken_market.py").write_text("raise RuntimeError('no luck today')\n")
    described = tmp_path / "broken_market-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-market\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[market_mcp.markets]\nfourth = broken_market:MARKET\n")

    code, found = run(
        "doctor",
        *configured(tmp_path, "https://fourth.example"),
        PYTHONPATH=os.pathsep.join((SOURCE, str(tmp_path))),
    )

    assert code == 2 and "broken_market:MARKET: RuntimeError: no luck today" in found and "Traceback" not in found


def test_a_market_with_heartbeats_that_does_not_say_how_to_be_online_is_no_market() -> None:
    with pytest.raises(ValueError, match="how being online works"):
        replace(MARKETS["agentjob"], online=None)


def test_a_kind_that_nobody_brings_is_explained(tmp_path: Path) -> None:
    code, found = run("doctor", *configured(tmp_path, "https://fourth.example"))
    assert code == 2 and "there is no kind of market 'fourth'" in found
