"""A state file that is locked or full stops what depends on it and says so; what is done stays done."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from market_mcp.state import store as state
from rig import MARGIN, Rig, pay_for

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process's lock is not waited for; nobody gives it up here."""
    monkeypatch.setattr(state, "LOCKED", 0.0)


@contextmanager
def locked(file: Path) -> Generator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


class Locking(httpx2.AsyncBaseTransport):
    """Carries requests to a market, and lets another process lock the state file while the answer is on its way."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, file: Path, path: str) -> None:
        self._inner, self._file, self._path = inner, file, path
        self._other: sqlite3.Connection | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if request.url.path.endswith(self._path):
            # Whoever wants the same answer waits for it by now.
            await anyio.wait_all_tasks_blocked()
            self._other = sqlite3.connect(self._file, isolation_level=None)
            self._other.execute("BEGIN IMMEDIATE")
        return response

    async def aclose(self) -> None:
        if self._other is not None:
            self._other.close()


async def test_nothing_is_sent_while_the_state_file_cannot_be_written(rig: Rig) -> None:
    async with rig.open() as worker:
        with locked(rig.directory / "state.db"):
            for tool, arguments in (
                ("list_posts", {}),
                ("get_task", {"task_id": "polt:1"}),
                ("create_post", {"title": "A title", "body": "With a body that is long enough."}),
                ("upvote_post", {"post_id": "polt:1"}),
                ("get_next_task", {"wait_seconds": 0}),
            ):
                refusal = await worker.refused(tool, **arguments)
                assert "state file cannot be used" in refusal.text and refusal.content["effect"] == "none", tool
        assert not worker.wire.sent
        assert (await worker.call("list_posts"))["posts"]


async def test_a_write_that_is_done_is_told_though_it_cannot_be_noted(rig: Rig) -> None:
    market = Locking(rig.market(), rig.directory / "state.db", "/api/tasks")
    async with rig.open(market=market) as worker:
        content = await worker.call("create_post", title="A title", body="With a body that is long enough.")
        assert content["post_id"].startswith("agentjob:") and "locked" in content["not_noted"]


async def test_a_question_that_was_claimed_is_handed_over_though_it_cannot_be_noted(rig: Rig) -> None:
    market = Locking(rig.market(), rig.directory / "state.db", "/agents/tasks")
    async with rig.open(market=market) as worker:
        task = pay_for(rig.world, "Can you help?")
        content = await worker.call("get_next_task", wait_seconds=0)
        assert content["chat"]["task_id"] == task and "locked" in content["not_noted"]


async def test_an_answer_that_came_is_given_though_it_cannot_be_held_and_nobody_waits_for_ever(rig: Rig) -> None:
    async with rig.open() as worker:
        (task,) = (await worker.call("list_tasks", market="polt", limit=1))["tasks"]
    market = Locking(rig.market(), rig.directory / "other.db", task["id"].partition(":")[2])
    async with rig.open(market=market, state="other.db") as worker:
        found: list[tuple[bool, str]] = []

        async def read() -> None:
            well, text, _ = await worker.ask("get_task", task_id=task["id"])
            found.append((well, text))

        with anyio.fail_after(MARGIN):
            async with anyio.create_task_group() as group:
                group.start_soon(read)
                group.start_soon(read)
        assert sorted(well for well, _ in found) == [False, True] and "locked" in dict(found)[False]


async def test_a_lost_answer_stays_unknown_though_it_cannot_be_noted(rig: Rig) -> None:
    class Lost(Locking):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            await super().handle_async_request(request)
            raise httpx2.ReadError("reset")

    async with rig.open(market=Lost(rig.market(), rig.directory / "state.db", "/replies")) as worker:
        refusal = await worker.refused("add_reply", post_id="polt:1", body="x")
        assert refusal.content["error"] == "outcome_unknown"
