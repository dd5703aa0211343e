"""Elapsed time is told by the clock that cannot be set, and the test's own clock does what it says."""

import time

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocks import NOON, ManualClock
from market_mcp.clock import Clock, Stamp, SystemClock, elapsed, is_ahead, stamp
from market_mcp.sandbox.store import Clock as SandboxClock
from market_mcp.text.times import iso, seconds

HOUR = 3600.0
YEARS = 10 * 365 * 24 * HOUR


@given(st.floats(-YEARS, YEARS), st.floats(0, 1e6))
def test_setting_the_wall_clock_changes_nothing_about_how_long_ago_something_was(jump: float, passed: float) -> None:
    clock = ManualClock()
    then = stamp(clock)
    clock.set_wall(clock.now() + jump)
    clock.skip(passed)
    assert elapsed(then, clock) == pytest.approx(passed)
    assert not is_ahead(then, clock)


def test_across_a_restart_the_wall_clock_decides() -> None:
    clock = ManualClock()
    then = stamp(clock)
    clock.reboot(down=30)
    clock.skip(5)
    assert elapsed(then, clock) == 35


def test_across_a_restart_nothing_was_less_than_no_time_ago() -> None:
    clock = ManualClock()
    then = stamp(clock)
    clock.reboot(down=30)
    clock.set_wall(NOON - HOUR)
    assert elapsed(then, clock) == 0
    assert is_ahead(then, clock)


def test_a_start_without_a_name_is_given_away_by_a_boot_clock_that_ran_backwards() -> None:
    clock = ManualClock(boot=50)
    clock.boot_id = ""
    then = Stamp(NOON - 100, 4_000, "")
    assert elapsed(then, clock) == 100


@given(st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 1e5))
def test_where_starts_have_no_names_a_restart_makes_nothing_look_longer_ago_than_it_was(
    up: float, more: float, down: float, after: float
) -> None:
    clock = ManualClock(boot=up)
    clock.boot_id = ""
    then = stamp(clock)
    clock.skip(more)
    clock.reboot(down)
    clock.boot_id = ""
    clock.skip(after)
    assert elapsed(then, clock) <= more + down + after + 1e-3


def test_the_machines_clock_is_one_and_goes_forward() -> None:
    clock: Clock = SystemClock()
    then = stamp(clock)
    assert clock.now() > 1_700_000_000
    assert 0 <= elapsed(then, clock) < 60
    assert SystemClock().boot_id == clock.boot_id


def test_the_manual_clock_serves_both_sides() -> None:
    clock = ManualClock()
    ours: Clock = clock
    theirs: SandboxClock = clock
    assert ours.now() == theirs.now() == NOON


@pytest.mark.anyio
async def test_sleepers_of_the_manual_clock_wake_in_order_each_at_its_own_time() -> None:
    clock = ManualClock()
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woken.append((name, clock.now() - NOON))

    async with anyio.create_task_group() as group:
        group.start_soon(sleep, "late", 30)
        group.start_soon(sleep, "often", 10, 10, 15)
        group.start_soon(sleep, "first", 5)
        await clock.advance(4.9)
        assert woken == []
        await clock.advance(25.1)
        assert woken == [("first", 5), ("often", 10), ("often", 20), ("late", 30)]
        await clock.advance(5)
        assert woken[-1] == ("often", 35)
    assert clock.now() == NOON + 35


@pytest.mark.anyio
async def test_setting_the_wall_of_the_manual_clock_wakes_nobody_and_delays_nobody() -> None:
    clock = ManualClock()
    woken: list[float] = []

    async def sleep() -> None:
        await clock.sleep(10)
        woken.append(clock.boot())

    async with anyio.create_task_group() as group:
        group.start_soon(sleep)
        await clock.advance(1)
        clock.set_wall(NOON + HOUR)
        await clock.advance(8)
        assert woken == []
        clock.set_wall(NOON - HOUR)
        await clock.advance(1)
        assert woken == [1_010]


@pytest.mark.anyio
async def test_who_is_cancelled_in_its_sleep_is_forgotten() -> None:
    clock = ManualClock()
    async with anyio.create_task_group() as group:
        group.start_soon(clock.sleep, 10)
        await clock.advance(1)
        with pytest.raises(RuntimeError, match="advance"):
            clock.skip(60)
        group.cancel_scope.cancel()
    clock.skip(60)
    assert clock.now() == NOON + 61


@pytest.mark.anyio
@pytest.mark.parametrize("nap", [0, -1])
async def test_no_sleep_ends_at_once(nap: float) -> None:
    await ManualClock().sleep(nap)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-02", 86_400),
        ("1970-01-01T00:00:00", 0),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1970-01-01T00:00:01.500Z", 1.5),
        (" 1970-01-01 00:01 ", 60),
        ("tomorrow", None),
        ("", None),
        ("1970-13-01", None),
        ("1773446400", None),
        ("\ud800", None),
    ],
)
def test_times_are_read_in_every_spelling_of_iso_8601_and_in_utc_without_a_zone(
    text: str, instant: float | None
) -> None:
    assert seconds(text) == instant


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be set there")
def test_the_zone_of_the_machine_has_no_say_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert (seconds("1970-01-02"), iso(86_400)) == (86_400, "1970-01-02T00:00:00Z")
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.integers(0, 4_000_000_000))
def test_a_time_that_was_printed_is_read_as_the_same(instant: int) -> None:
    assert seconds(iso(instant)) == instant


@given(st.text())
def test_no_text_is_too_strange_to_be_no_time(text: str) -> None:
    assert isinstance(seconds(text), float | None)
