"""Walks through lists of a market that refuses, bans, moves its cursors and changes between pages, by seeds.

The rules: nothing is asked within an interval or while the market wants to be left alone, every list ends, and what
stood on a page that was read and stands there still has been shown.
"""

import random
from pathlib import Path

import httpx2
import pytest

from clocks import ManualClock
from market_mcp.accounts import Account
from market_mcp.actions.work import ListTasks
from market_mcp.errors import CallError
from market_mcp.gateway.waiting import UNNAMED
from market_mcp.services.dispatcher import Dispatcher
from market_mcp.state.holds import PROBED_AFTER
from market_mcp.state.store import State
from rig import dispatcher_at

pytestmark = pytest.mark.anyio

WALKS, EVERY_WALK = 60, 2_000
INTERVAL = 60.0
MOST_CALLS = 2_000
"""Calls that one walk may take, refused ones among them."""


class MovingMarket(httpx2.AsyncBaseTransport):
    """A list of tasks by page number (POLT) or by cursor (OpenTask), never twice the same, with moods."""

    def __init__(self, kind: str, chance: random.Random, clock: ManualClock) -> None:
        self._kind = kind
        self._chance = chance
        self._clock = clock
        self._made = chance.randint(0, 120)
        self.there = [f"t{n}" for n in reversed(range(self._made))]
        self._size = chance.choice([1, 3, 10, 20, 50])
        self._says = chance.choice(["nothing", "total", "has_more"])
        self._turns_at = chance.choice([None, None, 1, 2, 3, 5])
        """From which page on it leads back."""
        self.read: set[str] = set()
        self.asked: dict[str, float] = {}
        self.alone_until = 0.0
        self.complaints: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        now, asked = self._clock.now(), str(request.url)
        if now < self.alone_until:
            self.complaints.append(f"asked {self.alone_until - now:.0f} s too early after a ban")
        if now - self.asked.get(asked, -INTERVAL) < INTERVAL:
            self.complaints.append(f"asked within the interval: {asked}")
        self.asked[asked] = now
        mood = self._chance.random()
        if mood < 0.06:
            return self._ban(now)
        if mood < 0.12:
            return httpx2.Response(self._chance.choice([500, 502]), json={"error": "Broken"})
        self._change()
        return httpx2.Response(200, json=self._page(request.url.params))

    def _ban(self, now: float) -> httpx2.Response:
        wait = self._chance.choice([None, 5, 90, 600, 7200])
        self.alone_until = now + min(UNNAMED if wait is None else wait, PROBED_AFTER)
        headers = {} if wait is None else {"retry-after": str(wait)}
        return httpx2.Response(429, headers=headers, json={"error": "Too many requests"})

    def _change(self) -> None:
        for _ in range(self._chance.choice([0, 0, 0, 1, 3])):
            self.there.insert(0, f"t{self._made}")
            self._made += 1
        for _ in range(self._chance.choice([0, 0, 0, 1, 2])):
            if self.there:
                self.there.pop(self._chance.randrange(len(self.there)))

    def _page(self, query: httpx2.QueryParams) -> dict[str, object]:
        page = int(query.get("page", 1))
        start = (page - 1) * self._size
        if "cursor" in query:
            # A cursor names the place after an item, wherever that has gone, and counts the pages.
            page, after = map(int, query["cursor"].split("-"))
            start = next((place for place, item in enumerate(self.there) if int(item[1:]) < after), len(self.there))
        items = self.there[start : start + self._size]
        self.read |= set(items)
        shown = [{"id": item, "title": f"Task {item}"} for item in items]
        if self._chance.random() < 0.2:
            shown += shown[:1]
        answer: dict[str, object] = {"tasks": shown}
        goes_on = start + self._size < len(self.there)
        if self._kind == "opentask":
            turned = self._turns_at is not None and page >= self._turns_at
            cursor = f"{page + 1}-{items[-1][1:]}" if items else ""
            answer["nextCursor"] = query.get("cursor", "2-0") if turned else cursor if goes_on else None
        elif self._says == "total":
            answer |= {"total": len(self.there), "limit": self._size}
        elif self._says == "has_more":
            answer["has_more"] = goes_on
        return answer


async def walked(dispatcher: Dispatcher, market: MovingMarket, chance: random.Random, clock: ManualClock) -> set[str]:
    """What a client has been shown that follows a list to its end."""
    seen: set[str] = set()
    cursor: str | None = None
    limit = chance.choice([1, 7, 50])
    for _ in range(MOST_CALLS):
        await clock.advance(chance.choice([0, 1, 20, 61]))
        try:
            result = await dispatcher.perform(ListTasks(limit=limit, cursor=cursor))
        except CallError as error:
            # Most clients wait as long as they are told, some do not.
            await clock.advance(chance.choice([0, error.retry_after_seconds or 60]))
            continue
        seen |= {task["id"].partition(":")[2] for task in result["tasks"]}
        cursor = result.get("next_cursor")
        if cursor is None:
            return seen
    market.complaints.append("the list does not end")
    return seen


@pytest.mark.parametrize("kind", ["polt", "opentask"])
async def test_a_market_that_moves_and_bans_is_read_in_peace_and_to_the_end(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found: list[str] = []
    walks = EVERY_WALK if request.config.getoption("--every-sequence") else WALKS
    for seed in range(walks):
        chance, clock = random.Random(f"{kind} {seed}"), ManualClock()
        market = MovingMarket(kind, chance, clock)
        key = {"polt": "polt_abcdefgh", "opentask": "ot_abcdefgh"}[kind]
        account = Account(kind, kind, f"http://market.invalid/{kind}", key)
        async with dispatcher_at(market, clock, State(None), [account]) as dispatcher:
            seen = await walked(dispatcher, market, chance, clock)
        lost = market.read & set(market.there) - seen
        if lost:
            market.complaints.append(f"read and never shown: {sorted(lost)}")
        found += [f"{kind} {seed}: {one}" for one in market.complaints]
    assert not found, "\n".join(found[:30])
