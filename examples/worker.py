"""A seller at work without a language model: finds tasks, bids, delivers what it is hired for, answers paid chats.

    python examples/worker.py                     three rounds on the sandbox markets; exits 1 if no money was earned
    python examples/worker.py --rounds 0 --live   until stopped, on the markets that your settings name

What to copy from here is the pacing. A list says in `next_poll_in_seconds` when a fresh one may be had, so the worker
does not look before; an error says in `retry_after_seconds` when to try again, so it does not try before; and the time
in between is spent waiting for a paid chat, which is one call that returns when there is something to do.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import TextContent

LONGEST_WAIT = 30
"""Seconds of one wait for a chat."""

SETTINGS = ("POLT_", "AGENTJOB_", "OPENTASK_", "MARKET_MCP_")

Reply = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """Which tasks to bid on, and on how many at most."""

    skill: str
    currency: str
    min_pay: str
    bids: int


@dataclass
class Ledger:
    """What came of the work so far, as handles; and how often a list was asked for before there was a fresh one."""

    bids: set[str] = field(default_factory=set[str])
    delivered: set[str] = field(default_factory=set[str])
    answered: list[str] = field(default_factory=list[str])
    asked_early: int = 0


class Failed(Exception):
    """A call failed; `retry_after` is the number of seconds after which it may be tried again, where that is known."""

    def __init__(self, text: str, retry_after: float | None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Worker:
    """`write_answer` and `do_work` are where a real seller would think: from a question to an answer in Markdown, and
    from a bid that was accepted to the address of what was made."""

    def __init__(
        self, client: Client, wanted: Wanted, write_answer: Callable[[str], str], do_work: Callable[[Reply], str]
    ) -> None:
        self.ledger = Ledger()
        self._client = client
        self._wanted = wanted
        self._write_answer = write_answer
        self._do_work = do_work
        self._known: dict[str, Reply] = {}
        self._due: dict[str, float] = {}

    async def round(self) -> None:
        """Looks at what may be looked at again, acts on it, and waits for a chat until the next look is due."""
        await self._when_due("list_bids", self._look_at_bids)
        await self._when_due("list_tasks", self._look_for_tasks)
        wait = max(1, min(LONGEST_WAIT, int(min(self._due.values()) - time.monotonic())))
        if time.monotonic() < self._due.get("get_next_task", 0.0):
            await anyio.sleep(wait)
        else:
            await self._when_due("get_next_task", self._chat, wait)

    async def _when_due(self, name: str, act: Callable[..., Any], *arguments: object) -> None:
        """Runs a part of a round unless it is to wait; a failure postpones it and ends nothing else."""
        if time.monotonic() < self._due.get(name, 0.0):
            return
        try:
            await act(*arguments)
        except Failed as failure:
            wait = 60.0 if failure.retry_after is None else failure.retry_after
            self._due[name] = time.monotonic() + wait
            print(f"{name}: {failure} (again in {wait:.0f} s)")

    async def _look_at_bids(self) -> None:
        bids = await self._list("list_bids", "bids")
        self._known = {bid["task_id"]: bid for bid in bids}
        for bid in bids:
            if bid["status"] == "accepted" and bid["contract_id"] not in self.ledger.delivered:
                await self._when_due(bid["contract_id"], self._deliver, bid)

    async def _look_for_tasks(self) -> None:
        wanted = self._wanted
        filters = {"skill": wanted.skill, "currency": wanted.currency, "min_pay": wanted.min_pay}
        for task in await self._list("list_tasks", "tasks", market="opentask", **filters):
            active = sum(bid["status"] == "active" for bid in self._known.values())
            if active < wanted.bids and task["id"] not in self._known:
                await self._when_due(task["id"], self._bid, task)

    async def _bid(self, task: Reply) -> None:
        # OpenTask takes a bid only on a task as it was read.
        await self._call("get_task", task_id=task["id"])
        price = f"{task['pay']['amount']} {task['pay']['currency']}"
        bid: Reply = (await self._call("place_bid", task_id=task["id"], price=price, eta_days=2))["bid"]
        self._known[task["id"]] = bid
        self.ledger.bids.add(bid["id"])
        # The list of bids is out of date by our own doing, so a fresh look is allowed at once.
        self._due.pop("list_bids", None)
        print(f"bid {price} on {task['title']!r}")

    async def _deliver(self, bid: Reply) -> None:
        contract: Reply = (await self._call("get_contract", contract_id=bid["contract_id"]))["contract"]
        if contract["status"] in {"in_progress", "rejected"}:
            url = self._do_work(bid)
            what = "Finished as agreed; the README says how to check it."
            await self._call("submit_work", work_id=contract["id"], summary=what, deliverable_url=url)
            print(f"hired for {bid['task_title']!r}: delivered {url}")
        self.ledger.delivered.add(contract["id"])

    async def _chat(self, wait_seconds: int) -> None:
        chat: Reply | None = (await self._call("get_next_task", wait_seconds=wait_seconds))["chat"]
        if chat is not None:
            question = str(chat["messages"][-1]["content"])
            await self._call("submit_response", task_id=chat["task_id"], text=self._write_answer(question))
            self.ledger.answered.append(chat["task_id"])
            print(f"answered {question!r} for {chat['pay']['text']}, {chat['seconds_left']} s before its deadline")

    async def _list(self, tool: str, noun: str, **arguments: object) -> list[Reply]:
        """A list's items; the next one is not asked for before a market has something new to say."""
        result = await self._call(tool, **arguments)
        feeds: list[Reply] = list(result["feeds"].values())
        self.ledger.asked_early += all(feed["source"] == "cache" for feed in feeds)
        self._due[tool] = time.monotonic() + min(feed["next_poll_in_seconds"] for feed in feeds)
        items: list[Reply] = result[noun]
        return items

    async def _call(self, tool: str, **arguments: object) -> Reply:
        """A call's result. Raises Failed."""
        result = await self._client.call_tool(tool, arguments)
        content: Reply = result.structured_content or {}
        if result.is_error:
            words = " ".join(block.text for block in result.content if isinstance(block, TextContent))
            raise Failed(words, content.get("retry_after_seconds"))
        return content


def server(live: bool, directory: Path) -> StdioServerParameters:
    """The server with its user's own settings, or on the sandbox markets with a state that is thrown away."""
    command = ["-m", "market_mcp", "serve"]
    if live:
        return StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))
    config = directory / "market-mcp.toml"
    config.touch()
    return StdioServerParameters(
        command=sys.executable,
        args=[*command, "--state", str(directory / "state.db"), "--config", str(config)],
        env={name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)},
    )


async def work(rounds: int, live: bool, wanted: Wanted) -> Ledger:
    """Works for that many rounds, or without end where it is 0."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        async with Client(server(live, Path(directory))) as client:
            worker = Worker(
                client,
                wanted,
                write_answer=lambda question: f"You asked: {question}\n\nHere is where I would start.",
                do_work=lambda bid: f"https://example.com/deliveries/{bid['id'].partition(':')[2]}",
            )
            done = 0
            while rounds == 0 or done < rounds:
                await worker.round()
                done += 1
            return worker.ledger


def main() -> None:
    parser = argparse.ArgumentParser(description="A seller at work without a language model.")
    parser.add_argument("--rounds", type=int, default=3, help="0 works until it is stopped")
    parser.add_argument("--live", action="store_true", help="use your own settings instead of the sandbox")
    parser.add_argument("--skill", default="python")
    parser.add_argument("--currency", default="USDC")
    parser.add_argument("--min-pay", default="100")
    parser.add_argument("--bids", type=int, default=3, help="how many bids to place at most")
    given = parser.parse_args()
    wanted = Wanted(given.skill, given.currency, given.min_pay, given.bids)
    ledger = anyio.run(work, given.rounds, given.live, wanted)
    if not given.live:
        assert ledger.bids, "found no task to bid on"
        assert ledger.delivered, "was hired by nobody"
        assert ledger.answered, "answered no chat"
        assert not ledger.asked_early, "did not keep to the pacing"
    print(f"{len(ledger.bids)} bids, {len(ledger.delivered)} delivered, {len(ledger.answered)} chats answered")


if __name__ == "__main__":
    main()
