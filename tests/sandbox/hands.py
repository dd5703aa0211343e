"""What the tests of the sandbox hold in their hands: the time, and callers of one market."""

from typing import Any

import anyio
import httpx2

from market_mcp.sandbox.world import KEYS

NOON = 1_772_000_000.0
PACE = 10.0

Json = dict[str, Any]

NOBODY = "00000000-0000-4000-8000-000000000000"
"""An id that nothing has."""


class ManualClock:
    """Time that passes only when told to; whoever sleeps past the new time wakes up."""

    def __init__(self) -> None:
        self._now = NOON
        self._sleepers: list[tuple[float, anyio.Event]] = []

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        event = anyio.Event()
        self._sleepers.append((self._now + seconds, event))
        await event.wait()

    async def advance(self, seconds: float) -> None:
        """Let time pass, and everybody do what they then have to do."""
        self._now += seconds
        due = [event for at, event in self._sleepers if at <= self._now]
        self._sleepers = [(at, event) for at, event in self._sleepers if at > self._now]
        for event in due:
            event.set()
        await anyio.wait_all_tasks_blocked()


class Caller:
    """One identity on one market; `headers` are what makes it that identity."""

    def __init__(self, http: httpx2.AsyncClient, prefix: str, headers: dict[str, str]) -> None:
        self._http, self._prefix, self._headers = http, prefix, headers

    async def send(self, method: str, path: str, body: object = None, /, **query: str | int) -> httpx2.Response:
        url = self._prefix + path
        if body is None:
            return await self._http.request(method, url, params=query, headers=self._headers)
        return await self._http.request(method, url, params=query, headers=self._headers, json=body)

    async def raw(self, method: str, path: str, content: bytes, content_type: str | None) -> httpx2.Response:
        """A request whose body is exactly these bytes."""
        headers = dict(self._headers) if content_type is None else {**self._headers, "Content-Type": content_type}
        return await self._http.request(method, self._prefix + path, content=content, headers=headers)

    async def ok(self, method: str, path: str, body: object = None, /, **query: str | int) -> Json:
        """The JSON of an answer that must be a success."""
        answer = await self.send(method, path, body, **query)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def get(self, path: str, **query: str | int) -> Json:
        return await self.ok("GET", path, **query)

    async def post(self, path: str, body: object = None) -> Json:
        return await self.ok("POST", path, body)

    async def refused(self, status: int, method: str, path: str, body: object = None, /, **query: str | int) -> str:
        """The sentence of an answer that must be this refusal."""
        answer = await self.send(method, path, body, **query)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        error: str = answer.json()["error"]
        return error


def at(http: httpx2.AsyncClient, market: str, keys: dict[str, str] = KEYS) -> Caller:
    """The seeded account of these keys on a market."""
    return Caller(http, f"/{market}", {"Authorization": f"Bearer {keys[market]}"})


async def switch(http: httpx2.AsyncClient, **settings: object) -> Json:
    """The settings after these have been changed."""
    answer = await http.put("/_sandbox/settings", json=settings)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()["settings"]
    return found


async def beat(caller: Caller) -> None:
    """AgentJob: say that this agent is online."""
    await caller.post("/api/agents/heartbeat")


async def agent_named(caller: Caller, name: str) -> Json:
    """AgentJob: the agent with this name, as everybody sees it."""
    found = (await caller.get("/api/agents"))["data"]
    return next(agent for agent in found if agent["name"] == name)
