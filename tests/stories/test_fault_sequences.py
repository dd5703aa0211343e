"""Days on which markets fail at random: what the server told, what it noted, and what the markets did agree at the end.

The rule: quotas, watches, votes and claims move on every write that is told as done, and on no other; every write that
is told as done has its effect in the markets' own log, and none that is told as refused has. The usual run takes the
first days; `pytest tests/stories/test_fault_sequences.py --every-sequence` takes a thousand.
"""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clocks import ManualClock
from market_mcp.actions.chat import GetNextTask
from market_mcp.errors import CallError
from market_mcp.gateway.embedded import SANDBOX_URL
from market_mcp.sandbox.faults import Fault, Schedule
from market_mcp.sandbox.log import Seen
from market_mcp.sandbox.world import KEYS, OTHER_KEYS, World
from market_mcp.state.chats import ClaimTable
from market_mcp.state.store import State
from market_mcp.state.watches import WatchTable
from rig import Json, Rig, Worker, pay_for

pytestmark = pytest.mark.anyio

DAYS, EVERY_DAY, PARTS = 50, 1_000, 5
"""How many days the usual run takes, how many the whole, and into how many tests either is cut."""

NEVER = 1e6
"""Seconds until the counterparties act: what happens is what is called here."""

PAUSE = 61.0
"""Seconds after which everything may be asked for anew, and a heartbeat is due."""

WATCHED = 5
"""Things of a kind that are watched at most, the latest."""

PAYMENT = {"paymentWallet": "0x2222222222222222222222222222222222222222", "preferredToken": "USDC"}
"""Where a bidder is paid."""

OPEN = frozenset({"done", "pending", "outcome_unknown", "halfway"})
"""How a call may be told that took effect, or may have."""

KNOWN = OPEN | {"refused", "unavailable", "bad_call", "too_soon"}

KINDS: tuple[Fault, ...] = (
    *(Fault(kind, when=when) for kind in ("timeout", "reset", "malformed") for when in ("before", "after")),
    *(Fault("status", status=status, when=when) for status in (500, 503) for when in ("before", "after")),
    *(Fault("html", status=status, when=when) for status in (200, 404, 502) for when in ("before", "after")),
    *(Fault("redirect", when=when) for when in ("before", "after")),
    Fault("rate_limit"),
    Fault("truncated"),
    Fault("drop_after"),
    Fault("duplicate", answer="first"),
    Fault("duplicate", answer="second"),
)  # fmt: skip

RATE = 0.5
"""How likely a request is to meet one of them."""

VOTES = {"upvote_post": 1, "downvote_post": -1, "withdraw_vote": 0}
COMMITMENTS, POSTS = 3, 3
"""What POLT allows at once, and AgentJob in a day."""


class Timely(httpx2.AsyncBaseTransport):
    """The world, whose silence ends at once in the time-out that it would end in."""

    def __init__(self, app: ASGIApp) -> None:
        self._inner = httpx2.ASGITransport(app=self._leaving)
        self._app = app

    async def _leaving(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def left() -> Message:
            seen: Seen | None = scope.get("seen")
            if seen is not None and seen.fault == "timeout":
                return {"type": "http.disconnect"}
            return await receive()

        await self._app(scope, left, send)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._inner.handle_async_request(request)
        if answer.status_code == 499:
            raise httpx2.ReadTimeout("nobody answers", request=request)
        return answer


@dataclass(frozen=True)
class Morning:
    """A world as every day begins, in a file, and the ids of what is there to be worked on, by what it is."""

    file: Path
    ids: Mapping[str, Sequence[str]]


async def prepared(file: Path) -> Morning:
    """Adds to the first day what takes a second party: bids to take and deliveries to decide on."""
    world = World(file, ManualClock(), pace=NEVER, rng=random.Random(9))
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=world.app), base_url=SANDBOX_URL)

    async def ask(path: str, body: Json | None = None, keys: Mapping[str, str] = KEYS) -> Any:
        headers = {"authorization": f"Bearer {keys[path.split('/')[1]]}"}
        answer = await http.request("GET" if body is None else "POST", path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    async def agreed(title: str) -> tuple[str, str]:
        task = (await ask("/opentask/api/agent/tasks", {"title": title, "description": "As in the title."}))["task"]
        path = f"/opentask/api/agent/tasks/{task['id']}/bids"
        return task["id"], (await ask(path, {"priceText": "90 USDC"}, OTHER_KEYS))["bid"]["id"]

    async with http:
        bids = [await agreed(title) for title in ("Sort my bookmarks", "Name my files", "Read my mail")]
        contracts: list[str] = []
        for title in ("Water my plants", "Paint my fence"):
            task, bid = await agreed(title)
            hired = await ask("/opentask/api/agent/contracts", {"taskId": task, "bidId": bid, **PAYMENT})
            contracts.append(hired["contract"]["id"])
            work = {"deliverableUrl": "https://example.com/done", "notes": "Done."}
            await ask(f"/opentask/api/agent/contracts/{contracts[-1]}/submissions", work, OTHER_KEYS)
        own = {task for task, _ in bids}
        found = {
            "polt task": (await ask("/polt/api/tasks?status=available"))["tasks"],
            "polt post": (await ask("/polt/api/projects?status=idea"))["projects"],
            "agentjob post": (await ask("/agentjob/api/tasks"))["data"],
            "opentask task": [t for t in (await ask("/opentask/api/tasks"))["tasks"] if t["id"] not in own],
        }
    world.close()
    ids = {what: [f"{what.split()[0]}:{one['id']}" for one in found[what]][:4] for what in found}
    ids["bid"] = [f"opentask:{task} opentask:{bid}" for task, bid in bids]
    ids["contract"] = [f"opentask:{one}" for one in contracts]
    ids["question"] = ["agentjob:0f8c-1"]  # one that nobody asked
    assert all(ids.values())
    return Morning(file, ids)


@pytest.fixture(scope="module")
def morning(first_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Morning:
    return anyio.run(prepared, Path(shutil.copy(first_day, tmp_path_factory.mktemp("morning") / "world.db")))


@dataclass
class Books:
    """What the server ought to have noted, by what it told."""

    committed: set[str] = field(default_factory=set[str])
    posted: int = 0
    watched: dict[str, list[str]] = field(default_factory=lambda: {"task": [], "post": []})
    claimed: set[str] = field(default_factory=set[str])
    votes: dict[str, int] = field(default_factory=dict[str, int])
    sent: dict[str, int] = field(default_factory=dict[str, int])
    """By post, the vote that was sent last, and not to take one back."""
    unsure: dict[str, str] = field(default_factory=dict[str, str])
    """Votes whose outcome is unknown: by post, the tool that was called."""

    def note(self, tool: str, given: Json, told: str, result: Json) -> None:
        """Notes a call that was told as `told`."""
        if VOTES.get(tool) and told in OPEN:
            self.sent[given["post_id"]] = VOTES[tool]
        if told == "done":
            self._done(tool, given, result)
        elif tool in VOTES and told == "outcome_unknown":
            self.unsure[given["post_id"]] = tool
        elif tool in VOTES and told == "halfway":
            # What was to stand was taken away, and what was to be taken away stands.
            self.unsure.pop(given["post_id"], None)
            self.votes[given["post_id"]] = self.sent.get(given["post_id"], 0) if tool == "withdraw_vote" else 0
        elif tool == "submit_response" and told == "refused" and result["status"] in (404, 409):
            # The market waits for no answer any more, so neither does the server.
            self.claimed.discard(given["task_id"])

    def _done(self, tool: str, given: Json, result: Json) -> None:
        match tool:
            case "commit_task":
                self.committed.add(given["task_id"])
                self._watch("task", given["task_id"])
            case "abandon_task":
                self.committed.discard(given["task_id"])
            case "submit_work":
                self.committed.discard(given["work_id"])
                self._watch("task", given["work_id"])
            case "create_post":
                self.posted += 1
                self._watch("post", result["post_id"])
            case "add_reply" if not given["post_id"].startswith("opentask:"):
                self._watch("post", given["post_id"])
            case "get_next_task" if result["chat"] is not None:
                self.claimed.add(result["chat"]["task_id"])
            case "submit_response":
                self.claimed.discard(given["task_id"])
            case _ if tool in VOTES and given["post_id"].startswith("polt:"):
                self.votes[given["post_id"]] = VOTES[tool]
                self.unsure.pop(given["post_id"], None)
            case _:
                pass

    def _watch(self, kind: str, handle: str) -> None:
        """The latest are watched, and no more of them than the server looks at."""
        self.watched[kind] = [*(one for one in self.watched[kind] if one != handle), handle][-WATCHED:]


@dataclass
class Day:
    """Writes at a server whose markets fail at random, and complaints of what does not agree."""

    worker: Worker
    state: State
    ids: Mapping[str, Sequence[str]]
    chance: random.Random
    books: Books = field(default_factory=Books)
    complaints: list[str] = field(default_factory=list[str])

    def any(self, what: str, of: Collection[str] = ()) -> str:
        """One of the things that there are of a kind; mostly one of these, where there are any."""
        return self.chance.choice(sorted(of) if of and self.chance.random() < 0.8 else self.ids[what])

    async def step(self) -> None:
        """One write at random."""
        if self.chance.random() < 0.1:
            await self.worker.clock.advance(PAUSE)
        settling = [
            *((_abandon, _submit) if self.books.committed else ()),
            *((_respond,) if self.books.claimed else ()),
            *((_withdraw,) if self.books.votes else ()),
        ]
        # What was begun is mostly taken further.
        tool, given = self.chance.choice([*CALLS, *settling * 3])(self)
        if tool == "get_next_task" and self.chance.random() < 0.7:
            pay_for(self.worker.world, "What is a tide?")
        await self.call(tool, given)

    async def call(self, tool: str, given: Json) -> None:
        """A write, judged by the log and by what is noted after it."""
        before = len(self.worker.world.requests)
        well, _, result = await self.worker.ask(tool, **given)
        told = ("pending" if "pending" in result else "done") if well else str(result.get("error"))
        sent = [seen for seen in [*self.worker.world.requests][before:] if _writes(seen)]
        met = "; ".join(f"{seen.fault or 'no fault'}, {'an effect' if seen.effect else 'no effect'}" for seen in sent)
        line = f"{tool} {' '.join(map(str, given.values()))[:70]} ({met or 'nothing sent'}), told as {told}"
        took_effect = any(seen.effect for seen in sent)
        # A request that the network doubles is answered twice, and the second answer is an honest no.
        doubled = any(seen.fault == "duplicate" for seen in sent)
        idle = result.get("already") or result.get("claimed_before") or ("chat" in result and result["chat"] is None)
        # What is asked again after an answer was lost may have been done the first time.
        earlier = any(seen.effect and _same(seen, one) for one in sent for seen in self.worker.world.requests)
        if told == "done" and not earlier and not idle:
            self.complaints.append(f"done without an effect: {line}")
        if told not in OPEN and took_effect and not doubled:
            self.complaints.append(f"an effect and not done: {line}")
        if told not in KNOWN:
            self.complaints.append(f"an error of no known kind: {line}")
        if result.get("already") and given["post_id"] in self.books.unsure:
            self.complaints.append(f"a vote that may not stand is told as standing: {line}")
        self.books.note(tool, given, told, result)
        await self._compare(line)

    async def _compare(self, line: str) -> None:
        """Complains of notes that are not as they ought to be, and takes them for right from then on."""
        books = self.books
        told = (await self.worker.call("list_markets"))["markets"]
        left: dict[str, int] = {name: left for one in told for name, left in one.get("quota_left", {}).items()}
        polt, agentjob = (self.worker.dispatcher.accounts.named(name).id for name in ("polt", "agentjob"))
        watches = WatchTable(self.state, self.worker.clock)
        watched = {
            "task": watches.watched(polt, "task")[::-1],
            "post": sorted([*watches.watched(polt, "post"), *watches.watched(agentjob, "post")]),
        }
        claims = ClaimTable(self.state, self.worker.clock).kept(agentjob)
        claimed = {task for claim in claims if (task := self._task_in(claim.body))}
        with self.state.transaction() as db:
            votes = {f"polt:{row['post']}": int(row["value"] or 0) for row in db.execute("SELECT * FROM vote")}
        sure = {post: value for post, value in books.votes.items() if post not in books.unsure}
        found = {
            "commitments": (COMMITMENTS - len(books.committed), left["commitments"]),
            "posts": (POSTS - books.posted, left["posts"]),
            "watched tasks": (books.watched["task"], watched["task"]),
            "watched posts": (sorted(books.watched["post"]), watched["post"]),
            "claims": (books.claimed, claimed),
            "votes": (sure, {post: votes.get(post, 0) for post in sure}),
        }
        for what, (expected, noted) in found.items():
            if expected != noted:
                self.complaints.append(f"{what}: {noted} are noted and not {expected}, after {line}")

    def _task_in(self, claim: bytes) -> str | None:
        """The question in a claim; None for one that cannot be read, which was told as it came."""
        accounts, gateway = self.worker.dispatcher.accounts, self.worker.dispatcher.gateway
        account, claiming = accounts.named("agentjob"), GetNextTask()
        try:
            return str(gateway.decode(account, gateway.row(account, claiming), claim)["chat"]["task_id"])
        except CallError:
            return None

    async def end(self) -> None:
        """In clear weather, a vote of unknown outcome is not taken for one that stands."""
        self.worker.world.faults.schedule = None
        for post, tool in [*self.books.unsure.items()]:
            if post.startswith("polt:") and tool != "withdraw_vote":
                await self.call(tool, {"post_id": post})


def _writes(seen: Seen) -> bool:
    """Whether a request is the write itself, and neither a look nor a heartbeat."""
    if seen.path.endswith("/heartbeat"):
        return False
    return seen.method != "GET" or seen.path == "/api/agents/tasks"


def _same(one: Seen, other: Seen) -> bool:
    return (one.market, one.method, one.path, one.body) == (other.market, other.method, other.path, other.body)


Call = Callable[[Day], tuple[str, Json]]


def _hire(day: Day) -> tuple[str, Json]:
    task, _, bid = day.any("bid").partition(" ")
    payment = {"payment_wallet": PAYMENT["paymentWallet"], "preferred_token": PAYMENT["preferredToken"]}
    return "hire_bidder", {"task_id": task, "bid_id": bid, **payment}


def _decide(day: Day) -> tuple[str, Json]:
    decision = day.chance.choice(["accept", "reject"])
    return "decide_submission", {"contract_id": day.any("contract"), "decision": decision, "reason": "It is so."}


def _respond(day: Day) -> tuple[str, Json]:
    return "submit_response", {"task_id": day.any("question", day.books.claimed), "text": "The sea, rising."}


def _withdraw(day: Day) -> tuple[str, Json]:
    return "withdraw_vote", {"post_id": day.any("polt post", day.books.votes)}


def _abandon(day: Day) -> tuple[str, Json]:
    return "abandon_task", {"task_id": day.any("polt task", day.books.committed)}


def _submit(day: Day) -> tuple[str, Json]:
    task = day.any("polt task", day.books.committed)
    return "submit_work", {"work_id": task, "summary": "Done as described, with tests."}


def _post(_: Day) -> tuple[str, Json]:
    return "create_post", {"title": "Tide tables wanted", "body": "For small harbours, as a file that I can read."}


def _reply(day: Day) -> tuple[str, Json]:
    what = day.chance.choice(["polt post", "agentjob post", "opentask task"])
    return "add_reply", {"post_id": day.any(what), "body": "I can do this by tomorrow."}


CALLS: tuple[Call, ...] = (
    lambda day: ("commit_task", {"task_id": day.any("polt task")}),
    lambda day: ("commit_task", {"task_id": day.any("polt task")}),
    _abandon,
    _submit,
    _post,
    _reply,
    lambda day: ("upvote_post", {"post_id": day.any("polt post")}),
    lambda day: ("downvote_post", {"post_id": day.any("polt post")}),
    _withdraw,
    lambda day: ("upvote_post", {"post_id": day.any("agentjob post")}),
    lambda _: ("get_next_task", {"wait_seconds": 0}),
    lambda _: ("get_next_task", {"wait_seconds": 0}),
    _respond,
    lambda day: ("place_bid", {"task_id": day.any("opentask task"), "price": "90 USDC"}),
    _hire,
    _decide,
)
"""What is called, each as likely as the others but for what takes further what was begun."""


async def lived(number: int, morning: Morning) -> list[str]:
    """What is wrong on the day of this number."""
    clock = ManualClock()
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        # Ids are to differ from those of the morning, which came of a number too.
        ids = random.Random(f"ids of day {number}")
        world = World(Path(shutil.copy(morning.file, directory)), clock, pace=NEVER, rng=ids)
        state = State(directory / "state.db")
        try:
            async with Rig(world, clock, directory).open(market=Timely(world.app)) as worker:
                world.faults.schedule = Schedule(number, RATE, [*KINDS])
                day = Day(worker, state, morning.ids, random.Random(number))
                for _ in range(day.chance.randint(8, 16)):
                    await day.step()
                    if day.complaints:
                        break  # what follows from it is no news
                else:
                    await day.end()
                return [f"day {number}: {one}" for one in day.complaints]
        finally:
            state.close()
            world.close()


@pytest.mark.parametrize("part", range(PARTS))
async def test_what_is_told_and_noted_agrees_with_what_the_markets_did(
    part: int, morning: Morning, request: pytest.FixtureRequest
) -> None:
    days = EVERY_DAY if request.config.getoption("--every-sequence") else DAYS
    found = [one for number in range(part, days, PARTS) for one in await lived(number, morning)]
    kinds = Counter(one.split(": ")[1] for one in found)
    assert not found, "\n".join([f"{len(found)} days: {dict(kinds)}", *found[:40]])
