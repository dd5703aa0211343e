"""MCP over stdin and stdout, read and written by the event loop itself.

The SDK reads stdin in a worker thread that no cancellation reaches: a SIGTERM would wait for the client to close its
end. Polled by the loop, every wait can be ended, and a call costs half as much. Windows can poll sockets only; there
the SDK's own transport serves.
"""

import json
import logging
import os
import select
import sys
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Self, cast

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server.mcpserver import MCPServer
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    jsonrpc_message_adapter,
)

from market_mcp.server.stopping import stopped_by_signal

logger = logging.getLogger(__name__)

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
        async with stopped_by_signal(wire_in.end), wire_out.writing() as outgoing:
            wire_in.complain = outgoing.send
            await lowlevel.run(wire_in, outgoing, lowlevel.create_initialization_options())


class WireIn:
    """The client's messages, until end of file or until `end` is called.

    What is no message is answered through `complain`: a client waits for an answer to whatever it sent.
    """

    def __init__(self, fd: int) -> None:
        self.complain: Callable[[SessionMessage], Awaitable[None]] | None = None
        self._fd = fd
        self._scope = anyio.CancelScope()
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._ended = False

    def end(self) -> None:
        """Makes the input end here, as if the client had closed it."""
        self._scope.cancel()

    async def receive(self) -> SessionMessage | Exception:
        """The next message. Raises EndOfStream."""
        while True:
            try:
                return SessionMessage(read_message(await self._line()))
            except NoMessage as mistake:
                if self.complain is not None:
                    await self.complain(SessionMessage(mistake.answer))

    async def _line(self) -> bytes:
        """The next line with anything in it. Raises EndOfStream."""
        while not self._lines and not self._ended:
            chunk = await self._read()
            too_long = len(self._rest) > LINE_LIMIT
            if too_long:
                logger.error("A message longer than %d MiB came; the connection ends.", LINE_LIMIT // 1024 // 1024)
            self._ended = not chunk or too_long
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            self._lines.extend(line for line in lines if line.strip())
            if self._ended and self._rest.strip():
                self._lines.append(self._rest)
        if not self._lines:
            raise anyio.EndOfStream
        return self._lines.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        await self.aclose()
        return None

    async def _read(self) -> bytes:
        with self._scope:
            try:
                await anyio.wait_readable(self._fd)
            except PermissionError:  # epoll's word for a regular file, which is always readable
                await anyio.lowlevel.checkpoint()
            return os.read(self._fd, 65536)
        return b""


class NoMessage(ValueError):
    """A line is no message; `answer` tells the client so, under the number of its question where that can be read."""

    def __init__(self, number: str | int | None, code: int, text: str) -> None:
        super().__init__(text)
        self.answer = JSONRPCError(jsonrpc="2.0", id=number, error=ErrorData(code=code, message=text))


def read_message(line: bytes) -> JSONRPCMessage:
    """What a line from a client says. Raises NoMessage."""
    text = line.decode("utf-8", "replace")
    try:
        return jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValueError:
        pass
    try:
        value: object = json.loads(text)
        # JavaScript writes half an emoji as an escape that strict readers refuse.
        whole = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    except (ValueError, RecursionError):
        raise NoMessage(None, PARSE_ERROR, "That line is not JSON.") from None
    try:
        return jsonrpc_message_adapter.validate_json(whole, by_name=False)
    except ValueError:
        asked = cast("dict[str, object]", value) if isinstance(value, dict) and "method" in value else {}
        number = asked.get("id")
        known = number if isinstance(number, str | int) and not isinstance(number, bool) else None
        raise NoMessage(known, INVALID_REQUEST, "That is no message of JSON-RPC 2.0.") from None


class WireOut:
    """Where the answers go."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._room = select.poll()
        self._room.register(fd, select.POLLOUT)

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[MemoryObjectSendStream[SessionMessage]]:
        """A stream whose messages a task of its own writes, so that no cancelled call leaves half a line."""
        send, receive = anyio.create_memory_object_stream[SessionMessage](0)

        async def pump() -> None:
            async with receive:
                async for item in receive:
                    await self._write(item.message.model_dump_json(by_alias=True, exclude_unset=True) + "\n")

        async with anyio.create_task_group() as group:
            group.start_soon(pump)
            async with send:
                yield send

    async def _write(self, text: str) -> None:
        data = memoryview(text.encode())
        try:
            while data:
                # Asking first saves a turn of the loop for every 4 KiB of which the pipe has room.
                if not self._room.poll(0):
                    await self._writable()
                data = data[os.write(self._fd, data[:PIPE_BUF]) :]
        except BrokenPipeError:
            # Nobody reads any more; the end of the input follows.
            return

    async def _writable(self) -> None:
        try:
            await anyio.wait_writable(self._fd)
        except PermissionError:  # a regular file again
            await anyio.lowlevel.checkpoint()


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
