"""The server over real loopback HTTP: Streamable HTTP in both eras of the protocol, and the older SSE transport."""

import contextlib
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client

from market_mcp.actions import DEFAULT_TOOLSETS, TOOLSETS
from rig import Hand, Json, Process, Square, answering, free_port, of, program, times, waiting

pytestmark = pytest.mark.anyio

ENDS_WITHIN = 5.0
"""Seconds from a signal to the end of a process: 2 are promised, the others are a busy machine's."""

WAYS = [("http", "legacy"), ("http", "2026-07-28"), ("sse", "legacy"), ("sse", "2026-07-28")]
"""Transports, and how a client connects over them."""


@dataclass(frozen=True)
class Serving:
    """A server that listens."""

    process: Process
    transport: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{'sse' if self.transport == 'sse' else 'mcp'}"

    @asynccontextmanager
    async def client(self, mode: str) -> AsyncGenerator[Hand]:
        server = sse_client(self.url) if self.transport == "sse" else self.url
        async with Client(server, mode=mode) as client:
            yield Hand(client)


@contextmanager
def serving(transport: str, directory: Path, **settings: str) -> Generator[Serving]:
    port = free_port()
    state = directory / "state.db"
    arguments = ("--transport", transport, "--port", str(port), "--state", str(state))
    with program("serve", *arguments, directory=directory, **settings) as process:
        answering(port, process)
        yield Serving(process, transport, port)


@pytest.fixture(scope="module")
def pretend(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Serving]]:
    """A server of either transport on the embedded markets."""
    one, two = (tmp_path_factory.mktemp(name) for name in ("http", "sse"))
    with serving("http", one) as http, serving("sse", two) as sse:
        yield {"http": http, "sse": sse}


@pytest.mark.parametrize(("transport", "mode"), WAYS)
async def test_the_tools_work_as_they_do_over_stdio(pretend: dict[str, Serving], transport: str, mode: str) -> None:
    async with pretend[transport].client(mode) as hand:
        usual = {action.tool_name() for toolset in DEFAULT_TOOLSETS for action in TOOLSETS[toolset]}
        assert set(await hand.names()) == usual
        posts = (await hand.call("list_posts"))["posts"]
        assert all(of(market, posts) for market in ("polt", "agentjob", "opentask"))
        post = await hand.call("get_post", post_id=of("polt", posts)[0]["id"])
        assert post["post"]["title"]
        refusal = await hand.refused("get_post", post_id="polt:no-such-project")
        assert "404" in refusal.text
        assert "surprise" in (await hand.refused("list_posts", surprise=1)).text
        assert (await hand.call("list_markets"))["markets"]


@pytest.mark.parametrize(("transport", "mode"), WAYS)
async def test_progress_arrives_and_a_wait_can_be_left(pretend: dict[str, Serving], transport: str, mode: str) -> None:
    async with pretend[transport].client(mode) as hand:
        async with waiting(hand):
            pass
        assert (await hand.call("list_markets"))["markets"]


async def test_clients_of_one_server_share_what_was_asked(calm: Square, tmp_path: Path) -> None:
    with serving("http", tmp_path, **calm.settings()) as server:
        async with server.client("legacy") as one, server.client("2026-07-28") as two:
            first, second = await one.call("list_posts"), await two.call("list_posts")
            assert first["posts"] == second["posts"]
            assert {feed["source"] for feed in second["feeds"].values()} == {"cache"}
    assert times("GET /api/projects", calm.requests("polt")) == 1


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_web_page_of_somebody_else_cannot_call(pretend: dict[str, Serving], transport: str) -> None:
    server = pretend[transport]
    path = "/messages/?session_id=0" if transport == "sse" else "/mcp"
    message: Json = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accepted = {"accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as browser:
        for header in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            answer = await browser.post(path, json=message, headers={**accepted, **header})
            assert answer.status_code in {403, 421}, answer.text
            assert "list_posts" not in answer.text


async def test_a_stranger_at_the_door_of_sse_is_no_crash(tmp_path: Path) -> None:
    with serving("sse", tmp_path) as server:
        for header in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            assert httpx2.get(server.url, headers=header, trust_env=False).status_code in {403, 421}
        assert server.process.end(signal.SIGTERM, ENDS_WITHIN) == 0
    said = server.process.said[1]
    assert "Invalid Host header" in said and "Traceback" not in said


def test_other_machines_cannot_be_listened_to(tmp_path: Path) -> None:
    with program("serve", "--transport", "http", "--host", "0.0.0.0", directory=tmp_path) as process:
        assert process.ended(60) == 2
        assert "127.0.0.1" in process.said[1]


@pytest.mark.parametrize(("way", "name"), [(WAYS[0], "SIGTERM"), (WAYS[1], "SIGINT"), (WAYS[2], "SIGTERM")])
async def test_a_server_ends_promptly_and_cleanly_with_a_wait_and_a_stream_open(
    calm: Square, tmp_path: Path, way: tuple[str, str], name: str
) -> None:
    transport, mode = way
    codes: list[int] = []
    with serving(transport, tmp_path, **calm.settings()) as server:
        # What a client makes of a server that goes away is its own affair.
        with contextlib.suppress(Exception):
            async with server.client(mode) as hand, waiting(hand):
                codes.append(await anyio.to_thread.run_sync(server.process.end, getattr(signal, name), ENDS_WITHIN))
        out, err = server.process.said
    assert codes == [0], err
    assert out == "" and "Traceback" not in err and "_sandbox_you" not in err
