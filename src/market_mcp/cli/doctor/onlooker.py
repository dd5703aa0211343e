"""Looks at every answer as it comes in, whatever is made of it: its status, its kind, and the time it is dated."""

import email.utils
import re
from typing import NamedTuple

import httpx2

from market_mcp.clock import Clock

USUAL = frozenset(
    {"application/json", "application/problem+json", "text/html", "text/plain", "text/xml", "text/event-stream"}
)
"""The media types that answers have, markets' or not; any other is a text of somebody's own making."""


class Seen(NamedTuple):
    """An answer from outside.

    `media_type` is "" where it declares none of the usual ones. `behind` is by how many seconds this machine's clock
    was behind the answer's date, None where it has no date.
    """

    status: int
    media_type: str
    behind: float | None

    def __str__(self) -> str:
        return f"HTTP {self.status}{f', {self.media_type}' if self.media_type else ''}"


class Onlooker:
    """A response hook for an HTTP client; `seen` is the latest answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seen: Seen | None = None

    async def __call__(self, response: httpx2.Response) -> None:
        declared = response.headers.get("content-type", "").partition(";")[0].strip().casefold()
        media_type = declared if declared in USUAL else ""
        self.seen = Seen(response.status_code, media_type, self._behind(response.headers))

    def _behind(self, headers: httpx2.Headers) -> float | None:
        try:
            dated = email.utils.parsedate_to_datetime(headers.get("date", "")).timestamp()
        except (ValueError, TypeError, OverflowError):
            return None
        # RFC 9111, section 5.1: an answer out of a cache is dated when it was made, and says how long ago that was.
        age = headers.get("age", "")
        return dated + (int(age) if re.fullmatch(r"[0-9]{1,9}", age) else 0) - self._clock.now()
