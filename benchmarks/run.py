"""What market-mcp costs above a bare MCP server and above a direct HTTP call. Prints ratios; nothing is asserted.

    python benchmarks/run.py [--repeat 7]

Two programs are compared by turns, so that a busy machine is busy for both; each number is the median of its kind.
"""

import argparse
import compileall
import hashlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import tiktoken
from mcp import Client
from mcp.client.stdio import StdioServerParameters

import market_mcp

HERE = Path(__file__).parent
PACKAGE = Path(market_mcp.__file__).parent
SETTINGS = ("POLT_", "AGENTJOB_", "OPENTASK_", "MARKET_MCP_")
BLOCKS, BLOCK = 15, 25
"""Calls are timed in so many blocks of so many, the compared programs by turns."""

CALLS = 1000
"""Calls after which memory is looked at."""

HANGING = 40
"""Calls that hang at one market while another is asked."""

VOCABULARY = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"

Call = Callable[[], Awaitable[object]]


class Programs:
    """The commands that are compared, with settings of their own and a state that is thrown away."""

    def __init__(self, directory: Path, port: int) -> None:
        self.upstream = f"http://127.0.0.1:{port}"
        self.directory = directory
        (directory / "market-mcp.toml").touch()
        home = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
        self.env = home | {"PYTHONPATH": str(PACKAGE.parent)}
        self.live = {"POLT_BASE_URL": self.upstream, "POLT_API_KEY": "polt_benchmark"}

    @property
    def bare(self) -> list[str]:
        return [sys.executable, str(HERE / "bare_server.py")]

    @property
    def forwarder(self) -> list[str]:
        return [sys.executable, str(HERE / "bare_forwarder.py"), self.upstream]

    @property
    def ours(self) -> list[str]:
        files = ["--state", str(self.directory / "state.db"), "--config", str(self.directory / "market-mcp.toml")]
        return [sys.executable, "-m", "market_mcp", "serve", *files]

    def parameters(self, command: list[str], **env: str) -> StdioServerParameters:
        return StdioServerParameters(command=command[0], args=command[1:], env=self.env | env)


class Pipe:
    """A server process and one question after the other to it, with no client library in between."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        client = {"name": "benchmark", "version": "1"}
        self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client})
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method: str, params: dict[str, object]) -> dict[str, Any]:
        self._write({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert answer["id"] == 1, answer
        result: dict[str, Any] = answer["result"]
        return result

    def begin(self, number: int, tool: str, arguments: dict[str, object]) -> None:
        """Makes a call that is to hang: an answer to it fails the next question."""
        params: dict[str, object] = {"name": tool, "arguments": arguments}
        self._write({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})

    def _write(self, message: dict[str, object]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def memory(self) -> float:
        """Resident memory in MiB; 0 where the system does not tell it this way."""
        status = Path(f"/proc/{self.process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


@contextmanager
def running(command: list[str], env: dict[str, str]) -> Generator[Pipe, None, None]:
    pipe = Pipe(command, env)
    try:
        yield pipe
    finally:
        pipe.process.communicate()


def start_up(programs: Programs, repeat: int) -> None:
    def seconds(command: list[str]) -> float:
        began = time.perf_counter()
        with running(command, programs.env) as pipe:
            pipe.ask("tools/list", {})
            return time.perf_counter() - began

    seconds(programs.ours)  # creates the state file, once for all
    pairs = [(seconds(programs.bare), seconds(programs.ours)) for _ in range(repeat)]
    bare, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    show("from spawn to tools/list, to a bare server", statistics.median(o / b for b, o in pairs), 1.25)
    print(f"    here: bare {bare:.2f} s, market-mcp {ours:.2f} s, {repeat} pairs")


async def forwarded_calls(programs: Programs) -> None:
    """The same request by turns: from an HTTP client, through the SDK's simplest server, and through market-mcp.

    Servers are asked over a bare pipe, since a client library is its user's and no part of the server, and then once
    more by the SDK's client, to show what one adds.
    """
    body = {"body": "Hello"}
    post = f"/api/projects/{uuid.uuid4()}/replies"

    def reply() -> dict[str, object]:
        # A write of the same text would be taken for a repetition of the first.
        return {"post_id": f"polt:{uuid.uuid4()}", "body": f"Hello {uuid.uuid4()}"}

    def task() -> dict[str, object]:
        # A second look at the same task would be answered from what is held.
        return {"task_id": f"polt:{uuid.uuid4()}"}

    def by_client(client: Client, tool: str, arguments: Callable[[], dict[str, object]]) -> Call:
        async def call() -> None:
            answer = await client.call_tool(tool, arguments())
            assert not answer.is_error, answer

        return call

    ours = programs.env | programs.live
    with running(programs.ours, ours) as market, running(programs.forwarder, programs.env) as forwarder:
        async with (
            httpx2.AsyncClient(base_url=programs.upstream, trust_env=False) as http,
            Client(programs.parameters(programs.forwarder)) as forwarder_client,
            Client(programs.parameters(programs.ours, **programs.live)) as market_client,
        ):
            await forwarder_client.list_tools()
            await market_client.list_tools()
            blocks = await by_turns(
                {
                    "direct write": lambda: http.post(post, json=body),
                    "direct read": lambda: http.get(f"/api/tasks/{uuid.uuid4()}"),
                    "write": piped(market, "add_reply", reply),
                    "read": piped(market, "get_task", task),
                    "simplest": piped(forwarder, "post", lambda: {"path": post, "body": body}),
                    "write by client": by_client(market_client, "add_reply", reply),
                    "read by client": by_client(market_client, "get_task", task),
                    "simplest by client": by_client(forwarder_client, "post", lambda: {"path": post, "body": body}),
                }
            )

    def compare(what: str, name: str, yardstick: str, goal: float | None = None) -> None:
        pairs = zip(blocks[name], blocks[yardstick], strict=True)
        show(what, statistics.median(ours / theirs for ours, theirs in pairs), goal)

    compare("a forwarded write, to the same request by a pooled HTTP client", "write", "direct write", 2.7)
    compare("a forwarded read, to the same request by a pooled HTTP client", "read", "direct read", 2.7)
    compare("a forwarded write, to the SDK's simplest forwarder", "write", "simplest", 1.0)
    compare("the SDK's simplest forwarder, to the pooled HTTP client", "simplest", "direct write")
    compare("with the SDK's client, a forwarded write, to the pooled HTTP client", "write by client", "direct write")
    compare("with the SDK's client, a forwarded read, to the pooled HTTP client", "read by client", "direct read")
    compare("with the SDK's client, its simplest forwarder", "simplest by client", "direct write")
    print("    here: " + ", ".join(f"{name} {1000 * statistics.median(each):.2f} ms" for name, each in blocks.items()))


def piped(pipe: Pipe, tool: str, arguments: Callable[[], dict[str, object]]) -> Call:
    async def call() -> None:
        answer = pipe.ask("tools/call", {"name": tool, "arguments": arguments()})
        assert not answer.get("isError"), answer

    return call


async def beside_calls_that_hang(programs: Programs) -> None:
    """Calls to one market by turns from two servers that are alike, but that from one of them calls hang at another."""
    accounts = programs.directory / "two-accounts.toml"
    stuck = f'kind = "polt"\nbase_url = "{programs.upstream}/stuck"\napi_key = "polt_stuck"\n'
    accounts.write_text(f"[market.polt]\n[market.stuck]\n{stuck}")
    accounts.chmod(0o600)
    command = [*programs.ours[:-1], str(accounts)]
    # They hang until all is measured.
    patient = {"MARKET_MCP_READ_TIMEOUT": "300", "MARKET_MCP_WRITE_TIMEOUT": "300"}
    env = programs.env | programs.live | patient
    with running(command, env) as calm, running(command, env) as troubled:
        for number in range(HANGING):
            tool, thing = (("add_reply", "post_id"), ("get_task", "task_id"))[number % 2]
            text = {"body": f"Hello {number}"} if tool == "add_reply" else {}
            troubled.begin(number + 2, tool, {thing: f"stuck:{uuid.uuid4()}", **text})
        blocks = await by_turns(
            {
                "calm": piped(calm, "get_task", lambda: {"task_id": f"polt:{uuid.uuid4()}"}),
                "troubled": piped(troubled, "get_task", lambda: {"task_id": f"polt:{uuid.uuid4()}"}),
            }
        )
    pairs = zip(blocks["troubled"], blocks["calm"], strict=True)
    what = f"a forwarded read while {HANGING} calls hang at another market, to one while none does"
    show(what, statistics.median(troubled / calm for troubled, calm in pairs), 1.2)


async def by_turns(calls: dict[str, Call]) -> dict[str, list[float]]:
    """Median seconds of each call, block by block."""
    blocks: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(BLOCKS + 1):
        for name, call in calls.items():
            times: list[float] = []
            for _ in range(BLOCK):
                began = time.perf_counter()
                await call()
                times.append(time.perf_counter() - began)
            # The first block warms up connections and caches.
            if number:
                blocks[name].append(statistics.median(times))
    return blocks


def memory(programs: Programs) -> None:
    def after(command: list[str], tool: str, arguments: Callable[[], dict[str, object]]) -> tuple[float, float]:
        with running(command, programs.env | programs.live) as pipe:
            pipe.ask("tools/list", {})
            start = pipe.memory()
            for _ in range(CALLS):
                assert not pipe.ask("tools/call", {"name": tool, "arguments": arguments()}).get("isError")
            return start, pipe.memory()

    bare_start, bare = after(programs.bare, "echo", lambda: {"text": "Hello"})
    start, ours = after(programs.ours, "get_task", lambda: {"task_id": f"polt:{uuid.uuid4()}"})
    if not bare:
        print("memory: not measured, since this system has no /proc")
        return
    show(f"memory after {CALLS} calls, to that after the start", ours / start)
    show(f"memory after {CALLS} calls, to a bare server", ours / bare)
    print(f"    here: bare {bare_start:.0f} then {bare:.0f} MiB, market-mcp {start:.0f} then {ours:.0f} MiB")


def tool_list(programs: Programs) -> None:
    with running(programs.ours, programs.env) as pipe:
        tools = pipe.ask("tools/list", {})["tools"]
    text = json.dumps(tools, separators=(",", ":"), ensure_ascii=False)
    if _vocabulary_is_here():
        tokens = len(tiktoken.get_encoding("o200k_base").encode(text))
        print(f"tools/list, {len(tools)} tools: {tokens} tokens (o200k)")
    else:
        print(
            f"tools/list, {len(tools)} tools: {len(text) // 4} tokens (characters/4, for want of the o200k vocabulary)"
        )


def _vocabulary_is_here() -> bool:
    """Whether tiktoken has the vocabulary in its cache; else it would fetch it from the network."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    cache = Path(folder) if folder else Path(tempfile.gettempdir()) / "data-gym-cache"
    return (cache / hashlib.sha1(VOCABULARY.encode(), usedforsecurity=False).hexdigest()).exists()


def show(what: str, ratio: float, goal: float | None = None) -> None:
    print(f"{what}: {ratio:.2f}" + ("" if goal is None else f"   (goal: at most {goal})"))


@contextmanager
def upstream() -> Generator[int, None, None]:
    """The port of an upstream that runs until the block is left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with subprocess.Popen([sys.executable, str(HERE / "upstream.py"), str(port)]) as process:
        try:
            url = f"http://127.0.0.1:{port}/"
            for _ in range(600):
                try:
                    httpx2.get(url, trust_env=False)
                    break
                except httpx2.ConnectError:
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description="What market-mcp costs, as ratios.")
    parser.add_argument("--repeat", type=int, default=7, help="pairs of starts")
    repeat: int = parser.parse_args().repeat
    # An installed package has its byte code; a checkout may not, and would be compared while it compiles.
    compileall.compile_dir(PACKAGE, quiet=2)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory, upstream() as port:
        programs = Programs(Path(directory), port)
        start_up(programs, repeat)
        anyio.run(forwarded_calls, programs)
        anyio.run(beside_calls_that_hang, programs)
        memory(programs)
        tool_list(programs)


if __name__ == "__main__":
    main()
