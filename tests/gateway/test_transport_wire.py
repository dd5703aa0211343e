"""The transport over real connections to servers on the loopback that answer badly, late, or not at all."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

from at_the_gate import CANARY, At, keeps_the_secret
from clocks import ManualClock
from market_mcp.gateway.embedded import SANDBOX_URL, mounts
from market_mcp.gateway.messages import HttpReply, HttpRequest
from market_mcp.gateway.transport import NoAnswer, NotSent, Transport, new_client

pytestmark = pytest.mark.anyio

GET = HttpRequest("GET", "/api/tasks")
POST = HttpRequest("POST", "/api/tasks/1/commit")

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server on the loopback that does with each connection what it is told to."""

    def __init__(self, handler: Handler) -> None:
        self.requests: list[bytes] = []
        self.port = 0
        self._handler = handler
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            await self._handler(reader, writer)
        writer.close()

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncGenerator[Server]:
    server = Server(handler)
    listener = await asyncio.start_server(server, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        server.stop()
        await listener.wait_closed()


async def fine(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    await writer.drain()


async def send(port: int, request: HttpRequest = POST, scheme: str = "http") -> HttpReply:
    async with new_client() as client:
        return await Transport(client).send(At(f"{scheme}://127.0.0.1:{port}"), request)


async def test_a_request_goes_over_the_wire_as_it_was_meant() -> None:
    async with serving(fine) as server:
        assert (await send(server.port)).body == b"{}"
    [head] = server.requests
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /api/tasks/1/commit http/1.1"
    assert f"authorization: bearer {CANARY}" in lines
    assert not any(line.startswith(("content-type", "cookie")) for line in lines)


async def test_a_refused_connection_means_not_sent() -> None:
    async with serving(fine) as server:
        pass
    with pytest.raises(NotSent) as caught:
        await send(server.port)
    keeps_the_secret(caught.value)


async def test_a_server_that_speaks_no_tls_gets_nothing_to_read() -> None:
    heard: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(4_096))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as listener:
        with pytest.raises(NotSent):
            await send(listener.sockets[0].getsockname()[1], scheme="https")
    assert len(heard) == 1
    assert CANARY.encode() not in heard[0]


async def drop(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Reads the request and hangs up."""


def saying(answer: bytes) -> Handler:
    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return say


@pytest.mark.parametrize(
    "handler",
    [
        drop,
        saying(b"HTTP/1.1 200 OK\r\nContent-Le"),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"),
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        saying(b"SSH-2.0-OpenSSH_9.6\r\n"),
        saying(b"HTTP/1.1 2000 OK\r\n\r\n"),
        saying(b"HTTP/1.1 200 OK\r\n" + b"x-long: " + b"x" * 500_000 + b"\r\n\r\n"),
    ],
)
async def test_an_answer_that_breaks_off_or_is_none_means_that_the_request_may_have_arrived(handler: Handler) -> None:
    async with serving(handler) as server:
        with pytest.raises(NoAnswer) as caught:
            await send(server.port)
        keeps_the_secret(caught.value)
        assert len(server.requests) == 1


def dripping(begin: bytes) -> Handler:
    """Sends a byte now and then for as long as anybody listens, so that no pause is ever a long one."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    return drip


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nx-endless: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
async def test_a_dripping_answer_ends_by_the_deadline(begin: bytes) -> None:
    async with serving(dripping(begin)) as server:
        with anyio.fail_after(5), pytest.raises(NoAnswer, match=r"within 0\.2 s"):
            await send(server.port, HttpRequest("GET", "/api/tasks", timeout=0.2))


async def test_after_an_answer_was_given_up_the_next_request_gets_its_own() -> None:
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
    answers = [large, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"]

    async def in_turn(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop(0))
        await writer.drain()

    async with serving(in_turn) as server, new_client() as client:
        transport, at = Transport(client), At(f"http://127.0.0.1:{server.port}")
        with pytest.raises(NoAnswer):
            await transport.send(at, GET)
        assert (await transport.send(at, GET)).body == b"{}"


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(fine) as proxy, serving(fine) as market:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert (await send(market.port)).status == 200
    assert (len(proxy.requests), len(market.requests)) == (0, 1)


# Connections


async def test_a_connection_that_does_not_come_about_in_time_means_not_sent() -> None:
    """The server takes the connection and never answers the client's TLS."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as listener, new_client() as client:
        at = At(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
        with anyio.fail_after(10), pytest.raises(NotSent, match="ConnectTimeout"):
            await Transport(client, 0.2).send(at, POST)


async def test_the_library_tells_when_it_connects_and_when_the_request_leaves() -> None:
    """By these names the transport knows what is the market's time."""
    told: list[str] = []

    async def trace(event: str, _: object) -> None:
        told.append(event)

    async with serving(fine) as server, new_client() as client:
        await client.get(f"http://127.0.0.1:{server.port}/", extensions={"trace": trace})
    assert told.index("connection.connect_tcp.started") < told.index("http11.send_request_headers.started")


async def test_each_account_and_kind_of_call_has_connections_of_its_own_opened_when_they_are_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[object] = []

    class Counted(httpx2.AsyncHTTPTransport):
        def __init__(self, verify: ssl.SSLContext, **options: Any) -> None:
            opened.append(verify)
            super().__init__(verify, **options)

    monkeypatch.setattr(httpx2, "AsyncHTTPTransport", Counted)
    async with serving(fine) as server, new_client() as client:
        transport, url = Transport(client), f"http://127.0.0.1:{server.port}"
        assert opened == []
        for _ in range(2):
            await transport.send(At(url), GET)
            await transport.send(At(url), HttpRequest("POST", "/api/posts", kind="write"))
            await transport.send(At(url, name="second"), GET)
    # The certificates are read once for all of them.
    assert len(opened) == 3 and len(set(map(id, opened))) == 1


async def test_a_request_that_the_sandbox_answers_opens_no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx2, "AsyncHTTPTransport", None)
    async with new_client(mounts(None, ManualClock())) as client:
        assert (await Transport(client).send(At(f"{SANDBOX_URL}/polt"), GET)).status == 200
