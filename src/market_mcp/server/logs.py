"""What goes to stderr: warnings and worse, on plain lines, with no key in them."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp_types import EmptyResult, SetLevelRequestParams

LEVELS = {"notice": logging.INFO, "alert": logging.CRITICAL, "emergency": logging.CRITICAL}
"""The protocol's levels that Python has no name for."""


class Redacting(logging.Formatter):
    """Formats a record, traceback included, and then takes every known secret out of it."""

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self._secrets():
            text = text.replace(secret, "[redacted]")
        return text


def configure_logs(secrets: Callable[[], Iterable[str]]) -> None:
    """Sets the process's logging up, before the SDK does it its own way; `secrets` gives those known at the time."""
    handler = logging.StreamHandler()
    handler.setFormatter(Redacting(secrets))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def add_log_level(server: MCPServer[Any]) -> None:
    """Lets a client say how much is written to stderr (`logging/setLevel`, up to revision 2025-11-25)."""

    async def set_level(_: ServerRequestContext[Any, Any], params: SetLevelRequestParams) -> EmptyResult:
        logging.getLogger().setLevel(LEVELS.get(params.level) or params.level.upper())
        return EmptyResult()

    lowlevel = server._lowlevel_server  # pyright: ignore[reportPrivateUsage] - the server itself has no way to say this
    lowlevel.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
