"""MCP over stdin and stdout, read and written by the event loop itself.

The SDK reads stdin in a worker thread that no cancellation reaches: a SIGTERM would wait for the client to close its
end. Polled by the loop, every wait can be ended, and a call costs half as much. Windows can poll sockets only; there
the SDK's own transport serves.
"""

import os
import select
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server

from market_mcp.server.stopping import stopped_by_signal

if TYPE_CHECKING:
    from anyio import AsyncFile

LINE_LIMIT = 4 * 1024 * 1024
"""Bytes of one message; a client that sends a longer line is not listened to any more."""

PIPE_BUF = 4096
"""Bytes that a pipe which polls writable takes without blocking (POSIX)."""


async def serve_stdio(server: MCPServer[Any]) -> None:
    """Serves one client over stdin and stdout until it closes them or a signal comes."""
    if sys.platform == "win32":
        await server.run_stdio_async()
        return
    lowlevel = server._lowlevel_server  # pyright: ignore[reportPrivateUsage] - the public method takes no streams
    with claimed_wire() as (wire_in, wire_out):
        streams = stdio_server(cast("AsyncFile[str]", wire_in), cast("AsyncFile[str]", wire_out))
        async with stopped_by_signal(wire_in.end), streams as (incoming, outgoing):
            await lowlevel.run(incoming, outgoing, lowlevel.create_initialization_options())


class WireIn:
    """The client's lines, until end of file or until `end` is called."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._scope = anyio.CancelScope()

    def end(self) -> None:
        """Makes the input end here, as if the client had closed it."""
        self._scope.cancel()

    async def __aiter__(self) -> AsyncIterator[str]:
        held = bytearray()
        while chunk := await self._read():
            held += chunk
            if b"\n" in chunk:
                *lines, held = held.split(b"\n")
                for line in lines:
                    yield line.decode("utf-8", "replace")
            if len(held) > LINE_LIMIT:
                return
        if held:
            yield held.decode("utf-8", "replace")

    async def _read(self) -> bytes:
        with self._scope:
            try:
                await anyio.wait_readable(self._fd)
            except PermissionError:  # epoll's word for a regular file, which is always readable
                await anyio.lowlevel.checkpoint()
            return os.read(self._fd, 65536)
        return b""


class WireOut:
    """Where the answers go."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._room = select.poll()
        self._room.register(fd, select.POLLOUT)

    async def write(self, text: str) -> None:
        data = memoryview(text.encode())
        try:
            while data:
                # Asking first saves a turn of the loop for every 4 KiB of which the pipe has room.
                if not self._room.poll(0):
                    await self._writable()
                data = data[os.write(self._fd, data[:PIPE_BUF]) :]
        except BrokenPipeError:
            raise anyio.ClosedResourceError from None

    async def _writable(self) -> None:
        try:
            await anyio.wait_writable(self._fd)
        except PermissionError:  # a regular file again
            await anyio.lowlevel.checkpoint()

    async def flush(self) -> None:
        """Nothing is held back."""


@contextmanager
def claimed_wire() -> Generator[tuple[WireIn, WireOut]]:
    """Takes stdin and stdout for the protocol; meanwhile prints go to stderr, and who reads finds nothing."""
    wire_in, wire_out = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        os.dup2(null, 0)
        os.dup2(2, 1)
        yield WireIn(wire_in), WireOut(wire_out)
    finally:
        os.dup2(wire_in, 0)
        os.dup2(wire_out, 1)
        for fd in (wire_in, wire_out, null):
            os.close(fd)
