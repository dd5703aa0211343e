"""How often an account may call a market, where that is limited."""

import math
from collections import deque

from market_mcp.sandbox.settings import RateLimit
from market_mcp.sandbox.web import Refusal


class Limiter:
    """Counts the calls of every caller of one market."""

    def __init__(self) -> None:
        self._calls: dict[str, deque[float]] = {}

    def count(self, caller: str, limit: RateLimit, now: float) -> None:
        """Count a call at `now` (seconds since 1970), or refuse it with 429 and the whole seconds until one is free.

        What is refused is not counted.
        """
        calls = self._calls.setdefault(caller, deque())
        while calls and calls[0] <= now - limit.seconds:
            calls.popleft()
        if len(calls) >= limit.calls:
            # When the limit was lowered there are more than it allows; the last that has to go is waited for.
            wait = calls[len(calls) - limit.calls] + limit.seconds - now
            raise Refusal(429, "Too many requests", {"Retry-After": str(max(1, math.ceil(wait)))})
        calls.append(now)
