"""The polling gate on a file, twice: as this process has it and as another does."""

from collections.abc import Generator
from pathlib import Path

import pytest

from clocks import ManualClock
from market_mcp.gateway.pacing import Pacing
from market_mcp.state.store import State
from unit.hands import Market
from unit.user import NAMES, User


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


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> User:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return User(monkeypatch, tmp_path)
