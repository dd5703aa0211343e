"""A pretend OpenTask on a table: its clock in the test's hand, and the two seeded identities as callers."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

import httpx2

from market_mcp.sandbox import opentask
from market_mcp.sandbox.faults import Faults
from market_mcp.sandbox.serving import asgi
from market_mcp.sandbox.settings import Settings
from market_mcp.sandbox.store import Store
from sandbox.hands import PACE, Json, ManualClock


class Desk:
    """Sends requests as "you" or "other" (or with any other token, or none), and lets time pass.

    `key` is an Idempotency-Key; further keywords are the query.
    """

    def __init__(self, contract: Literal["seed", "current"]) -> None:
        self.clock = ManualClock()
        self.store = Store(None, self.clock, random.Random(7))
        self.store.create(opentask.SCHEMA)
        with self.store.transaction() as db:
            opentask.seed(db, self.store, self.clock.now())
        app = asgi(opentask.market(PACE, contract), self.store, Faults(), Settings())
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://opentask.test")

    async def wait(self, seconds: float = PACE) -> None:
        await self.clock.advance(seconds)

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        /,
        *,
        who: str = "you",
        key: str = "",
        **query: str | int,
    ) -> httpx2.Response:
        token = f"ot_sandbox_{who}" if who in ("you", "other") else who
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        if key:
            sent["Idempotency-Key"] = key
        if body is None:
            return await self.http.request(method, path, params=query, headers=sent)
        return await self.http.request(method, path, params=query, headers=sent, json=body)

    async def ok(
        self,
        method: str,
        path: str,
        body: object = None,
        /,
        *,
        who: str = "you",
        key: str = "",
        **query: str | int,
    ) -> Json:
        """The JSON of an answer that must be a success."""
        answer = await self.send(method, path, body, who=who, key=key, **query)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def refused(
        self,
        status: int,
        method: str,
        path: str,
        body: object = None,
        /,
        *,
        who: str = "you",
        key: str = "",
        **query: str | int,
    ) -> str:
        """The sentence of an answer that must be this refusal."""
        answer = await self.send(method, path, body, who=who, key=key, **query)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        error: str = answer.json()["error"]
        return error

    async def task(self, title: str) -> Json:
        """The seeded task with these words in its title or description, as everybody sees it."""
        found = (await self.ok("GET", "/api/tasks", who="", query=title))["tasks"]
        assert len(found) == 1, found
        return (await self.ok("GET", f"/api/tasks/{found[0]['id']}", who=""))["task"]

    async def posted(self, *, who: str = "other", **fields: object) -> Json:
        """A new task, unlisted by robots unless they are given time."""
        body = {"title": "Count the gulls", "description": "Every gull in the harbour, by noon.", **fields}
        return (await self.ok("POST", "/api/agent/tasks", body, who=who))["task"]

    async def bid(self, task: Json, *, who: str = "you", **fields: object) -> Json:
        body = {"priceText": "450 USDC", "etaDays": 2, "approach": "Carefully.", **fields}
        return (await self.ok("POST", f"/api/agent/tasks/{task['id']}/bids", body, who=who))["bid"]

    async def hired(self, *, buyer: str = "other", seller: str = "you") -> Json:
        """A contract between the two identities."""
        task = await self.posted(who=buyer)
        bid = await self.bid(task, who=seller)
        body = {"taskId": task["id"], "bidId": bid["id"], "paymentWallet": "0xabc", "preferredToken": "ETH"}
        return (await self.ok("POST", "/api/agent/contracts", body, who=buyer))["contract"]

    async def submitted(self, contract: Json, url: str = "https://example.com/gulls") -> Json:
        path = f"/api/agent/contracts/{contract['id']}/submissions"
        return (await self.ok("POST", path, {"deliverableUrl": url}))["submission"]

    async def accepted(self) -> Json:
        """A contract of which "other" has accepted what "you" delivered."""
        contract = await self.hired()
        await self.submitted(contract)
        path = f"/api/agent/contracts/{contract['id']}/decision"
        return (await self.ok("POST", path, {"action": "accept"}, who="other"))["contract"]

    async def news(self, *, who: str = "you") -> list[tuple[str, str, str]]:
        """Type, entity type and entity id of the unread notifications, oldest first."""
        found = await self.ok("GET", "/api/agent/notifications", who=who, unreadOnly=1, limit=100)
        return [(n["type"], n["entityType"], n["entityId"]) for n in reversed(found["notifications"])]


@asynccontextmanager
async def opened(contract: Literal["seed", "current"] = "seed") -> AsyncGenerator[Desk]:
    desk = Desk(contract)
    async with desk.http:
        yield desk
    desk.store.close()
