"""A whole server in a test's hand: pretend markets, a clock, a dispatcher on them, and an MCP client at its tools."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult, TextContent

import market_mcp
from clocks import ManualClock
from market_mcp.accounts import Account, Accounts
from market_mcp.gateway.embedded import SANDBOX_URL
from market_mcp.gateway.exchange import USUAL, Timeouts
from market_mcp.gateway.transport import new_client
from market_mcp.sandbox.agentjob import start_test_chat
from market_mcp.sandbox.faults import Dropped
from market_mcp.sandbox.world import KEYS, World
from market_mcp.server.app import build_server
from market_mcp.server.tools import offered_actions
from market_mcp.services.dispatcher import Dispatcher, open_dispatcher
from market_mcp.state.credentials import CredentialStore
from market_mcp.state.store import State

Json = dict[str, Any]

ERAS = ("legacy", "2026-07-28")
"""How clients connect: by the handshake of every revision before, and without sessions as of 2026-07-28."""

SOURCE = str(Path(market_mcp.__file__).parents[1])

MARGIN = 20.0
"""Seconds that a process may take to start on a busy machine."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request that left a dispatcher: its path without the market's prefix, its body decoded (None: no body)."""

    market: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: object

    @property
    def route(self) -> str:
        return f"{self.method} {self.path}"


def json_of(sent: Sent) -> Json:
    """The body of a request that must be an object."""
    assert isinstance(sent.body, dict)
    return cast("Json", sent.body)


class Wire(httpx2.AsyncBaseTransport):
    """Carries requests to markets and notes each; what a market drops breaks here as it would on a network."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.sent: list[Sent] = []
        self.waiting = 0
        """Requests without an answer as yet."""
        self.broken: Exception | None = None
        """What every request meets in place of a market, while it is set."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        _, market, rest = request.url.raw_path.decode("ascii").partition("?")[0].split("/", 2)
        self.sent.append(
            Sent(
                market,
                request.method,
                f"/{rest}",
                dict(request.url.params),
                {name.lower(): value for name, value in request.headers.items()},
                json.loads(content) if content else None,
            )
        )
        if self.broken is not None:
            raise self.broken
        self.waiting += 1
        try:
            return await self._inner.handle_async_request(request)
        except Dropped as dropped:
            raise httpx2.RemoteProtocolError(str(dropped), request=request) from None
        finally:
            self.waiting -= 1

    async def aclose(self) -> None:
        await self._inner.aclose()

    def to(self, market: str) -> list[str]:
        """Method and path of every request that a market was sent."""
        return [sent.route for sent in self.sent if sent.market == market]


class Retold(httpx2.AsyncBaseTransport):
    """Markets whose answers go through `retell`, which gets the request's path and the answer, if that is not empty."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, retell: Callable[[str, Json], Json]) -> None:
        self._inner = inner
        self._retell = retell

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._inner.handle_async_request(request)
        said = await answer.aread()
        if not said:
            return answer
        return httpx2.Response(answer.status_code, json=self._retell(request.url.path, json.loads(said)))


def shown(result: CallToolResult) -> tuple[str, Json]:
    """A result as text and as structure; each says by itself what there is to say."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    structure = cast("Json", result.structured_content or {})
    if not result.is_error:
        assert json.loads(content.text) == structure
    elif structure:
        assert str(structure["message"]) in content.text
    return content.text, structure


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that failed: its sentence, and the same as structure (empty where the arguments did not fit)."""

    text: str
    content: Json

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Hand:
    """An MCP client at a server."""

    client: Client

    async def ask(self, tool: str, /, **arguments: object) -> tuple[bool, str, Json]:
        """Whether a call went well, its text and its structure."""
        result = await self.client.call_tool(tool, arguments)
        return (not result.is_error, *shown(result))

    async def call(self, tool: str, /, **arguments: object) -> Json:
        """The result of a call that must go well."""
        well, text, content = await self.ask(tool, **arguments)
        assert well, f"{tool}: {text}"
        return content

    async def refused(self, tool: str, /, **arguments: object) -> Refusal:
        """The error of a call that must fail."""
        well, text, content = await self.ask(tool, **arguments)
        assert not well, f"{tool}: {text}"
        return Refusal(text, content)

    async def names(self) -> list[str]:
        return [tool.name for tool in (await self.client.list_tools()).tools]


@asynccontextmanager
async def waiting(hand: Hand, seconds: int = 50) -> AsyncGenerator[None]:
    """While the block runs a call of get_next_task waits at the server, which has told so; at its end it is left."""
    told = anyio.Event()

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.set()

    async def wait() -> None:
        await hand.client.call_tool("get_next_task", {"wait_seconds": seconds}, progress_callback=tell)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        with anyio.fail_after(MARGIN):
            await told.wait()
        yield
        group.cancel_scope.cancel()


@dataclass(frozen=True)
class Worker(Hand):
    """A client at a server in this process, and the server's inside."""

    dispatcher: Dispatcher
    wire: Wire
    rig: "Rig"

    @property
    def world(self) -> World:
        return self.rig.world

    @property
    def clock(self) -> ManualClock:
        return self.rig.clock


def sandbox_accounts(kinds: Sequence[str] = tuple(KEYS), keys: Mapping[str, str] = KEYS) -> list[Account]:
    """The accounts of the embedded sandbox as a server without settings has them."""
    return [Account(kind, kind, f"{SANDBOX_URL}/{kind}", keys.get(kind), sandbox=True) for kind in kinds]


@asynccontextmanager
async def dispatcher_at(
    market: httpx2.AsyncBaseTransport,
    clock: ManualClock,
    state: State,
    accounts: Sequence[Account] | None = None,
    *,
    toolsets: Sequence[str] = ("all",),
    read_only: bool = False,
    store: Path | None = None,
    budget: int = 3,
    passwords: Mapping[str, str] | None = None,
    timeouts: Timeouts = USUAL,
) -> AsyncGenerator[Dispatcher]:
    """A dispatcher whose every request goes to `market`; it closes the state, which is its own."""
    known = Accounts(sandbox_accounts() if accounts is None else accounts)
    try:
        async with open_dispatcher(
            known,
            new_client({"all://": market}),
            state,
            clock,
            CredentialStore(store or Path("/nowhere/credentials.json")),
            offered=offered_actions(toolsets, read_only, known),
            interval=60.0,
            budget=budget,
            passwords=passwords or {},
            timeouts=timeouts,
        ) as dispatcher:
            yield dispatcher
    finally:
        state.close()


@dataclass(frozen=True)
class Rig:
    """A world, its clock, and as many servers at it as a test opens; `era` is how clients connect."""

    world: World
    clock: ManualClock
    directory: Path
    era: str = "legacy"

    def market(self) -> httpx2.AsyncBaseTransport:
        return httpx2.ASGITransport(app=self.world.app)

    @asynccontextmanager
    async def open(
        self,
        accounts: Sequence[Account] | None = None,
        *,
        toolsets: Sequence[str] = ("all",),
        read_only: bool = False,
        state: str = "state.db",
        budget: int = 3,
        passwords: Mapping[str, str] | None = None,
        market: httpx2.AsyncBaseTransport | None = None,
        timeouts: Timeouts = USUAL,
    ) -> AsyncGenerator[Worker]:
        """A client at a server of its own; servers with one `state` share it as processes do."""
        wire = Wire(market or self.market())
        async with dispatcher_at(
            wire,
            self.clock,
            State(self.directory / state),
            accounts,
            toolsets=toolsets,
            read_only=read_only,
            store=self.directory / "credentials.json",
            budget=budget,
            passwords=passwords,
            timeouts=timeouts,
        ) as dispatcher:
            server = build_server(dispatcher)
            async with Client(server, mode=self.era) as client:
                yield Worker(client, dispatcher, wire, self)

    def with_era(self, era: str) -> "Rig":
        return replace(self, era=era)


def pay_for(world: World, text: str) -> str:
    """A human opens a paid chat; the id of its first question."""
    with world.store.transaction() as db:
        started = start_test_chat(db, world.store, world.store.clock.now(), None, text)
    assert started is not None
    return f"agentjob:{started['id']}"


def kept_in(directory: Path) -> bytes:
    """Everything in the state file of a directory, and in the files that SQLite keeps beside it."""
    return b"".join(file.read_bytes() for file in directory.glob("state.db*"))


def of(market: str, items: Sequence[Json]) -> list[Json]:
    """The items of a list whose handles name this market."""
    return [item for item in items if str(item["id"]).startswith(f"{market}:")]


def times(route: str, routes: Sequence[str]) -> int:
    """How often a route, such as `GET /api/tasks`, stands among others."""
    return sum(one == route for one in routes)


# --- real processes -----------------------------------------------------------------------------------------


def environment(**settings: str) -> dict[str, str]:
    """That of the tests, without any setting that whoever runs them has made."""
    prefixes = ("POLT_", "AGENTJOB_", "OPENTASK_", "MARKET_MCP_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return inherited | {"PYTHONPATH": SOURCE} | settings


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "market_mcp", *arguments]


def run(*arguments: str, **settings: str) -> tuple[int, str]:
    """The exit code of a command and all that it said; whatever it is, it is no traceback."""
    done = subprocess.run(
        command(*arguments),
        env=environment(**settings),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=MARGIN * 3,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    return done.returncode, said


def over_stdio(*arguments: str, **settings: str) -> StdioServerParameters:
    """A server to be started by a client."""
    program, *rest = command("serve", *arguments)
    return StdioServerParameters(command=program, args=rest, env=environment(**settings))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Process:
    """A program that runs beside the tests; `said` is what it wrote when it has ended."""

    running: "subprocess.Popen[str]"
    said: tuple[str, str] = field(default=("", ""))

    def end(self, signal: int, within: float) -> int:
        """The exit code after a signal; fails when the program takes longer than so many seconds."""
        self.running.send_signal(signal)
        return self.ended(within)

    def ended(self, within: float) -> int:
        self.said = self.running.communicate(timeout=within)
        return self.running.returncode


@contextmanager
def program(*arguments: str, directory: Path, **settings: str) -> Generator[Process]:
    """A market-mcp command; killed at the end if it has not ended."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command(*arguments), env=environment(**settings), cwd=directory, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as running:
        try:
            yield Process(running)
        finally:
            if running.poll() is None:
                running.kill()


def answering(port: int, process: Process) -> None:
    """Returns when something listens on the port."""
    end = time.monotonic() + MARGIN
    while time.monotonic() < end:
        assert process.running.poll() is None, process.running.communicate()
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


@dataclass(frozen=True)
class Square:
    """`market-mcp sandbox` in a process of its own."""

    url: str

    def settings(self, kinds: Sequence[str] = tuple(KEYS)) -> dict[str, str]:
        """The environment of a server that is to work there."""
        names = {"polt": "POLT_API_KEY", "agentjob": "AGENTJOB_API_KEY", "opentask": "OPENTASK_TOKEN"}
        urls = {f"{kind.upper()}_BASE_URL": f"{self.url}/{kind}" for kind in kinds}
        return urls | {names[kind]: KEYS[kind] for kind in kinds}

    def control(self, method: str, path: str, body: object = None) -> Json:
        """A request to the sandbox's own control routes."""
        json_body: Any = body
        answer = httpx2.request(method, f"{self.url}/_sandbox{path}", json=json_body, trust_env=False)
        assert answer.is_success, answer.text
        return cast("Json", answer.json()) if answer.content else {}

    def requests(self, market: str) -> list[str]:
        """Method and path of every request that reached a market, oldest first."""
        seen = self.control("GET", "/requests")["requests"]
        return [f"{one['method']} {one['path']}" for one in seen if one["market"] == market]

    def forget(self) -> None:
        """Starts counting requests and faults anew."""
        self.control("DELETE", "/requests")
        self.control("DELETE", "/faults")


@contextmanager
def square(directory: Path, pace: float, contract: str = "seed") -> Generator[Square]:
    """The sandbox over HTTP; its robots act `pace` seconds after what they answer to."""
    port = free_port()
    arguments = ("--port", str(port), "--pace", str(pace), "--contract", contract)
    with program("sandbox", *arguments, directory=directory) as process:
        answering(port, process)
        yield Square(f"http://127.0.0.1:{port}")
