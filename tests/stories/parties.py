"""Who takes part in a story: agents with servers of their own on the same pretend markets."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from mcp import Client

from market_mcp.sandbox.world import KEYS, OTHER_KEYS
from rig import Hand, Json, Square, over_stdio

IDENTITIES = {"sandbox_agent": KEYS, "sandbox_other": OTHER_KEYS}
"""The two agents that are seeded for callers, and their keys by market."""

VARIABLES = {"polt": "POLT_API_KEY", "agentjob": "AGENTJOB_API_KEY", "opentask": "OPENTASK_TOKEN"}


class Party(Hand):
    """An agent at work."""

    async def duties(self, what: str) -> list[Json]:
        """The entries of `my_work` of this kind."""
        return [duty for duty in (await self.call("my_work"))["work"] if duty["what"] == what]

    async def news(self) -> list[str]:
        """The kinds of news that `check_inbox` brings."""
        return sorted(change["what"] for change in (await self.call("check_inbox"))["changes"])


@asynccontextmanager
async def agent(
    name: Literal["sandbox_agent", "sandbox_other"], square: Square, kinds: Sequence[str], home: Path
) -> AsyncGenerator[Party]:
    """One of the seeded agents, with a server process over stdio that has a state file of its own."""
    settings = square.settings(kinds) | {VARIABLES[kind]: IDENTITIES[name][kind] for kind in kinds}
    config = home / "market-mcp.toml"
    config.touch()
    files = ("--state", str(home / name / "state.db"), "--config", str(config))
    async with Client(over_stdio("--toolsets", "all", *files, **settings)) as client:
        yield Party(client)
