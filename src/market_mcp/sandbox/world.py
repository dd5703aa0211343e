"""The pretend markets together: one database, one clock, one ASGI application."""

import random
import re
import sqlite3
from collections import deque
from functools import partial
from pathlib import Path
from typing import Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from market_mcp.sandbox import KEYS, agentjob, control, openapi, opentask, polt
from market_mcp.sandbox.clock import advanceable
from market_mcp.sandbox.faults import Faults
from market_mcp.sandbox.log import Logged, Seen
from market_mcp.sandbox.serving import asgi
from market_mcp.sandbox.settings import Settings
from market_mcp.sandbox.store import Clock, Store
from market_mcp.sandbox.web import Market

__all__ = ["KEYS", "OTHER_KEYS", "SESSION", "World"]

OTHER_KEYS = {"polt": "polt_sandbox_other", "agentjob": "ak_sandbox_other", "opentask": "ot_sandbox_other"}
"""The bearer keys of the seeded `sandbox_other`, by market, for what takes two."""

SESSION = agentjob.SESSION
"""The value of the cookie `session` of a seeded human on AgentJob."""

REMEMBERED = 10_000
"""How many requests the log keeps, the latest ones."""

MODULES = {"polt": polt, "agentjob": agentjob, "opentask": opentask}

LONG_AGO = 150 * 86_400.0
"""How many seconds before everything else what `many` adds was last added to."""

_SEEDED = "CREATE TABLE IF NOT EXISTS seeded (market TEXT PRIMARY KEY)"


class _Anything(Mount):
    """A mount that also takes paths with line breaks, which are the market's to refuse."""

    def __init__(self, path: str, app: ASGIApp) -> None:
        super().__init__(path, app)
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)


class World:
    """Three marketplaces with rows in `path` (None: in memory), created and filled where they are missing.

    Counterparties answer `pace` seconds after what they answer to. `contract` chooses between the platforms
    as their documents describe them and as they are known to run today; `settings` are how they behave where
    that is left open, and can be changed at any time. A `clock` that nobody can advance is followed, and can be left
    behind by a control call. `app` serves `/polt`, `/agentjob`,
    `/opentask` and `/_sandbox`; `requests` are those that reached a market, oldest first.
    """

    def __init__(
        self,
        path: Path | None,
        clock: Clock,
        *,
        pace: float = 2.0,
        contract: Literal["seed", "current"] = "seed",
        settings: Settings | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.clock = advanceable(clock)
        self.store = Store(path, self.clock, rng)
        self.faults = Faults()
        self.settings = settings or Settings()
        self.requests: deque[Seen] = deque(maxlen=REMEMBERED)
        self.markets: dict[str, Market] = {}
        self.store.create(_SEEDED)
        for module in MODULES.values():
            market = module.market(pace, contract)
            self.markets[market.name] = market
            self.store.create(module.SCHEMA, unwatched=module.BOOKKEEPING)
        with self.store.transaction() as db:
            self._seed(db)
        self.app = Starlette(routes=self._routes())

    def close(self) -> None:
        self.store.close()

    def reset(self) -> None:
        """Empty the markets and seed them anew, with dates that are relative to this moment; ids are new ones."""
        with self.store.transaction() as db:
            self.store.empty(db)
            self._seed(db)

    def fill(self) -> None:
        """Add so many new items that the first page of every public list is full."""
        with self.store.transaction() as db:
            for module in MODULES.values():
                module.fill(db, self.store, self.store.clock.now())

    def _seed(self, db: sqlite3.Connection) -> None:
        """Fill the markets that are not yet; old items come first, as lists are in the order of their making."""
        now = self.store.clock.now()
        for name, module in MODULES.items():
            if db.execute("INSERT OR IGNORE INTO seeded VALUES (?)", (name,)).rowcount:
                if self.settings.many:
                    module.fill(db, self.store, now - LONG_AGO)
                module.seed(db, self.store, now)

    def _routes(self) -> list[BaseRoute]:
        routes: list[BaseRoute] = []
        for name, market in self.markets.items():
            app = Logged(asgi(market, self.store, self.faults, self.settings), name, self.requests, self.store.clock)
            # The description is the sandbox's own, so asking for it is no request to the market.
            routes += [Route(f"/{name}/openapi.json", partial(_describe, market)), _Anything(f"/{name}", app)]
        control_routes = control.routes(self)
        return [*routes, Mount("/_sandbox", routes=control_routes)]


async def _describe(market: Market, _request: Request) -> Response:
    return JSONResponse(openapi.document(market, f"/{market.name}"))
