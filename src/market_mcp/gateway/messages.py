"""HTTP as values: what is sent to a market and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from market_mcp.markets.reply import MAX_BODY, Method

Kind = Literal["read", "write", "heartbeat", "claim", "answer"]
"""What a request is for: a heartbeat, the claiming of a chat, the answer to one, any other write, or a read. Requests
wait only for others of their account and kind."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request to a market: `path` below its base URL, `body` a JSON object or None for no body at all.

    `timeout` is the total time in seconds that the answer may take from when the request leaves, `max_body` its decoded
    size in bytes.
    """

    method: Method
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] | None = None
    auth: bool = True
    headers: tuple[tuple[str, str], ...] = ()
    kind: Kind = "read"
    timeout: float = 20.0
    max_body: int = MAX_BODY


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A market's answer: its status, its headers by lower-case name, of no more bytes than the request allowed."""

    status: int
    headers: Mapping[str, str]
    body: bytes
