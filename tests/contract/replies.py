"""What the sandbox answers to a valid call of every row, and a market that gives these answers again but for one."""

import json
import random
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import httpx2

from clocks import ManualClock
from contract.witness import WitnessCall, match
from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.markets import MARKETS, Row
from market_mcp.sandbox.world import KEYS, OTHER_KEYS, World
from rig import Hand, Json, Rig, sandbox_accounts
from story import ACTIONS, live

Contract = Literal["seed", "current"]
CONTRACTS: tuple[Contract, ...] = ("seed", "current")

PASSWORDS = {"opentask": "a password of the tests"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it is served."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> object:
        """The JSON in the body. Raises ValueError where there is none."""
        events = re.findall(rb"^data: ?(.*)$", self.body, re.MULTILINE) if self.streamed else []
        return json.loads(events[-1] if events else self.body)

    @property
    def streamed(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    def response(self) -> httpx2.Response:
        return httpx2.Response(self.status, headers=dict(self.headers), content=self.body)


Question = tuple[str, str, str, str, str]
"""What tells a request from others: method, path, the method of a JSON-RPC message, query and key."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A request and its answer; `path` begins with the market's name, `who` is the key it was sent with, `message` the
    method of a JSON-RPC message."""

    method: str
    path: str
    message: str
    query: str
    who: str
    body: object
    answer: Answer

    @classmethod
    def of(cls, request: httpx2.Request, answer: Answer) -> "Exchanged":
        content = request.content
        return cls(*question(request), json.loads(content) if content else None, answer)

    @property
    def question(self) -> Question:
        return self.method, self.path, self.message, self.query, self.who

    @property
    def market(self) -> str:
        return self.path.split("/")[1]

    @property
    def native_path(self) -> str:
        """The path as the market knows it."""
        return self.path.removeprefix(f"/{self.market}")


def question(request: httpx2.Request) -> Question:
    query = "&".join(sorted(request.url.query.decode().split("&")))
    body: Json = json.loads(request.content or b"{}")
    message = str(body["method"]) if "jsonrpc" in body else ""
    return request.method, request.url.path, message, query, request.headers.get("authorization", "")


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a tool that went well, by `hand`, and what it took."""

    hand: str
    tool: str
    arguments: Json
    exchanged: Sequence[Exchanged]


@dataclass(frozen=True, slots=True)
class Scene:
    """A call during which a row is asked: `of` is what it was asked and answered.

    `joins` says whether that is only joined to the answer of the tool's own row, `first` is the call to make before.
    """

    row: Row
    called: Called
    of: Exchanged
    joins: bool = False
    first: Called | None = None

    @property
    def market(self) -> str:
        return self.of.market

    @property
    def witness(self) -> WitnessCall | None:
        """What the platform's document says of the call; None where only the platform of today knows it."""
        return match(self.market, self.of.method, self.of.native_path, self.of.body)

    @property
    def own(self) -> bool:
        """Whether the row is the tool's own, and not one of several that it asks."""
        return self.row.action is ACTIONS[self.called.tool] and not self.joins

    @property
    def decides(self) -> bool:
        """Whether the tool's outcome is what the row answers: it writes, and the row is its own."""
        return self.own and ACTIONS[self.called.tool].tier != "read"

    def __str__(self) -> str:
        decision = self.called.arguments.get("decision")
        return f"{self.called.tool}{f' ({decision})' if decision else ''}, {self.market}: {self.row.route}"


class Recorder(httpx2.AsyncBaseTransport):
    """Passes requests on and keeps what was asked and answered."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.exchanged: list[Exchanged] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        came = await self._inner.handle_async_request(request)
        headers = {name.lower(): value for name, value in came.headers.items()}
        answer = Answer(came.status_code, headers, await came.aread())
        self.exchanged.append(Exchanged.of(request, answer))
        return answer.response()


@dataclass(frozen=True)
class Noting(Hand):
    """A hand whose calls are noted with what they exchanged."""

    name: str
    recorder: Recorder
    calls: list[Called]

    async def call(self, tool: str, /, **arguments: object) -> Json:
        before = len(self.recorder.exchanged)
        result = await Hand.call(self, tool, **arguments)
        self.calls.append(Called(self.name, tool, arguments, self.recorder.exchanged[before:]))
        return result


def hands(contract: Contract) -> dict[str, list[Account]]:
    """The accounts of those who call: `you` and `other` as in the story, `rest`, who votes by REST, and `nobody`, who
    has no key."""
    keys: dict[str, Mapping[str, str]] = {"you": KEYS, "other": OTHER_KEYS, "rest": KEYS, "nobody": {}}
    of = {name: [replace(a, contract=contract) for a in sandbox_accounts(keys=held)] for name, held in keys.items()}
    of["rest"] = [replace(account, variants={"upvote_post": "rest"}) for account in of["rest"]]
    return of


@dataclass
class Record:
    """All calls of a working life in which every tool is called, on markets of one contract version."""

    contract: Contract
    calls: list[Called] = field(default_factory=list[Called])

    def scenes(self) -> Iterator[Scene]:
        """A scene of every row, of what can be decided either way one for each way. Raises LookupError."""
        for kind, market in MARKETS.items():
            (account,) = (account for account in hands(self.contract)["you"] if account.kind == kind)
            for action in dict.fromkeys(action for action, _ in market.rows):
                for row in account.rows(action):
                    yield from self._scenes(kind, row, action)
                    for part in row.also.values():
                        yield from self._scenes(kind, part, action, joins=True)

    def _scenes(self, market: str, row: Row, action: type[Action], *, joins: bool = False) -> Iterator[Scene]:
        tools = {tool for tool, known in ACTIONS.items() if known is action} or {*action.asked_by.split()}
        route = re.compile(f"/{market}" + re.sub(r"\{\w+\}", "[^/]+", row.path))
        found: dict[object, Scene] = {}
        for number, called in enumerate(self.calls):
            for one in called.exchanged if called.tool in tools or not tools else ():
                # A session is opened by messages of the same address.
                asks = one.method == row.method and one.message in ("", "tools/call")
                if asks and route.fullmatch(one.path) and one.answer.status < 300:
                    way = called.arguments.get("decision")
                    # Of reads the fullest answer, and of writes the first, which names what it is about.
                    if way not in found or (not row.writes and len(found[way].of.answer.body) <= len(one.answer.body)):
                        found[way] = Scene(row, called, one, joins, self._first(row, called, number))
        if not found:
            raise LookupError(f"no call reached {market} {row.route} of {action.__name__}")
        yield from found.values()

    def _first(self, row: Row, called: Called, number: int) -> Called | None:
        """The call that must have been made before: the vote that is taken back, the look, what is given back."""
        before: set[str] = set()
        if row.effect.vote == 0 and row.effect.performer == "votes":
            before = {"upvote_post", "downvote_post"}
        elif row.request.before is not None:
            before = {"get_task"}
        elif row.limits.standing is not None and not row.limits.standing.takes:
            before = {"commit_task"}
        ids = {value for name, value in called.arguments.items() if name.endswith("_id")}
        for earlier in reversed(self.calls[:number]):
            if earlier.tool in before and earlier.hand == called.hand and ids & {*earlier.arguments.values()}:
                return earlier
        return None


async def recorded(contract: Contract) -> tuple[Record, World]:
    """The record of a life, and the world as it is after it."""
    clock = ManualClock()
    world = World(None, clock, pace=0, contract=contract, rng=random.Random(7))
    record = Record(contract)
    with tempfile.TemporaryDirectory() as directory:
        rig = Rig(world, clock, Path(directory))
        async with AsyncExitStack() as stack:
            at: dict[str, Noting] = {}
            for name, accounts in hands(contract).items():
                recorder = Recorder(rig.market())
                opened = rig.open(accounts, state=f"{name}.db", market=recorder, passwords=PASSWORDS)
                worker = await stack.enter_async_context(opened)
                at[name] = Noting(worker.client, name, recorder, record.calls)
            await live(at["you"], at["other"], clock)
            # What was held is asked for again; so each call meets its own row.
            for tool in ("get_profile", "verify_key"):
                for market in ("polt", "opentask"):
                    await clock.advance(61)
                    await at["you"].call(tool, market=market)
            post = (await at["rest"].call("list_posts", market="agentjob"))["posts"][-1]["id"]
            await at["rest"].call("upvote_post", post_id=post)
            task = (await at["nobody"].call("list_tasks", market="opentask"))["tasks"][0]["id"]
            await at["nobody"].call("get_task", task_id=task)
    return record, world


class Replay(httpx2.AsyncBaseTransport):
    """Gives the recorded answers again, `instead` once in the place of that to `to`; the world answers anything else.

    Of several answers to one question those of the call that is `played` come first, else the latest.
    """

    def __init__(self, record: Record, world: World) -> None:
        self._known = {one.question: one.answer for called in record.calls for one in called.exchanged}
        self._world = httpx2.ASGITransport(app=world.app)
        self.asked = 0
        """Requests since the last call began."""
        self._to: Exchanged | None = None
        self._instead: Answer | None = None
        self._played: dict[Question, Answer] = {}

    def play(self, called: Called, to: Exchanged | None = None, instead: Answer | None = None) -> None:
        self._played = {one.question: one.answer for one in called.exchanged}
        self._to, self._instead, self.asked = to, instead, 0

    @property
    def served(self) -> bool:
        """Whether the answer that is served instead was asked for."""
        return self._instead is None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.asked += 1
        asked = question(request)
        if self._to is not None and self._instead is not None and asked[:3] == self._to.question[:3]:
            instead, self._instead = self._instead, None
            return instead.response()
        known = self._played.get(asked) or self._known.get(asked)
        return await self._world.handle_async_request(request) if known is None else known.response()
