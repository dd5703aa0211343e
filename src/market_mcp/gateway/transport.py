"""Sends one request to one market and brings its answer back whole, or says why not.

One pooled client serves every market of the process. Where a market is the embedded sandbox, the same client hands the
request to it in memory. No redirects are followed and no proxy of the environment is used, for both would carry a key
to a place that nobody named.
"""

import contextlib
import re
from collections.abc import Mapping
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Protocol

import anyio
import httpx2

from market_mcp import __version__
from market_mcp.errors import MarketMcpError
from market_mcp.gateway.messages import HttpReply, HttpRequest
from market_mcp.markets.reply import as_json

CONNECT_TIMEOUT = 5.0
"""Seconds for a connection to come about."""

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
    def base_url(self) -> str: ...

    def authorization(self) -> str | None: ...


class Transport:
    """Sends requests. `client` is handed in, so that tests and the sandbox stand behind the same code."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def send(self, endpoint: Endpoint, request: HttpRequest) -> HttpReply:
        """The answer to a request, whatever its status. Raises Unsendable, NotSent or NoAnswer."""
        outgoing = self._build(endpoint, request)
        try:
            with anyio.fail_after(request.timeout):
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
                extensions={"timeout": _timeout(request.timeout).as_dict()},
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
    """The way out, opened by the first request that takes it.

    Certificates and protocols cost a twentieth of a start, and a server on the sandbox never needs them.
    """

    _LIMITS = httpx2.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=60)

    def __init__(self) -> None:
        self._opened: httpx2.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._opened is None:
            self._opened = httpx2.AsyncHTTPTransport(trust_env=False, limits=self._LIMITS)
        return await self._opened.handle_async_request(request)

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened.aclose()


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


def _timeout(total: float) -> httpx2.Timeout:
    return httpx2.Timeout(total, connect=min(CONNECT_TIMEOUT, total))


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
