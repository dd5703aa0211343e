"""One request goes out as it was meant, to where it was meant; and every way it can go wrong has one of two names."""

import contextlib
import gzip
import tracemalloc
from collections.abc import AsyncIterator, Callable

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from at_the_gate import CANARY, At, keeps_the_secret
from market_mcp.gateway.messages import HttpReply, HttpRequest
from market_mcp.gateway.transport import NoAnswer, NotSent, Transport, Unsendable, new_client
from market_mcp.markets.reply import MAX_BODY

pytestmark = pytest.mark.anyio


class Recorder(httpx2.AsyncBaseTransport):
    """Takes the place of the network: keeps what was sent, and answers or fails as told."""

    def __init__(self, answer: Callable[[httpx2.Request], httpx2.Response] | Exception | None = None) -> None:
        self.sent: list[httpx2.Request] = []
        self.answer = answer

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.sent.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return httpx2.Response(200, json={}) if self.answer is None else self.answer(request)

    async def send(self, request: HttpRequest, at: At | None = None) -> HttpReply:
        async with new_client({"all://": self}) as client:
            return await Transport(client).send(at or At(), request)


class Body(httpx2.AsyncByteStream):
    """An answer's body in parts, which counts how many were taken."""

    def __init__(self, *parts: bytes, repeat: int = 1) -> None:
        self.parts = parts * repeat
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            self.taken += 1
            yield part


def answering(
    status: int = 200, body: Body | None = None, **headers: str
) -> Callable[[httpx2.Request], httpx2.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers=named, stream=body or Body())

    return answer


GET = HttpRequest("GET", "/api/tasks")
POST = HttpRequest("POST", "/api/tasks/1/commit")


# What goes out


@pytest.mark.parametrize("request_", [GET, POST, HttpRequest("DELETE", "/api/keys/1"), HttpRequest("PATCH", "/api/me")])
async def test_a_request_without_a_body_declares_none(request_: HttpRequest) -> None:
    market = Recorder()
    await market.send(request_)
    [sent] = market.sent
    assert sent.content == b""
    assert "content-type" not in sent.headers
    assert sent.headers.get("content-length", "0") == "0"


@pytest.mark.parametrize(("body", "written"), [({}, b"{}"), ({"text": "é 😀"}, '{"text":"é 😀"}'.encode())])
async def test_a_request_with_a_body_declares_it_as_json(body: dict[str, object], written: bytes) -> None:
    market = Recorder()
    await market.send(HttpRequest("POST", "/api/posts", body=body))
    [sent] = market.sent
    assert sent.headers["content-type"] == "application/json"
    assert sent.content == written


async def test_the_key_goes_along_only_when_it_is_asked_for() -> None:
    market = Recorder()
    await market.send(GET)
    await market.send(HttpRequest("GET", "/api/tasks", auth=False))
    await market.send(GET, At(key=None))
    assert [sent.headers.get("authorization") for sent in market.sent] == [f"Bearer {CANARY}", None, None]


async def test_a_request_asks_for_json_unless_it_says_otherwise() -> None:
    market = Recorder()
    await market.send(GET)
    await market.send(HttpRequest("POST", "/api/mcp", headers=(("accept", "application/json, text/event-stream"),)))
    assert [s.headers["accept"] for s in market.sent] == ["application/json", "application/json, text/event-stream"]


async def test_what_is_asked_for_cannot_break_out_of_its_parameter() -> None:
    market = Recorder()
    await market.send(HttpRequest("GET", "/api/tasks", query=(("query", "a&limit=9#/../é\u200b"), ("page", "1"))))
    [sent] = market.sent
    assert list(sent.url.params.multi_items()) == [("query", "a&limit=9#/../é\u200b"), ("page", "1")]
    assert (sent.url.path, sent.url.fragment) == ("/api/tasks", "")


@pytest.mark.parametrize("base", ["https://market.example/polt", "https://market.example/polt/"])
async def test_the_path_goes_below_the_base_address(base: str) -> None:
    market = Recorder()
    await market.send(GET, At(base))
    assert str(market.sent[0].url) == "https://market.example/polt/api/tasks"


async def test_cookies_of_a_market_are_not_kept_since_two_accounts_may_share_the_client() -> None:
    market = Recorder(answering(set_cookie="session=one; Path=/"))
    async with new_client({"all://": market}) as client:
        for key in ("one", "two"):
            await Transport(client).send(At(key=key), GET)
        assert list(client.cookies) == []
    assert ["cookie" in sent.headers for sent in market.sent] == [False, False]


async def test_an_answer_comes_back_whatever_its_status() -> None:
    for status in (200, 201, 204, 304, 400, 404, 429, 500, 503):
        reply = await Recorder(answering(status, Body(b"x", b"y"), Retry_After="7")).send(GET)
        assert (reply.status, reply.headers["retry-after"], reply.body) == (status, "7", b"xy")


# Where it goes


HOSTILE_PATHS = [
    "", "api/tasks", "@evil.example/", ".evil.example/", ":8080/", "//evil.example/", "/", "/api//tasks", "/api/tasks/",
    "/api/tasks/..", "/api/../../cto", "/..", "/api/tasks/a..b", "/api/./tasks", "/.hidden", "/api/%2e%2e/cto",
    "/api/tasks/%2F", "/api/tasks?status=x", "/api/tasks#x", "/api\\..\\cto", "\\\\evil.example", "/api/tasks/a b",
    "/api/tasks/\n", "/api/tasks\r\nhost: evil.example", "/api/tasks/\x00", "/api/tasks/\u2025/x", "/api/tasks/é",
    "/api/tasks/\ud800", "/api/tasks/@evil.example", "/api/tasks/a:b", "/api/tasks;x", "https://evil.example/",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE_PATHS)
async def test_a_path_that_is_not_one_of_a_markets_goes_nowhere(path: str) -> None:
    market = Recorder()
    with pytest.raises(Unsendable):
        await market.send(HttpRequest("GET", path))
    assert market.sent == []


@given(st.one_of(st.text(), st.text("/.\\@:?#%2eE a-z\n"), st.text("/.~a_-")), st.sampled_from(["", "/polt"]))
def test_no_path_at_all_leads_out_of_the_base_address(path: str, below: str) -> None:
    market = Recorder()
    transport = Transport(httpx2.AsyncClient(transport=market))
    with contextlib.suppress(Unsendable):
        anyio.run(transport.send, At(f"https://market.example{below}"), HttpRequest("GET", path))
    for sent in market.sent:
        assert str(sent.url) == f"https://market.example{below}{path}"


@pytest.mark.parametrize(
    "base",
    [
        "https://user:pass@market.example",
        "https://market.example:65536",
        "market.example",
        "",
        "ftp://x",
        "https://[::1",
    ],
)
async def test_a_base_address_that_is_none_goes_nowhere(base: str) -> None:
    market = Recorder()
    with pytest.raises(Unsendable):
        await market.send(GET, At(base))
    assert market.sent == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("request_", [GET, HttpRequest("POST", "/api/posts", body={"secret": "x"})])
async def test_a_redirect_is_not_followed_even_by_a_client_that_would(status: int, request_: HttpRequest) -> None:
    market = Recorder(answering(status, location="https://evil.example/"))
    async with httpx2.AsyncClient(transport=market, follow_redirects=True) as client:
        reply = await Transport(client).send(At(), request_)
    assert reply.status == status
    assert [sent.url.host for sent in market.sent] == ["market.example"]


@pytest.mark.parametrize("location", ["http://[", "//", "http://a:99999999/", "\x7f", "javascript:alert(1)", "é", ""])
async def test_a_redirect_to_nonsense_is_an_answer_or_none(location: str) -> None:
    market = Recorder(lambda _: httpx2.Response(302, headers=[(b"location", location.encode())], stream=Body()))
    with contextlib.suppress(NoAnswer):
        assert (await market.send(GET)).status == 302
    assert len(market.sent) == 1


# How much and how long


@pytest.mark.parametrize("parts", [(b"x" * MAX_BODY,), (b"x" * (MAX_BODY // 4),) * 4])
async def test_an_answer_as_large_as_is_allowed_is_read_whole(parts: tuple[bytes, ...]) -> None:
    assert len((await Recorder(answering(body=Body(*parts))).send(GET)).body) == MAX_BODY


async def test_a_larger_answer_is_given_up_and_not_read_to_its_end() -> None:
    body = Body(b"x" * 65_536, repeat=10_000)
    with pytest.raises(NoAnswer, match="larger than 2 MiB"):
        await Recorder(answering(body=body)).send(GET)
    assert body.taken <= MAX_BODY // 65_536 + 1


@pytest.mark.parametrize("layers", [1, 2])
async def test_a_compressed_bomb_is_given_up_before_it_fills_the_memory(layers: int) -> None:
    bomb = gzip.compress(bytes(256 * 1024 * 1024))
    for _ in range(layers - 1):
        bomb = gzip.compress(bomb)
    market = Recorder(answering(body=Body(bomb), content_encoding=", ".join(["gzip"] * layers)))
    tracemalloc.start()
    try:
        with pytest.raises(NoAnswer, match="larger than 2 MiB"):
            await market.send(GET)
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


async def test_a_compressed_answer_is_read() -> None:
    market = Recorder(answering(body=Body(gzip.compress(b'{"a": 1}')), content_encoding="gzip"))
    assert (await market.send(GET)).body == b'{"a": 1}'


async def test_a_broken_compressed_answer_is_none() -> None:
    with pytest.raises(NoAnswer, match="DecodingError"):
        await Recorder(answering(body=Body(b"not gzip"), content_encoding="gzip")).send(GET)


# What goes wrong


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ConnectError(CANARY),
        httpx2.ConnectTimeout(CANARY),
        httpx2.PoolTimeout(CANARY),
        httpx2.UnsupportedProtocol(CANARY),
    ],
)
async def test_what_fails_before_the_request_leaves_was_not_sent(error: Exception) -> None:
    with pytest.raises(NotSent) as caught:
        await Recorder(error).send(POST)
    keeps_the_secret(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ReadTimeout(CANARY),
        httpx2.WriteTimeout(CANARY),
        httpx2.ReadError(CANARY),
        httpx2.WriteError(CANARY),
        httpx2.CloseError(CANARY),
        httpx2.RemoteProtocolError(CANARY),
        httpx2.LocalProtocolError(CANARY),
        httpx2.ProxyError(CANARY),
        httpx2.DecodingError(CANARY),
    ],
)
async def test_what_fails_later_has_no_answer_and_may_have_arrived(error: Exception) -> None:
    with pytest.raises(NoAnswer) as caught:
        await Recorder(error).send(POST)
    keeps_the_secret(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r\nx-injected: 1", "\x00", "ü", "\ud800", "\x7f", "\u200b"])
async def test_a_key_that_no_header_can_carry_is_not_sent_and_not_printed(end: str) -> None:
    market = Recorder()
    with pytest.raises(Unsendable, match="the key in it") as caught:
        await market.send(GET, At(key=CANARY + end))
    keeps_the_secret(caught.value)
    assert market.sent == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", object(), {1, 2}])
async def test_a_body_that_is_no_json_is_not_sent(value: object) -> None:
    market = Recorder()
    with pytest.raises(Unsendable, match="cannot be written") as caught:
        await market.send(HttpRequest("POST", "/api/posts", body={"key": CANARY, "value": value}))
    keeps_the_secret(caught.value)
    assert market.sent == []


async def test_a_question_with_half_a_character_is_not_sent() -> None:
    market = Recorder()
    with pytest.raises(Unsendable):
        await market.send(HttpRequest("GET", "/api/tasks", query=(("query", "\ud800"),)))
    assert market.sent == []
