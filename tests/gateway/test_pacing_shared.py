"""The gate holds between processes, over clocks that are set and machines that start anew, and for years."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from at_the_gate import HOUR, POSTS, Market, page
from clocks import NOON, ManualClock
from market_mcp.errors import TooSoon, Unavailable
from market_mcp.gateway.pacing import IN_FLIGHT, KEPT, LOOK, PRUNE_EVERY, Held, Pacing
from market_mcp.state.store import State

pytestmark = pytest.mark.anyio


async def test_another_process_gets_the_answer_that_this_one_fetched(
    pacing: Pacing, other: Pacing, market: Market, clock: ManualClock
) -> None:
    await pacing.ask(POSTS, market)
    clock.skip(10)
    assert await other.ask(POSTS, market) == Held(1, "cache", NOON, 10, 50)


async def test_who_asks_while_another_process_is_asking_waits_for_its_answer(
    pacing: Pacing, other: Pacing, market: Market, clock: ManualClock
) -> None:
    market.takes = 5
    found: list[Held] = []

    async def ask(gate: Pacing) -> None:
        found.append(await gate.ask(POSTS, market))

    async with anyio.create_task_group() as group:
        for gate in (pacing, other, pacing, other):
            group.start_soon(ask, gate)
        await clock.advance(5 + 2 * LOOK)
    assert market.asked == 1
    assert [(held.answer, held.source) for held in found] == [(1, "live")] + [(1, "cache")] * 3


async def test_who_waits_for_an_answer_that_fails_is_told_and_does_not_ask_itself(
    pacing: Pacing, other: Pacing, market: Market, clock: ManualClock
) -> None:
    market.takes, market.failure = 5, Unavailable("AgentJob broke.")

    async def ask(gate: Pacing, expected: type[Exception]) -> None:
        with pytest.raises(expected, match="AgentJob broke"):
            await gate.ask(POSTS, market)

    async with anyio.create_task_group() as group:
        group.start_soon(ask, pacing, Unavailable)
        group.start_soon(ask, other, TooSoon)
        await clock.advance(5 + 2 * LOOK)
    assert market.asked == 1


async def test_a_question_whose_asker_died_is_given_up_after_a_while_and_asked_again_after_the_interval(
    pacing: Pacing, other: Pacing, other_state: State, market: Market, clock: ManualClock
) -> None:
    async def die() -> object:
        other_state.close()
        return None

    with pytest.raises(sqlite3.ProgrammingError):
        await other.ask(POSTS, die)

    async def wait() -> None:
        with pytest.raises(TooSoon, match="no answer came back") as caught:
            await pacing.ask(POSTS, market)
        assert caught.value.retry_after_seconds == pytest.approx(60 - IN_FLIGHT, abs=2)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await clock.advance(IN_FLIGHT + 2 * LOOK)
    await clock.advance(60 - IN_FLIGHT)
    assert (await pacing.ask(POSTS, market)).answer == 1


async def test_nobody_waits_for_ever_for_somebody_who_keeps_asking(
    pacing: Pacing, other: Pacing, market: Market, clock: ManualClock
) -> None:
    market.takes = 29

    async def keep_asking() -> None:
        for _ in range(3):
            await other.ask(POSTS, market)
            other.out_of_date("agentjob", ("posts",))

    async def wait() -> None:
        with pytest.raises(Unavailable, match="keep asking"):
            await pacing.ask(POSTS, market)
        assert clock.now() - NOON == pytest.approx(IN_FLIGHT + 2, abs=0.1)

    async with anyio.create_task_group() as group:
        group.start_soon(keep_asking)
        await clock.advance(1)
        group.start_soon(wait)
        await clock.advance(100)


RACE = """
import json, sys
from pathlib import Path
import anyio, anyio.lowlevel
from market_mcp.clock import SystemClock
from market_mcp.errors import CallError
from market_mcp.gateway.pacing import Pacing, Question
from market_mcp.state.store import State

class Impatient(SystemClock):
    async def sleep(self, seconds):
        await anyio.lowlevel.checkpoint()

granted = []

async def main():
    pacing = Pacing(State(Path(sys.argv[1])), Impatient())
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(120):
        # 60 feeds of one question each, and one feed of 60 questions
        topic = "busy" if number % 2 else f"posts/{number}"
        async def fetch():
            granted.append(f"{topic} {number}")
        try:
            await pacing.ask(Question.of("agentjob", topic, number), fetch)
        except CallError:
            pass

anyio.run(main)
print(json.dumps(granted))
"""


def test_eight_processes_that_race_for_the_same_questions_are_never_granted_one_twice(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, str(tmp_path / "state.db")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) for _ in range(8)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    granted: list[list[str]] = [json.loads(racer.communicate(timeout=120)[0]) for racer in racers]
    everything = [grant for each in granted for grant in each]
    assert len(everything) == len(set(everything))
    assert sorted(g for g in everything if not g.startswith("busy")) == sorted(
        f"posts/{n} {n}" for n in range(0, 120, 2)
    )
    assert len([g for g in everything if g.startswith("busy")]) == 4


# Clocks that jump


@pytest.mark.parametrize("jump", [-HOUR, HOUR, -10_000 * HOUR, 10_000 * HOUR])
async def test_setting_the_wall_clock_brings_no_early_poll_and_locks_nobody_out(
    pacing: Pacing, market: Market, clock: ManualClock, jump: float
) -> None:
    await pacing.ask(POSTS, market)
    clock.set_wall(clock.now() + jump)
    clock.skip(59)
    held = await pacing.ask(POSTS, market)
    assert (held.source, held.age, held.next_in, held.fetched_at) == ("cache", 59, 1, NOON)
    clock.skip(1)
    assert (await pacing.ask(POSTS, market)).source == "live"


async def test_a_restart_brings_no_early_poll_and_locks_nobody_out(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    await pacing.ask(POSTS, market)
    clock.reboot(down=20)
    clock.skip(39)
    assert (await pacing.ask(POSTS, market)).age == 59
    clock.skip(1)
    assert (await pacing.ask(POSTS, market)).source == "live"


async def test_a_wall_clock_set_back_across_a_restart_locks_nobody_out_longer_than_the_interval(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    await pacing.ask(POSTS, market)
    clock.reboot(down=20)
    clock.set_wall(NOON - HOUR)
    assert (await pacing.ask(POSTS, market)).next_in == 60
    clock.skip(59)
    assert (await pacing.ask(POSTS, market)).source == "cache"
    clock.skip(1)
    assert (await pacing.ask(POSTS, market)).source == "live"


STEPS = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from([0.0, 0.5, 7.0, 30.0, 59.5, 60.0, 200.0])),
    st.tuples(st.just("ask"), st.integers(0, 6)),
    st.tuples(st.just("ask"), st.integers(0, 6)),
    st.tuples(st.just("write"), st.just(0)),
    st.tuples(st.just("set"), st.sampled_from([-HOUR, -30.0, 30.0, HOUR])),
    st.tuples(st.just("reboot"), st.sampled_from([0.0, 20.0])),
)


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=60), st.integers(0, 3), st.booleans())
def test_whatever_happens_in_whatever_order_no_poll_is_early_and_nobody_waits_longer_than_told(
    steps: list[tuple[str, float]], budget: int, restarts: bool
) -> None:
    anyio.run(_live_through, steps, budget, restarts)


async def _live_through(steps: list[tuple[str, float]], budget: int, restarts: bool) -> None:
    """Either the wall clock is set or the machine restarts; both at once leave no clock that could be trusted."""
    clock, state = ManualClock(), State(None)
    gates = Pacing(state, clock, budget=budget), Pacing(state, clock, budget=budget)
    passed = 0.0
    log: list[tuple[float, int]] = []
    stale: set[int] = set()
    for turn, (what, value) in enumerate(steps):
        if what == "pass":
            clock.skip(value)
            passed += value
        elif what == "write":
            gates[0].out_of_date("agentjob", ("posts",))
            stale = {n for _, n in log}
        elif what == "set" and not restarts:
            clock.set_wall(clock.now() + value)
        elif what == "reboot" and restarts:
            clock.reboot(value)
            passed += value
        elif what == "ask":
            number = int(value)

            async def fetch(number: int = number, at: float = passed) -> object:
                log.append((at, number))
                return at

            last = max((at for at, n in log if n == number), default=None)
            recent = [at for at, _ in log if passed - at < 60]
            may = (last is None or passed - last >= 60 or number in stale) and len(recent) <= budget
            before = len(log)
            try:
                held = await gates[turn % 2].ask(page(number), fetch)
            except TooSoon as error:
                assert error.retry_after_seconds is not None
                assert error.retry_after_seconds <= 61
            else:
                assert held.answer == max(at for at, n in log if n == number)
                assert held.next_in <= 60
                assert held.age == pytest.approx(passed - max(at for at, n in log if n == number), abs=1e-3)
            assert (len(log) > before) == may
            if may:
                stale.discard(number)
    state.close()


# Upkeep


async def rows(state: State, table: str) -> int:
    with state.transaction() as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


async def test_answers_that_nobody_came_back_for_do_not_pile_up(
    state: State, pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    for number in range(50):
        await pacing.ask(page(number, topic=f"posts/{number}"), market)
    clock.skip(KEPT - 1)
    await pacing.ask(POSTS, market)
    assert (await rows(state, "held"), await rows(state, "ask")) == (51, 51)
    clock.skip(PRUNE_EVERY)
    await pacing.ask(POSTS, market)
    assert (await rows(state, "held"), await rows(state, "ask")) == (1, 1)


async def test_a_wall_clock_that_leaps_ahead_throws_away_nothing_that_is_needed(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    await pacing.ask(POSTS, market)
    clock.set_wall(clock.now() + 100 * KEPT)
    clock.skip(10)
    await pacing.ask(page(1, topic="tasks"), market)
    assert (await pacing.ask(POSTS, market)).source == "cache"
