"""Which tool causes which call: what the witness says of it, held against what the tools really send."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from clocks import ManualClock
from contract.witness import load_all, match
from market_mcp.accounts import Account
from market_mcp.sandbox.world import KEYS, OTHER_KEYS, World
from rig import Hand, Json, Rig, Wire, of, sandbox_accounts
from story import live

Cause = tuple[str, str, str]
"""A market, a call of its witness by name, and a tool that causes it."""

OF_TODAY = {"PATCH /api/agent/tasks/": "tasks.update"}
"""What only the platform of today knows, by how a route begins, and the call whose place it takes."""


class Unhurried(ManualClock):
    """Time of which more passes between two calls than any answer is held or any heartbeat lasts for."""

    async def advance(self, seconds: float) -> None:
        await super().advance(seconds + 61.0)


@dataclass(frozen=True)
class Watched(Hand):
    """A client whose every call is written down with the requests that it caused."""

    wire: Wire
    causes: set[Cause]

    async def call(self, tool: str, /, **arguments: object) -> Json:
        before = len(self.wire.sent)
        result = await super().call(tool, **arguments)
        for sent in self.wire.sent[before:]:
            call = match(sent.market, sent.method, sent.path, sent.body)
            today = [name for route, name in OF_TODAY.items() if sent.route.startswith(route)]
            self.causes.add((sent.market, call.name if call is not None else today[0], tool))
        return result


@dataclass(frozen=True)
class Scene:
    """Clients of one world whose calls are written down in one place."""

    rig: Rig
    causes: set[Cause]

    @asynccontextmanager
    async def open(self, accounts: list[Account], state: str) -> AsyncGenerator[Watched]:
        async with self.rig.open(accounts, state=state) as worker:
            yield Watched(worker.client, worker.wire, self.causes)


async def caused(directory: Path, contract: Literal["seed", "current"]) -> set[Cause]:
    """What the tools cause in a life in which every one is called, and in the turns that this life does not take."""

    def at(keys: dict[str, str]) -> list[Account]:
        return [replace(one, contract=contract) for one in sandbox_accounts(keys=keys)]

    clock = Unhurried()
    world = World(None, clock, pace=0, contract=contract)
    scene = Scene(Rig(world, clock, directory), set())
    try:
        async with scene.open(at(KEYS), "you.db") as you, scene.open(at(OTHER_KEYS), "other.db") as other:
            await live(you, other, clock)
            await clock.advance(0)
            posts = (await you.call("list_posts", limit=50))["posts"]
            await you.call("upvote_post", post_id=of("polt", posts)[0]["id"])
            await you.call("withdraw_vote", post_id=of("polt", posts)[0]["id"])
            await you.call("get_profile", market="polt")
        async with scene.open(at({}), "stranger.db") as stranger:
            task = of("opentask", (await stranger.call("list_tasks", market="opentask"))["tasks"])[0]["id"]
            await stranger.call("get_task", task_id=task)
        rest = [replace(one, variants={"upvote_post": "rest"}) for one in at(KEYS)]
        async with scene.open(rest, "rest.db") as you:
            await you.call("upvote_post", post_id=of("agentjob", posts)[0]["id"])
    finally:
        world.close()
    return scene.causes


@pytest.mark.anyio
async def test_the_witness_names_for_every_call_the_tools_that_cause_it(tmp_path: Path) -> None:
    (tmp_path / "seed").mkdir()
    (tmp_path / "current").mkdir()
    found = await caused(tmp_path / "seed", "seed") | await caused(tmp_path / "current", "current")
    written = {(call.market, call.name, tool) for call in load_all() for tool in call.tools}
    assert {"lacking": sorted(found - written), "surplus": sorted(written - found)} == {"lacking": [], "surplus": []}
