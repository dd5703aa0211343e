"""How a server ends: told by a signal, it gives what is open a last moment, answers it, and is gone."""

import signal
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
from anyio.abc import TaskStatus
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED

GRACE = 0.5
"""Seconds that calls in flight get to end by themselves after a signal."""

LATEST = 1.8
"""Seconds after a signal at which everything is cut off."""


@asynccontextmanager
async def stopped_by_signal(stop: Callable[[], None]) -> AsyncGenerator[None]:
    """Calls `stop` at the first SIGINT or SIGTERM; cancels the body if it stays, or at the next one."""

    async def watch(*, task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                break
            stop()
            with anyio.move_on_after(LATEST):
                async for _ in signals:
                    break
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        if sys.platform != "win32":  # which has no such receiver; there Ctrl-C ends the process as it always does
            await tasks.start(watch)
        yield
        tasks.cancel_scope.cancel()


class Closing:
    """What is open, so that it can be given a last moment and then be ended."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._open: set[anyio.CancelScope] = set()

    def close(self) -> None:
        """Ends everything open after the grace."""
        for scope in self._open:
            scope.deadline = anyio.current_time() + self._grace

    @contextmanager
    def holding(self) -> Generator[anyio.CancelScope]:
        """Runs the body as something open."""
        with anyio.CancelScope() as scope:
            self._open.add(scope)
            try:
                yield scope
            finally:
                self._open.discard(scope)


class Calls(Closing):
    """Server middleware: a call that outlives the grace is answered, not dropped."""

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        with self.holding():
            return await call_next(ctx)
        raise MCPError(CONNECTION_CLOSED, "The server is stopping; the call was cut off.")
