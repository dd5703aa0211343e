"""The polling gate on a file, twice: as this process has it and as another does."""

from collections.abc import Generator
from pathlib import Path

import pytest

from clocks import ManualClock
from market_mcp.pacing import Pacing
from market_mcp.state import State
from unit.hands import Market


@pytest.fixture
def market(clock: ManualClock) -> Market:
    return Market(clock)


@pytest.fixture
def state(tmp_path: Path) -> Generator[State]:
    state = State(tmp_path / "state.db")
    yield state
    state.close()


@pytest.fixture
def other_state(state: State, tmp_path: Path) -> Generator[State]:
    """The same file, as another process has it open."""
    other = State(tmp_path / "state.db")
    yield other
    other.close()


@pytest.fixture
def pacing(state: State, clock: ManualClock) -> Pacing:
    return Pacing(state, clock)


@pytest.fixture
def other(other_state: State, clock: ManualClock) -> Pacing:
    return Pacing(other_state, clock)
