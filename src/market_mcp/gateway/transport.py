"""Sends one request to one market and brings its answer back whole, or says why not.

One client serves every market of the process, with connections of its own for each account and kind of call. Where a
market is the embedded sandbox, the same client hands the request to it in memory. No redirects are followed and no
proxy of the environment is used, for both would carry a key to a place that nobody named.
"""

import contextlib
import math
import re
import ssl
from collections.abc import Mapping
from functools import cached_property, lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Protocol

import anyio
import httpx2

from market_mcp import __version__
from market_mcp.errors import MarketMcpError
from market_mcp.gateway.messages import HttpReply, HttpRequest
from market_mcp.gateway.places import Places
from market_mcp.markets.reply import as_json

CONNECT_TIMEOUT = 5.0
"""Seconds for a connection to come about, and as many again for its TLS."""

POOL = "market_mcp.pool"
"""The extension of a request that says which pool of connections it takes: its account and kind."""

_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
    "user-agent": f"market-mcp/{__version__}",
}
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_HEADER = re.compile(r"[\x20-\x7e]*")


class NotSent(MarketMcpError):
    """The request cannot have reached the market: no address, no connection, no TLS."""


class Unsendable(MarketMcpError):
    """There is something in the request that must not or cannot go; the same request never will."""


class NoAnswer(MarketMcpError):
    """The request left, but no whole answer came back: time-out, reset, too large."""


class Endpoint(Protocol):
    """Where requests go and with which key; what the transport needs to know of a configured account."""

    @property
    def name(self) -> str: ...

    @property
    def base_url(self) -> str: ...

    def authorization(self) -> str | None: ...


class Transport:
    """Sends requests. `client` is handed in, so that tests and the sandbox stand behind the same code.

    `connect_timeout` are the seconds for a connection to come about, and as many again for its TLS.
    """

    def __init__(self, client: httpx2.AsyncClient, connect_timeout: float = CONNECT_TIMEOUT) -> None:
        self._client = client
        self._connect_timeout = connect_timeout
        self._places = Places()

    async def send(self, endpoint: Endpoint, request: HttpRequest) -> HttpReply:
        """The answer to a request, whatever its status. Raises Unsendable, NoPlace, NotSent or NoAnswer.

        Its time-out begins when it leaves: neither waiting for a place nor connecting is part of the market's time.
        """
        outgoing = self._build(endpoint, request)
        async with self._places.one(endpoint.name, request.kind):
            return await self._exchange(outgoing, request)

    async def _exchange(self, outgoing: httpx2.Request, request: HttpRequest) -> HttpReply:
        """The answer to a request that has a place. Raises NotSent or NoAnswer."""

        async def follow(event: str, _: object) -> None:
            if event == "connection.connect_tcp.started":
                # The library itself limits how long this takes; called off from outside, it would leave a socket open.
                scope.deadline = math.inf
            elif event.endswith(".send_request_headers.started"):
                scope.deadline = anyio.current_time() + request.timeout

        outgoing.extensions["trace"] = follow
        try:
            with anyio.fail_after(request.timeout) as scope:
                response = await self._client.send(outgoing, stream=True, follow_redirects=False)
                async with contextlib.aclosing(response):
                    return HttpReply(
                        response.status_code, _lower(response.headers), await _read(response, request.max_body)
                    )
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol) as error:
            raise NotSent(f"no connection ({type(error).__name__})") from None
        except TimeoutError:
            raise NoAnswer(f"no answer within {request.timeout:g} s") from None
        except httpx2.TimeoutException as error:
            raise NoAnswer(f"no answer in time ({type(error).__name__})") from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise NoAnswer(f"the connection broke ({type(error).__name__})") from None

    def _build(self, endpoint: Endpoint, request: HttpRequest) -> httpx2.Request:
        """The request as it goes out. Raises Unsendable."""
        # URLs are tidied on their way out, so that `..` would lead to another market on the same host.
        if not _PATH.fullmatch(request.path) or ".." in request.path:
            raise Unsendable("the path is not one of a market's")
        headers = {**_HEADERS, **dict(request.headers)}
        authorization = endpoint.authorization() if request.auth else None
        if authorization is not None:
            headers["authorization"] = authorization
        # The library's own complaint would quote the header, and with it the key.
        if not all(_HEADER.fullmatch(value) for value in headers.values()):
            raise Unsendable("a header, perhaps the key in it, holds characters that headers cannot carry")
        try:
            base = _parsed(endpoint.base_url)
            url = httpx2.URL(endpoint.base_url.rstrip("/") + request.path)
            if request.query:
                url = url.copy_merge_params(dict(request.query))
            # POLT answers an empty body that is declared JSON with 400: no body, no Content-Type.
            content = None if request.body is None else as_json(request.body).encode()
            declared = {} if content is None else {"content-type": "application/json"}
            # Built directly: merging it with a client's defaults, of which there are none, is half of its cost.
            outgoing = httpx2.Request(
                request.method,
                url,
                headers=headers | declared,
                content=content,
                extensions={"timeout": {"connect": self._connect_timeout}, POOL: (endpoint.name, request.kind)},
            )
        except (httpx2.InvalidURL, ValueError, TypeError) as error:
            raise Unsendable(f"the request cannot be written ({type(error).__name__})") from None
        # The library takes any number for a port and fails on it in a way of its own.
        if base.scheme not in {"http", "https"} or not base.host or base.userinfo or (base.port or 0) > 65_535:
            raise Unsendable("the market's address is not one")
        if (url.scheme, url.host, url.port, url.userinfo) != (base.scheme, base.host, base.port, b""):
            raise Unsendable("the request would have left the market's own address")
        return outgoing


class Network(httpx2.AsyncBaseTransport):
    """The way out: a pool of connections for each account and kind of call, opened by the first request that takes it.

    Certificates and protocols cost a twentieth of a start, and a server on the sandbox never needs them.
    """

    # Nothing waits in a pool: whoever is here has a place, and there are no more connections than places.
    _LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=10, keepalive_expiry=60)

    def __init__(self) -> None:
        self._pools: dict[object, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        pool = request.extensions.get(POOL)
        if pool not in self._pools:
            self._pools[pool] = httpx2.AsyncHTTPTransport(
                verify=self._certificates, trust_env=False, limits=self._LIMITS
            )
        return await self._pools[pool].handle_async_request(request)

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        """The authorities that all pools trust; reading them is most of what opening one takes."""
        return httpx2.create_ssl_context(trust_env=False)


def new_client(mounts: Mapping[str, httpx2.AsyncBaseTransport] | None = None) -> httpx2.AsyncClient:
    """A client as this server uses it; `mounts` maps URL patterns to transports, such as the embedded sandbox."""
    return httpx2.AsyncClient(
        transport=Network(),
        mounts=dict(mounts or {}),
        follow_redirects=False,
        trust_env=False,
        # A cookie would tie the calls of two accounts on one platform together.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


@lru_cache
def _parsed(base_url: str) -> httpx2.URL:
    return httpx2.URL(base_url)


def _lower(headers: httpx2.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _read(response: httpx2.Response, at_most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > at_most:
            raise NoAnswer(f"the answer is larger than {at_most // 1024 // 1024} MiB")
        parts.append(part)
    return b"".join(parts)
