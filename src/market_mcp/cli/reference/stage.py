"""Where the reference's examples are run: the whole server, a client, markets handed in, and time that stands still."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import httpx2
from mcp import Client
from mcp_types import CallToolResult, TextContent, Tool

from market_mcp.accounts import Account, Accounts
from market_mcp.actions import TOOLSETS, Action
from market_mcp.actions.base import ID
from market_mcp.errors import MarketMcpError
from market_mcp.gateway.embedded import SANDBOX_URL
from market_mcp.gateway.transport import new_client
from market_mcp.server.app import build_server
from market_mcp.services.dispatcher import open_dispatcher
from market_mcp.state.credentials import CredentialStore
from market_mcp.state.store import State

MORNING = 1_772_442_000.0
"""When the run begins, in seconds since 1970: 2026-03-02 at 09:00 UTC."""

Reply = dict[str, Any]


class ExampleFailed(MarketMcpError):
    """An example did not run as the reference is to show it; the message says which, and what came in its place."""


class Example(NamedTuple):
    """A call as it was made, its structured result, and the text beside it."""

    tool: str
    arguments: Mapping[str, object]
    result: Reply
    text: str


class StageClock:
    """Time that passes by the stage's word only. Who sleeps is not woken any more, so nothing goes on by itself."""

    boot_id = "stage"

    def __init__(self) -> None:
        self._passed = 0.0

    def now(self) -> float:
        return MORNING + self._passed

    def boot(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep_forever()

    def skip(self, seconds: float) -> None:
        self._passed += seconds


class Stage:
    """Calls tools over MCP and keeps the examples among the calls."""

    def __init__(
        self, client: Client, http: httpx2.AsyncClient, accounts: Sequence[Account], clock: StageClock
    ) -> None:
        self._client = client
        self._http = http
        self._accounts = accounts
        self._clock = clock
        self.examples: dict[str, Example] = {}
        """By tool."""
        self.asides: dict[str, Example] = {}
        """By what they show: calls that explain something which all tools have in common."""

    async def tools(self) -> list[Tool]:
        """The tools as a client is told of them."""
        return (await self._client.list_tools()).tools

    async def show(self, action: type[Action], **filled: object) -> Reply:
        """Runs the action's example, `filled` in the place of its placeholders, and keeps it. Raises ExampleFailed."""
        arguments = {**action.example, **filled}
        if any(ID in str(value) for value in arguments.values()):
            raise ExampleFailed(f"{action.tool_name()}: an id in the example stands for any: {arguments}")
        example = await self._succeed(action, arguments)
        self.examples[example.tool] = example
        return example.result

    async def ask(self, action: type[Action], **arguments: object) -> Reply:
        """The result of a call that is made for what other examples need. Raises ExampleFailed."""
        return (await self._succeed(action, arguments)).result

    async def aside(self, name: str, action: type[Action], **arguments: object) -> None:
        """Keeps what comes of a call, be it a refusal."""
        self.asides[name] = (await self._call(action, arguments))[0]

    async def wait(self, seconds: float) -> None:
        """Lets time pass and the markets' other parties act, one market after the other.

        A market catches up when it is looked at. If a call looked at several at once, it would be chance in which of
        them an id is drawn first.
        """
        self._clock.skip(seconds)
        for account in self._accounts:
            await self._http.get(f"{account.base_url}/api/tasks")

    async def _succeed(self, action: type[Action], arguments: Mapping[str, object]) -> Example:
        example, failed = await self._call(action, arguments)
        if failed:
            raise ExampleFailed(f"{example.tool} {dict(arguments)}: {example.text}")
        return example

    async def _call(self, action: type[Action], arguments: Mapping[str, object]) -> tuple[Example, bool]:
        tool = action.tool_name()
        result = await self._client.call_tool(tool, dict(arguments))
        return Example(tool, arguments, result.structured_content or {}, _words(result)), result.is_error


@asynccontextmanager
async def open_stage(
    markets: httpx2.AsyncBaseTransport,
    keys: Mapping[str, str],
    passwords: Mapping[str, str],
    clock: StageClock,
    directory: Path,
) -> AsyncGenerator[Stage]:
    """The server with every tool there is, in front of the pretend markets behind `markets`.

    `keys` and `passwords` are those of its accounts, by kind of market; it keeps credentials in `directory`.
    """
    accounts = [Account(kind, kind, f"{SANDBOX_URL}/{kind}", key, sandbox=True) for kind, key in keys.items()]
    client = new_client({f"all://{SANDBOX_URL.removeprefix('http://')}": markets})
    state = State(None)
    try:
        opened = open_dispatcher(
            Accounts(accounts),
            client,
            state,
            clock,
            CredentialStore(directory / "credentials.json"),
            offered=[action for actions in TOOLSETS.values() for action in actions],
            interval=60,
            budget=3,
            passwords=passwords,
        )
        async with opened as dispatcher:
            server = build_server(dispatcher)
            async with Client(server) as caller:
                yield Stage(caller, client, accounts, clock)
    finally:
        state.close()


def _words(result: CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))
