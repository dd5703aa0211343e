"""Every reply that a platform documents, mutated: no crash, no hang, and nothing told as done that the reply does not
show.

The usual run takes an even sample; `pytest tests/contract/test_mutations.py --every-mutation` takes all.
"""

import json
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import jsonschema
import pytest
from mcp import Client
from mcp_types import TextContent

from clocks import ManualClock
from contract.evidence import DONE, LOST, SHOWN, THINGS, VOTES, Told, allowed_of_read, allowed_of_write, lacks, told
from contract.mutations import Mutation, mutations, sample
from contract.replies import CONTRACTS, PASSWORDS, Contract, Record, Replay, Scene, hands, recorded
from contract.witness import load_all, missing_keys
from market_mcp.errors import EFFECTS
from market_mcp.markets import MARKETS
from market_mcp.sandbox.world import World
from market_mcp.server.app import build_server
from market_mcp.state.store import State
from market_mcp.text.truncate import MAX_RESULT
from rig import Json, dispatcher_at

pytestmark = pytest.mark.anyio

SAMPLED = 40
"""Mutations of each reply in the usual run."""

MOST_ASKED = 50
"""Requests that one call may take, whatever it is answered."""

MOST_SECONDS = 20.0
"""Real ones, in which a call ends that waits for no clock."""


Life = tuple[Record, World]
"""What was recorded of a life, and the world after it."""


@pytest.fixture(scope="module")
def lives() -> Generator[Mapping[Contract, Life]]:
    """A life under each version of the contract."""
    lived: dict[Contract, Life] = {contract: anyio.run(recorded, contract) for contract in CONTRACTS}
    yield lived
    for _, world in lived.values():
        world.close()


class Crashes(logging.Handler):
    """Keeps what the server logs of its own crashes."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record)

    def last(self) -> str:
        """Where the last one came from, in a line."""
        error = self.seen[-1].exc_info[1] if self.seen and self.seen[-1].exc_info else None
        while error is not None and error.__cause__ is not None:
            error = error.__cause__
        if error is None or error.__traceback__ is None:
            return "nothing is logged"
        trace = error.__traceback__
        while trace.tb_next is not None:
            trace = trace.tb_next
        return f"{type(error).__name__}: {str(error)[:200]} ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"


@dataclass
class Stage:
    """A server on recorded replies, as one of those who called in the record, and a client at it."""

    client: Client
    replay: Replay
    state: State
    directory: Path
    crashes: Crashes
    schemas: dict[str, Json] = field(default_factory=dict[str, Json])

    def forget(self) -> None:
        """Nothing was ever called: what one reply left behind is not to reach the next call."""
        with self.state.transaction() as db:
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
                db.execute(f'DELETE FROM "{table}"')
        for file in self.directory.iterdir():
            file.unlink()

    def watched(self) -> list[str]:
        with self.state.transaction() as db:
            return sorted(f"{row['kind']} {row['handle']}" for row in db.execute("SELECT * FROM watched").fetchall())

    async def counted(self, market: str) -> object:
        """What is left of the market's quotas, as list_markets tells it."""
        told = (await self.client.call_tool("list_markets", {})).structured_content
        (about,) = (one for one in cast("Json", told)["markets"] if one["market"] == market)
        return about.get("quota_left")

    async def complaints(self, scene: Scene, mutation: Mutation) -> list[str]:
        """What is wrong with what the server makes of a mutated reply."""
        self.forget()
        if scene.first is not None:
            self.replay.play(scene.first)
            await self.client.call_tool(scene.first.tool, scene.first.arguments)
        counts = bool(scene.row.limits.quota or scene.row.limits.standing)
        watches = bool(scene.row.effect.watches)
        before = (await self.counted(scene.market) if counts else None, self.watched() if watches else None)
        answer = mutation.make()
        self.replay.play(scene.called, scene.of, answer)
        self.crashes.seen.clear()
        try:
            with anyio.fail_after(MOST_SECONDS):
                result = await self.client.call_tool(scene.called.tool, scene.called.arguments)
        except TimeoutError:
            return ["hangs: no end in sight"]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is one of those that we look for
            return [f"crash: the client got {type(error).__name__}: {error}"]
        asked = self.replay.asked
        (content,) = result.content
        assert isinstance(content, TextContent)
        structure = cast("Json | None", result.structured_content)
        if structure is None:
            return [f"crash: {content.text[:80]}: {self.crashes.last()}"]
        found = [*self._shape(scene.called.tool, not result.is_error, content.text, structure)]
        if asked > MOST_ASKED:
            found.append(f"requests: {asked}")
        if not self.replay.served:
            return [*found, "unserved: the call did not come to the reply"]
        end = told(not result.is_error, structure)
        after = (await self.counted(scene.market) if counts else None, self.watched() if watches else None)
        if end != DONE and after != before and scene.decides:
            found.append(f"counted: {before} became {after} though it is told as {end}")
        if VOTES.get(scene.called.tool) and end not in (DONE, "halfway") and await self._stands(scene):
            found.append(f"counted: the vote is taken to stand though it is told as {end}")
        return [*found, *_evidence(scene, mutation, end, structure, asked)]

    async def _stands(self, scene: Scene) -> bool:
        """Whether the server takes a vote to stand, and does not cast it again."""
        self.replay.play(scene.called)
        again = await self.client.call_tool(scene.called.tool, scene.called.arguments)
        return "already" in cast("Json", again.structured_content or {})

    def _shape(self, tool: str, well: bool, text: str, structure: Json) -> Sequence[str]:
        """Complaints of a result or error that is not of the form that all have."""
        if len(text) > MAX_RESULT * 1.1 or len(json.dumps(structure, ensure_ascii=False)) > MAX_RESULT * 1.2:
            return [f"shape: {len(text)} characters"]
        if not well:
            whole = structure.get("effect") in EFFECTS and structure.get("error") and structure.get("message")
            return [] if whole and str(structure["message"]) in text else [f"shape: {text[:200]}"]
        try:
            jsonschema.validate(structure, self.schemas[tool])
        except jsonschema.ValidationError as error:
            return [f"schema: {error.message[:200]}"]
        return [] if json.loads(text) == structure else ["shape: text and structure differ"]


def _evidence(scene: Scene, mutation: Mutation, end: Told, structure: Json, asked: int) -> list[str]:
    """Complaints of a call that is told otherwise than its reply allows."""
    answer = mutation.make()
    if scene.decides:
        tool = scene.called.tool
        if scene.row.effect.claims:
            # A claim is a read that hands something over, which can be lost.
            allowed = allowed_of_read(scene, mutation, answer) | LOST
        else:
            allowed = allowed_of_write(scene, mutation, answer)
        if tool in VOTES:
            allowed |= {"halfway"}
            # A vote that came out the wrong way round is cast once more, and the second reply decides.
            if asked > 1:
                return []
        if end in allowed:
            return []
        why = lacks(scene, answer)
        return [f"evidence: told as {end}{f', but {why}' if why else ''}; may be {', '.join(sorted(allowed))}"]
    if scene.row.writes:
        return []  # a heartbeat: what follows it is judged by its own reply
    allowed = allowed_of_read(scene, mutation, answer)
    left: dict[str, Any] = structure.get("skipped", {}) | structure.get("left_out", {})
    if end == DONE and left:
        end = "refused" if "refused (" in str(left) else "unavailable"
    return [] if end in allowed else [f"evidence: a read is told as {end}; may be {', '.join(sorted(allowed))}"]


@asynccontextmanager
async def stage(life: Life, hand: str, directory: Path) -> AsyncGenerator[Stage]:
    record, world = life
    replay, state, crashes = Replay(record, world), State(None), Crashes()
    store = directory / hand
    store.mkdir(mode=0o700)
    accounts = hands(record.contract)[hand]
    logging.getLogger().addHandler(crashes)
    try:
        async with (
            dispatcher_at(
                replay, ManualClock(), state, accounts, store=store / "credentials.json", passwords=PASSWORDS
            ) as dispatcher,
            Client(build_server(dispatcher)) as client,
        ):
            opened = Stage(client, replay, state, store, crashes)
            for tool in (await client.list_tools()).tools:
                opened.schemas[tool.name] = tool.output_schema or {}
            yield opened
    finally:
        logging.getLogger().removeHandler(crashes)


each_contract = pytest.mark.parametrize("contract", CONTRACTS)
each_market = pytest.mark.parametrize("market", MARKETS)


async def found_in(life: Life, market: str, directory: Path, most: int | None) -> tuple[int, list[str]]:
    """How many mutated replies of a market's rows were served, and what was wrong with what came of them."""
    tried, found = 0, list[str]()
    record, _ = life
    by_hand: dict[str, list[Scene]] = {}
    for scene in record.scenes():
        if scene.market == market:
            by_hand.setdefault(scene.called.hand, []).append(scene)
    for hand, scenes in by_hand.items():
        async with stage(life, hand, directory) as at:
            for scene in scenes:
                chosen = list(mutations(scene.of.answer))
                for mutation in chosen if most is None else sample(chosen, most, f"{record.contract} {scene}"):
                    tried += 1
                    found += [f"{scene} | {mutation} | {one}" for one in await at.complaints(scene, mutation)]
    return tried, found


def told_apart(found: list[str]) -> str:
    """Complaints by kind, with how many there are and the first of each scene."""
    kinds = Counter(line.split(" | ")[2].partition(":")[0] for line in found)
    first = {(line.split(" | ")[0], line.split(" | ")[2][:60]): line for line in reversed(found)}
    return "\n".join([f"{len(found)}: {dict(kinds)}", *reversed(first.values())])


@each_contract
@each_market
async def test_no_mutated_reply_crashes_hangs_or_is_told_for_more_than_it_shows(
    lives: Mapping[Contract, Life], contract: Contract, market: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    everything = bool(request.config.getoption("--every-mutation"))
    tried, found = await found_in(lives[contract], market, tmp_path, None if everything else SAMPLED)
    assert tried > 100
    told_wrong = [line for line in found if line.split(" | ")[2].startswith(("evidence:", "counted:"))]
    assert len(found) == len(told_wrong), told_apart([line for line in found if line not in told_wrong])
    assert not told_wrong, told_apart(told_wrong)


@each_contract
def test_a_reply_as_it_is_shows_what_its_document_says(lives: Mapping[Contract, Life], contract: Contract) -> None:
    record, _ = lives[contract]
    for scene in record.scenes():
        answer, call = scene.of.answer, scene.witness
        if call is not None:
            assert not missing_keys(call, answer.json), scene
        if scene.decides:
            assert not lacks(scene, answer), scene


def test_what_is_taken_for_evidence_is_documented() -> None:
    documented = {call.name: call.reply_keys for call in load_all()}
    for name, (key, _) in SHOWN.items():
        assert key in documented[name]
    tools = {tool for call in load_all() for tool in call.tools}
    assert {*THINGS, *VOTES} <= tools
