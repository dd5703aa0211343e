"""The sandbox inside this process: markets that are reached through the same client as live ones, in memory."""

from collections.abc import Callable
from pathlib import Path

import httpx2

from market_mcp.clock import Clock

SANDBOX_URL = "http://sandbox.invalid"
"""The address of the embedded sandbox: one that no network has, served in memory."""


class EmbeddedSandbox(httpx2.AsyncBaseTransport):
    """Answers requests to the sandbox's address. The sandbox is built by the first of them, for many never come."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._inner: httpx2.ASGITransport | None = None
        self._close: Callable[[], None] = lambda: None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._inner is None:
            from market_mcp.sandbox.world import World

            world = World(self._path, self._clock)
            self._close = world.close
            # A handler that drops the connection on purpose is a broken answer, as it would be over a wire.
            self._inner = httpx2.ASGITransport(app=world.app, raise_app_exceptions=False)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        self._close()


def mounts(path: Path | None, clock: Clock) -> dict[str, httpx2.AsyncBaseTransport]:
    """The client's mount for the sandbox whose file is at `path` (None: in memory)."""
    return {f"all://{SANDBOX_URL.removeprefix('http://')}": EmbeddedSandbox(path, clock)}
