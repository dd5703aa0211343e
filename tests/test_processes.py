"""Real servers in processes of their own, over stdio: shared polling, settings, cancellation, crashes and the end."""

import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

import anyio
import pytest
from mcp import Client

from market_mcp import config
from market_mcp.errors import ConfigError
from market_mcp.gateway.places import PLACES
from market_mcp.sandbox import KEYS
from market_mcp.state.store import State
from rig import ERAS, MARGIN, Hand, Json, Process, Square, command, environment, of, over_stdio, program, times, waiting

pytestmark = pytest.mark.anyio

ENDS_WITHIN = 5.0
"""Seconds from a signal to the end of a process: 2 are promised, the others are a busy machine's."""

PROJECTS, TASKS = "GET /api/projects", "GET /api/tasks"


def asked(square: Square) -> dict[str, int]:
    """How often each market was asked for its posts."""
    routes = {"polt": PROJECTS, "agentjob": TASKS, "opentask": TASKS}
    return {market: times(route, square.requests(market)) for market, route in routes.items()}


async def hand_at(stack: AsyncExitStack, mode: str, *arguments: str, **settings: str) -> Hand:
    return Hand(await stack.enter_async_context(Client(over_stdio(*arguments, **settings), mode=mode)))


# --- several processes --------------------------------------------------------------------------------------


async def test_two_processes_on_one_state_ask_each_market_once(calm: Square, tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state.db"))
    async with AsyncExitStack() as stack:
        # One client of either era, as two hosts on one machine may be.
        one, two = [await hand_at(stack, era, *state, **calm.settings()) for era in ERAS]
        results: list[Json] = []

        async def ask(hand: Hand) -> None:
            results.append(await hand.call("list_posts"))

        async with anyio.create_task_group() as group:
            for hand in (one, two, one, two):
                group.start_soon(ask, hand)
        assert asked(calm) == {"polt": 1, "agentjob": 1, "opentask": 1}
        assert len({str(result["posts"]) for result in results}) == 1
        again = await two.call("list_posts")
        assert {feed["source"] for feed in again["feeds"].values()} == {"cache"}
        assert all(of(market, again["posts"]) for market in ("polt", "agentjob", "opentask"))
        assert asked(calm) == {"polt": 1, "agentjob": 1, "opentask": 1}


async def test_without_settings_there_are_three_pretend_markets_that_last(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state.db"))
    async with AsyncExitStack() as stack:
        hand = await hand_at(stack, ERAS[0], *state)
        listed = await hand.call("list_posts")
        assert listed["sandbox"] is True
        assert all(of(market, listed["posts"]) for market in ("polt", "agentjob", "opentask"))
        post = of("agentjob", listed["posts"])[0]["id"]
        await hand.call("add_reply", post_id=post, body="Still here tomorrow.")
    async with AsyncExitStack() as stack:
        hand = await hand_at(stack, ERAS[1], *state)
        found = (await hand.call("get_post", post_id=post))["post"]["replies"]
        assert found[-1]["body"] == "Still here tomorrow."


# --- settings -----------------------------------------------------------------------------------------------


def refused(tmp_path: Path, *arguments: str, **settings: str) -> str:
    """What a server says that refuses to start; it ends with 2 and writes nothing to stdout."""
    done = subprocess.run(
        command("serve", "--state", str(tmp_path / "state.db"), *arguments),
        env=environment(**settings),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=MARGIN * 3,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == "", done
    return done.stderr


def test_an_interval_below_a_minute_is_refused_at_start(tmp_path: Path) -> None:
    said = refused(tmp_path, MARKET_MCP_POLL_INTERVAL="59")
    assert "poll_interval" in said and "59 s is shorter than the 60 s" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("value", ["59.999", "0", "-60", "nan", "a minute"])
def test_no_interval_below_a_minute_is_a_setting(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_MCP_POLL_INTERVAL", value)
    with pytest.raises(ConfigError, match="poll_interval"):
        config.load({}, None)


@pytest.mark.parametrize("value", ["60", "61.5", "3600"])
def test_a_minute_or_more_is(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_MCP_POLL_INTERVAL", value)
    assert config.load({}, None).poll_interval == float(value)


def test_every_wrong_setting_is_explained_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_MCP_POLL_INTERVAL", "1")
    monkeypatch.setenv("POLT_API_KEY", "polt_canary")
    with pytest.raises(ConfigError) as raised:
        config.load({"toolsets": "bord"}, None)
    said = str(raised.value)
    assert "did you mean 'board'" in said and "poll_interval" in said and "canary" not in said


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"POLT_API_KEY": "polt_ca\nnary"}, "POLT_API_KEY"),
        ({"OPENTASK_TOKEN": "ot_canary", "OPENTASK_BASE_URL": "http://opentask.ai"}, "use https"),
        ({"AGENTJOB_BASE_URL": "https://canary:canary@agent-job.ai"}, "without user"),
        ({"POLT_API_KEY": "polt_canary", "MARKET_MCP_MARKETS": "poltt"}, "did you mean 'polt'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_explained_without_showing_a_key(
    settings: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as raised:
        config.accounts(config.load({}, None), KEYS, {})
    assert words in str(raised.value) and "nary" not in str(raised.value)


async def test_flags_choose_what_is_offered_and_read_only_wins(tmp_path: Path) -> None:
    flags = ("--market", "polt", "--toolsets", "board,account", "--read-only", "--state", str(tmp_path / "state.db"))
    async with AsyncExitStack() as stack:
        hand = await hand_at(stack, ERAS[0], *flags)
        assert await hand.names() == ["list_posts", "get_post", "verify_key"]
        assert {post["id"].partition(":")[0] for post in (await hand.call("list_posts"))["posts"]} == {"polt"}


def test_the_state_is_its_users_alone_whatever_the_umask(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "state"
    path = directory / "state.db"
    before = os.umask(0)
    try:
        with conversation(directory=tmp_path, state=path, MARKET_MCP_TOOLSETS="account") as talk:
            talk.call(2, "register_agent", market="polt", username="parser_smith")
            assert talk.result(2)["credential"] == "polt/parser_smith"
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()}
    finally:
        os.umask(before)
    assert stat.S_IMODE(directory.stat().st_mode) == stat.S_IMODE(directory.parent.stat().st_mode) == 0o700
    secret = {name: mode for name, mode in modes.items() if name.startswith(("state.db", "credentials"))}
    assert {"state.db", "credentials.json"} <= set(secret) and set(secret.values()) == {0o600}


def test_a_state_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.db").touch(0o600)
    (tmp_path / "state.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(ConfigError, match="symbolic link"):
        State(tmp_path / "state.db")
    assert (tmp_path / "elsewhere.db").read_bytes() == b""


# --- waiting and leaving ------------------------------------------------------------------------------------


async def test_who_stops_waiting_for_a_chat_ends_the_wait_at_the_market_too(
    calm: Square, tmp_path: Path, era: str
) -> None:
    state = ("--state", str(tmp_path / "state.db"))
    async with AsyncExitStack() as stack:
        hand = await hand_at(stack, era, *state, **calm.settings(["agentjob"]))
        async with waiting(hand):
            pass
        # The server has heard of it by the time it answers, and is usable.
        assert (await hand.call("list_markets"))["markets"]
        waited = times("GET /api/agents/tasks", calm.requests("agentjob"))
        started = calm.control("POST", "/agentjob/chats", {"text": "Is anybody there?"})
        # Had the first wait gone on at the market, it would have claimed the question for nobody.
        chat = (await hand.call("get_next_task", wait_seconds=10))["chat"]
        assert chat["task_id"] == f"agentjob:{started['task_id']}"
        assert times("GET /api/agents/tasks", calm.requests("agentjob")) == waited + 1
        await hand.call("submit_response", task_id=chat["task_id"], text="I am.")


def test_a_claimed_chat_survives_the_death_of_the_server(calm: Square, tmp_path: Path) -> None:
    started = calm.control("POST", "/agentjob/chats", {"text": "Will you remember me?"})
    task = f"agentjob:{started['task_id']}"
    state = tmp_path / "state.db"
    settings = calm.settings(["agentjob"])
    with conversation(directory=tmp_path, state=state, **settings) as talk:
        talk.call(2, "get_next_task", wait_seconds=5)
        assert talk.result(2)["chat"]["task_id"] == task
        talk.process.running.kill()
        talk.process.running.wait(ENDS_WITHIN)
    with conversation(directory=tmp_path, state=state, **settings) as talk:
        talk.call(2, "get_next_task", wait_seconds=5)
        found = talk.result(2)
        assert found["chat"]["task_id"] == task and found["claimed_before"] is True
        assert found["chat"]["messages"][-1]["content"] == "Will you remember me?"
        talk.call(3, "submit_response", task_id=task, text="I do.")
        assert talk.result(3)["submitted"] is True


# --- the end ------------------------------------------------------------------------------------------------


class Talk:
    """A client that writes and reads the protocol line by line, and keeps every line that it was sent."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[str] = []

    def send(self, **message: Any) -> None:
        wire = cast("TextIO", self.process.running.stdin)
        wire.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        wire.flush()

    def call(self, id: int, tool: str, /, **arguments: object) -> None:
        params = {"name": tool, "arguments": arguments, "_meta": {"progressToken": id}}
        self.send(id=id, method="tools/call", params=params)

    def read(self) -> Json:
        """The next message."""
        line = cast("TextIO", self.process.running.stdout).readline()
        assert line, "the server has closed its end"
        self.lines.append(line)
        return dict(json.loads(line))

    def receive(self, id: int) -> Json:
        """The answer to a request; notifications before it are passed over."""
        while (message := self.read()).get("id") != id:
            pass
        return message

    def result(self, id: int) -> Json:
        """The structured result of a call that must go well."""
        result = self.receive(id)["result"]
        assert not result.get("isError"), result
        return dict(result["structuredContent"])


@contextmanager
def conversation(*, directory: Path, state: Path, **settings: str) -> Generator[Talk]:
    """A server over stdio to which a client has said hello."""
    with program("serve", "--state", str(state), directory=directory, **settings) as process:
        talk = Talk(process)
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        talk.send(id=1, method="initialize", params=hello)
        assert talk.receive(1)["result"]["serverInfo"]["name"] == "market-mcp"
        talk.send(method="notifications/initialized")
        yield talk


@pytest.mark.parametrize("how", ["end of file", "SIGINT", "SIGTERM"])
def test_a_server_ends_promptly_and_cleanly_in_the_middle_of_a_wait(tmp_path: Path, calm: Square, how: str) -> None:
    with conversation(directory=tmp_path, state=tmp_path / "state.db", **calm.settings()) as talk:
        talk.call(2, "list_posts")
        assert talk.result(2)["posts"]
        # A long poll, a progress report and a heartbeat are going on.
        talk.call(3, "get_next_task", wait_seconds=50)
        assert talk.read()["method"] == "notifications/progress"
        if how == "end of file":
            code = talk.process.ended(ENDS_WITHIN)
        else:
            code = talk.process.end(getattr(signal, how), ENDS_WITHIN)
    out, err = talk.process.said
    assert code == 0, err
    assert "Traceback" not in err and "_sandbox_" not in err
    for line in (*talk.lines, *out.splitlines()):
        assert json.loads(line)["jsonrpc"] == "2.0", line


def until(arrived: Callable[[], bool]) -> None:
    """Returns when something has come true that another process is about to do."""
    end = time.monotonic() + MARGIN
    while not arrived():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_forty_calls_that_hang_at_one_market_stop_no_other_call_and_not_the_end(tmp_path: Path, calm: Square) -> None:
    def replies() -> int:
        return sum(route.endswith("/replies") for route in calm.requests("polt"))

    with conversation(directory=tmp_path, state=tmp_path / "state.db", **calm.settings()) as talk:
        talk.call(2, "list_posts")
        posts = [str(post["id"]) for post in talk.result(2)["posts"]]
        polt, *others = [next(post for post in posts if post.startswith(f"{name}:")) for name in KEYS]
        calm.control("POST", "/faults", {"kind": "timeout", "market": "polt", "times": 100})
        for number in range(40):
            talk.call(100 + number, "add_reply", post_id=polt, body=f"Reply {number}")
        until(lambda: replies() == PLACES)
        for number, post in enumerate(others):
            talk.call(10 + number, "add_reply", post_id=post, body="Still here")
            assert talk.result(10 + number)["reply_id"]
        assert "POST /api/agents/heartbeat" in calm.requests("agentjob")
        talk.call(20, "list_markets")
        assert len(talk.result(20)["markets"]) == 3
        # One that is cancelled gives its place to one that waits, and this one waits if no other does any more.
        talk.call(140, "add_reply", post_id=polt, body="The last")
        talk.send(method="notifications/cancelled", params={"requestId": 100})
        until(lambda: replies() == PLACES + 1)
        assert talk.process.end(signal.SIGTERM, ENDS_WITHIN) == 0
    _, err = talk.process.said
    assert "Traceback" not in err and "_sandbox_" not in err


def test_nothing_but_the_protocol_is_on_stdout_when_things_go_wrong(tmp_path: Path, calm: Square) -> None:
    calm.control("POST", "/faults", {"kind": "malformed", "times": 3})
    with conversation(directory=tmp_path, state=tmp_path / "state.db", **calm.settings()) as talk:
        talk.call(2, "list_posts")
        assert talk.receive(2)["result"]["isError"] is True
        talk.call(3, "list_posts", surprise=1)
        assert talk.receive(3)["result"]["isError"] is True
        talk.send(id=4, method="no/such/method")
        assert talk.receive(4)["error"]["code"] == -32601
        wire = cast("TextIO", talk.process.running.stdin)
        wire.buffer.write(b'this is no JSON\n{"neither": "UTF-8 \xff\xfe"}\n')
        wire.flush()
        talk.call(5, "list_markets")
        assert len(talk.result(5)["markets"]) == 3
        assert talk.process.ended(ENDS_WITHIN) == 0
    out, err = talk.process.said
    assert out == ""
    assert not any(key in err for key in ("polt_sandbox_you", "ak_sandbox_you", "ot_sandbox_you"))
