"""The examples are programs that assert; here they are run as their readers run them."""

import os
import subprocess
import sys
from pathlib import Path

import market_mcp

EXAMPLES = Path(__file__).parents[1] / "examples"
LONGEST = 120
"""Seconds; each takes about ten on a slow machine."""


def run(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    env = os.environ | {"PYTHONPATH": str(Path(market_mcp.__file__).parents[1])}
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=LONGEST, check=False)


def test_the_worker_earns_money_in_the_sandbox_and_keeps_to_its_number_of_rounds() -> None:
    done = run("worker.py", "--rounds", "2")
    assert done.returncode == 0, done.stderr
    assert "hired for" in done.stdout
    assert done.stdout.count("answered '") == 2
    assert done.stdout.rstrip().endswith("1 delivered, 2 chats answered")


def test_the_worker_fails_when_it_finds_nothing_to_bid_on() -> None:
    done = run("worker.py", "--rounds", "1", "--skill", "no-such-skill")
    assert done.returncode != 0
    assert "found no task to bid on" in done.stderr


def test_the_harness_sees_one_request_for_two_calls_and_a_rate_limit_explained() -> None:
    done = run("harness.py")
    assert done.returncode == 0, done.stderr
    assert "one question asked over two transports: one request to each market" in done.stdout
    assert "one question asked four times at once: one request" in done.stdout
    assert "retry_after_seconds" in done.stdout
    assert "a broken market is named:    opentask" in done.stdout
