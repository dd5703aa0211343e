"""`doctor --contract`: what a market's answers show of our rows, and what it keeps to itself."""

import json
import re
import signal
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from clocks import ManualClock
from market_mcp.accounts import Account, Accounts
from market_mcp.cli.doctor.contract import compare
from market_mcp.cli.doctor.onlooker import Onlooker
from market_mcp.cli.doctor.report import Report
from market_mcp.cli.doctor.survey import longest_wait, reads
from market_mcp.gateway.secret_scan import SecretScan
from market_mcp.gateway.transport import new_client
from market_mcp.sandbox.world import KEYS, OTHER_KEYS
from market_mcp.services.dispatcher import open_dispatcher
from market_mcp.state.credentials import CredentialStore
from market_mcp.state.store import State
from rig import MARGIN, Json, Rig, Square, Wire, program, run, sandbox_accounts

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")


async def reported(
    market: httpx2.AsyncBaseTransport,
    clock: ManualClock,
    state: Path,
    accounts: list[Account] | None = None,
    budget: int = 3,
) -> tuple[int, str]:
    """How many rows are not as declared, and the report, of accounts whose every request goes to `market`."""
    known = Accounts(sandbox_accounts() if accounts is None else accounts)
    onlooker = Onlooker(clock)
    client = new_client({"all://": market})
    client.event_hooks = {"response": [onlooker]}
    out = StringIO()
    report = Report(Console(file=out, highlight=False, soft_wrap=True), SecretScan(known.secrets))
    held = State(state)
    parts = open_dispatcher(
        known,
        client,
        held,
        clock,
        CredentialStore(Path("/nowhere/credentials.json")),
        offered=(),
        interval=60.0,
        budget=budget,
        passwords={},
    )
    try:
        async with parts as dispatcher:
            await compare(report, dispatcher, clock, onlooker, 60.0)
    finally:
        held.close()
    report.end()
    return report.faults, out.getvalue()


# --- drift, by the real command -------------------------------------------------------------------------------

POST = {"id": "p1", "title": "Wanted", "body": "Words.", "authorId": "a1", "createdAt": "2026-01-01T00:00:00Z"}
AGENT = {"id": "a1", "name": "Ann", "customSkillTags": ["x"], "online": True, "createdAt": "2026-01-01T00:00:00Z"}


@contextmanager
def square_of(answers: Mapping[str, tuple[int, object]], slow: str = "") -> Generator[tuple[str, list[str]]]:
    """The address of a market that answers these paths, any other with 404, and the paths it was asked for.

    The path `slow` it does not answer before the test is over.
    """
    asked: list[str] = []
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            asked.append(path)
            if path == slow:
                over.wait(60)
            status, content = answers.get(path, (404, {"error": "Not found"}))
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def contract(tmp_path: Path, text: str = "", **settings: str) -> tuple[int, str]:
    """The report that the command gives with this configuration file."""
    file = tmp_path / "settings.toml"
    file.write_text(text)
    file.chmod(0o600)
    return run("doctor", "--contract", "--config", str(file), "--state", str(tmp_path / "state.db"), **settings)


def rows_of(found: str, of: str) -> str:
    """The part of a report that is about the routes of this path, details included."""
    return "\n".join(re.findall(rf"^  \S[^\n]* {re.escape(of)}  [^\n]*(?:\n {{10,}}[^\n]*)*", found, re.MULTILINE))


def test_a_market_that_has_drifted_is_described_field_by_field(tmp_path: Path) -> None:
    renamed = {"subject" if name == "body" else name: value for name, value in POST.items()}
    answers = {
        "/api/tasks": (200, {"data": [renamed | {"pinned": False}], "page": 1}),
        "/api/tasks/p1": (200, {"data": {"id": "p1", "headline": "Wanted"}}),
        "/api/agents": (200, {"data": [AGENT | {"online": "yes"}, {"handle": "nobody"}]}),
    }
    with square_of(answers) as (address, asked):
        code, found = contract(tmp_path, AGENTJOB_API_KEY="ak_12345678", AGENTJOB_BASE_URL=address)

    assert code == 1
    assert asked == ["/api/tasks", "/api/tasks/p1", "/api/agents", "/api/agents/a1"]
    assert rows_of(found, "/api/tasks") == (
        "  decoded     GET /api/tasks  list_posts\n"
        "              inferred route: confirmed\n"
        "              unknown: reply.page (number), reply.data[].subject (string), reply.data[].pinned (boolean)\n"
        "              missing: reply.data[].body, reply.data[].channel, reply.data[].replies,"
        " reply.data[].replyCount, reply.data[].voteCount"
    )
    assert rows_of(found, "/api/tasks/{post_id}") == (
        "  unreadable  GET /api/tasks/{post_id}  get_post: reply.data.title is missing\n"
        "              inferred route: open"
    )
    agents = rows_of(found, "/api/agents")
    assert "unreadable  GET /api/agents  list_agents: 1 of 2 items: reply.data[].id is missing" in agents
    assert "inferred route: confirmed" in agents and "of another type: reply.data[].online (string)" in agents
    assert rows_of(found, "/api/agents/{profile_id}") == (
        "  refused     GET /api/agents/{profile_id}  get_profile: HTTP 404.\n              inferred route: refuted"
    )
    assert "Of 4 reads: 1 decoded, 2 unreadable, 1 refused." in found
    assert "Inferred routes: 2 confirmed, 1 open, 1 refuted." in found
    assert "p1" not in found and "a1" not in found and "ak_" not in found and "Wanted" not in found


def test_the_embedded_sandbox_answers_every_read_that_can_be_asked_as_declared(tmp_path: Path) -> None:
    code, found = contract(tmp_path)

    assert code == 0, found
    rows = re.findall(r"^  (decoded|not asked) +(?:GET|POST) /\S+  \w+(.*)$", found, re.MULTILINE)
    assert len(rows) == sum(len(reads(account)) for account in sandbox_accounts())
    # Without a bid or a contract there is none to ask for, and only an owner sees the bids on a task.
    lacking = {said for outcome, said in rows if outcome == "not asked"}
    assert lacking == {f": no {thing} to ask for" for thing in ("bid", "contract", "task of yours")}
    assert "Inferred routes: 4 confirmed." in found
    assert not ID.search(found) and not any(key in found for key in KEYS.values())


def test_what_was_reported_within_the_interval_is_reported_again_without_a_request(
    tmp_path: Path, calm: Square
) -> None:
    _, first = contract(tmp_path, **calm.settings())
    requests = [calm.requests(kind) for kind in KEYS]
    _, second = contract(tmp_path, **calm.settings())

    assert first == second
    assert [calm.requests(kind) for kind in KEYS] == requests
    assert all(len(set(sent)) == len(sent) for sent in requests[:2])
    # All of them read: POLT's check of a key is a POST.
    assert {route for sent in requests for route in sent if not route.startswith("GET ")} == {"POST /api/auth/verify"}
    assert "GET /api/agents/tasks" not in requests[1]


def test_what_cannot_be_asked_is_reported_with_the_reason(tmp_path: Path, calm: Square) -> None:
    settings = calm.settings(["opentask"])
    keyless = {name: value for name, value in settings.items() if name.endswith("_URL")}
    _, found = contract(tmp_path, **keyless)
    assert "not asked   GET /api/agent/bids  list_bids: no key" in found
    assert "decoded     GET /api/tasks  list_tasks" in found

    _, found = contract(tmp_path, '[market.opentask]\nscopes = ["profile:read"]', **settings)
    assert "not asked   GET /api/agent/bids  list_bids: scope bids:read missing" in found
    assert "decoded     GET /api/agent/me  verify_key" in found

    calm.forget()
    (tmp_path / "state.db").unlink()
    _, found = contract(tmp_path, **keyless, OPENTASK_TOKEN="canary-of-a-key")
    said = "the key does not look like one of OpenTask, so it is not sent"
    assert f"not asked   GET /api/agent/bids  list_bids: {said}" in found and "canary" not in found
    assert not any("/api/agent/" in route for route in calm.requests("opentask"))


def test_ctrl_c_leaves_a_report_of_what_was_asked(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").touch()
    arguments = ("doctor", "--contract", "--config", str(tmp_path / "settings.toml"), "--state", str(tmp_path / "s.db"))
    with (
        square_of({"/api/tasks": (200, {"data": [POST]})}, slow="/api/tasks/p1") as (address, _),
        program(
            *arguments,
            directory=tmp_path,
            AGENTJOB_BASE_URL=address,
            AGENTJOB_API_KEY="ak_12345678",
            # The answer that does not come is not to be given up on before the signal does.
            MARKET_MCP_READ_TIMEOUT="300",
        ) as process,
    ):
        assert process.running.stdout is not None
        said = ""
        # Each row is printed when it is done.
        while "list_posts" not in said:
            said += process.running.stdout.readline()
        code = process.end(signal.SIGINT, MARGIN)
    rest, errors = process.said
    assert code == 130 and "Traceback" not in errors
    assert "Of 4 reads: 1 decoded, 3 not reached." in rest


def test_a_market_that_does_not_answer_is_asked_once(tmp_path: Path) -> None:
    code, found = contract(tmp_path, AGENTJOB_BASE_URL="http://127.0.0.1:9", AGENTJOB_API_KEY="ak_12345678")
    assert code == 1
    assert "no answer   GET /api/tasks  list_posts: none at all" in found
    assert "not asked   GET /api/agents  list_agents: nothing answers there; `market-mcp doctor` says why" in found
    assert "Inferred routes: 4 open." in found


def test_the_help_says_what_it_costs() -> None:
    _, found = run("doctor", "--help")
    said = " ".join(found.replace("│", " ").split())
    assert "--contract" in said and "Ctrl-C" in said and "about 40 requests" in said


# --- pace, in this process ------------------------------------------------------------------------------------

pytestmark = pytest.mark.anyio


async def with_business(rig: Rig) -> None:
    """Gives the sandbox's agent a bid, a contract with talk on it, and a task of its own with a bid on it."""
    others = [Account(k, k, f"http://sandbox.invalid/{k}", OTHER_KEYS[k], sandbox=True) for k in OTHER_KEYS]
    async with rig.open(state="you.db") as you, rig.open(others, state="other.db") as other:
        for buyer, seller in ((you, other), (other, you)):
            task = (await buyer.call("create_task", title="Paint a fence", description="Green, twice."))["task"]["id"]
            bid = (await seller.call("place_bid", task_id=task, price="10 USDC", approach="A brush."))["bid"]["id"]
            if buyer is other:
                (method,) = (await you.call("list_payout_methods"))["payout_methods"]
                await buyer.call("hire_bidder", task_id=task, bid_id=bid, payout_method_id=method["id"])


async def test_every_read_is_asked_where_there_is_something_to_ask_for(rig: Rig, clock: ManualClock) -> None:
    await with_business(rig)
    faults, found = await reported(rig.market(), clock, rig.directory / "state.db")

    assert faults == 0, found
    total = sum(len(reads(account)) for account in sandbox_accounts())
    assert f"Of {total} reads: {total} decoded." in found, found
    assert not ID.search(found)


async def test_even_without_a_budget_no_read_waits_for_another(rig: Rig, clock: ManualClock) -> None:
    accounts = sandbox_accounts()
    _, found = await reported(rig.market(), clock, rig.directory / "state.db", accounts, budget=0)
    assert "until the gate lets" not in found
    assert longest_wait(accounts, 60.0, 0) == 0.0


async def test_a_failure_within_the_interval_is_waited_for_and_asked_again(rig: Rig, clock: ManualClock) -> None:
    wire = Wire(rig.market())
    accounts = sandbox_accounts(["agentjob"])
    wire.broken = httpx2.ConnectError("no")
    faults, _ = await reported(wire, clock, rig.directory / "state.db", accounts)
    assert faults == 1 and len(wire.sent) == 1
    wire.broken = None
    done: list[str] = []

    async def ask() -> None:
        done.append((await reported(wire, clock, rig.directory / "state.db", accounts))[1])

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await clock.advance(59)
        assert len(wire.sent) == 1
        await clock.advance(2)
    assert "Of 4 reads: 4 decoded." in done[0]


async def test_a_market_that_wants_to_be_left_alone_is(rig: Rig, clock: ManualClock) -> None:
    class Busy(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(429, headers={"retry-after": "7200"}, json={"error": "Too many requests"})

    accounts = sandbox_accounts(["agentjob"])
    faults, found = await reported(Busy(), clock, rig.directory / "state.db", accounts)
    assert faults == 0 and "refused     GET /api/tasks  list_posts: HTTP 429." in found
    _, found = await reported(Busy(), clock, rig.directory / "state.db", accounts)
    assert re.search(r"not asked   GET /api/tasks  list_posts: it wants to be left alone for 7\d{3} s more", found)


# --- what never stands in it -----------------------------------------------------------------------------------


class Repeated(httpx2.AsyncBaseTransport):
    """Answers as a market once did, with every reply told anew, and this status and these headers."""

    def __init__(
        self,
        replies: Mapping[str, Any],
        tell: Callable[[Any], Any],
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._replies = replies
        self._tell = tell
        self._status = status
        self._headers = headers or {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        reply = self._tell(self._replies.get(request.url.path, {"error": "Not found"}))
        return httpx2.Response(self._status, json=reply, headers=dict(self._headers))


class Kept(httpx2.AsyncBaseTransport):
    """Keeps what a market answers, by path."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.replies: dict[str, Json] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._inner.handle_async_request(request)
        content = await answer.aread()
        if answer.is_success:
            self.replies[request.url.path] = json.loads(content)
        return httpx2.Response(answer.status_code, content=content, headers=answer.headers)


def planted(value: Any, text: str, everywhere: bool, name: str = "") -> Any:
    """A reply with a text at the end of each text in it; ids are spared, unless it is to stand everywhere."""
    if isinstance(value, Mapping):
        return {n: planted(v, text, everywhere, n) for n, v in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [planted(inner, text, everywhere, name) for inner in cast("list[Any]", value)]
    spared = not everywhere and (name.endswith(("id", "Id")) or name == "username")
    return f"{value}{text}" if isinstance(value, str) and not spared else value


@pytest.fixture
def kept(rig: Rig, clock: ManualClock) -> Kept:
    """What the sandbox answers to every read."""
    kept = Kept(rig.market())

    async def keep() -> None:
        await with_business(rig)
        await reported(kept, clock, rig.directory / "kept.db")

    anyio.run(keep)
    return kept


MARK = "zqxj"
MARKED = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map(lambda text: f"{MARK}{text}{MARK}")
PROPERTY = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@PROPERTY
@given(text=MARKED, everywhere=st.booleans())
def test_no_text_and_no_id_that_a_market_sends_is_in_the_report(
    kept: Kept, tmp_path_factory: pytest.TempPathFactory, text: str, everywhere: bool
) -> None:
    market = Repeated(kept.replies, lambda reply: planted(reply, text, everywhere))
    state = tmp_path_factory.mktemp("example") / "state.db"
    _, found = anyio.run(reported, market, ManualClock(), state)

    assert MARK not in found and not ID.search(found)
    assert all(line.isprintable() for line in found.splitlines())
    assert "list_posts" in found


@PROPERTY
@given(
    text=MARKED,
    status=st.sampled_from([200, 202, 204, 301, 400, 401, 403, 404, 405, 409, 422, 451, 500, 501]),
    media_type=st.sampled_from(["application/json", "text/html", f"application/{MARK}+json", f"text/html; a={MARK}"]),
)
def test_no_word_of_a_refusal_is_in_the_report_whatever_it_looks_like(
    tmp_path_factory: pytest.TempPathFactory, text: str, status: int, media_type: str
) -> None:
    headers = {"content-type": media_type, "location": f"https://{MARK}.example/{MARK}", "ngrok-error-code": MARK}
    market = Repeated({}, lambda _: {"error": text, "message": text, "detail": [text]}, status, headers)
    state = tmp_path_factory.mktemp("example") / "state.db"
    faults, found = anyio.run(reported, market, ManualClock(), state, sandbox_accounts(["agentjob"]))

    assert MARK not in found and "list_posts" in found
    assert faults or status in (401, 403)


@PROPERTY
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_a_name_that_strangers_chose_is_cleaned_and_cut(
    kept: Kept, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    # A market may know a key that is not the one it was asked with.
    names = {name: 1, f"is {KEYS['agentjob']}": 1, "u" + "7" * 9: {"x": 1}}
    market = Repeated(kept.replies, lambda reply: reply | names)
    state = tmp_path_factory.mktemp("example") / "state.db"
    _, found = anyio.run(reported, market, ManualClock(), state, sandbox_accounts(["polt", "agentjob"]))

    assert KEYS["agentjob"] not in found and "[secret]" in found
    assert "7" * 9 not in found and "[a name of 10 characters] (object)" in found
    assert len(name) <= 40 or name not in found
    assert all(line.isprintable() for line in found.splitlines())
