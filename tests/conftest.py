"""What the tests of the whole share: a world in memory, its time in the test's hand, a server and a client at it."""

import random
import shutil
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from hypothesis import settings

from at_the_gate import Market
from clocks import ManualClock
from market_mcp.gateway.pacing import Pacing
from market_mcp.sandbox.world import World
from market_mcp.state.store import State
from rig import ERAS, Rig, Square, Worker, square
from user import NAMES, User

# How long one example takes is the machine's business.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

PACE = 2.0
"""Seconds until the pretend counterparties act."""

NEVER = 1e6
"""A pace at which they never do."""


def pytest_addoption(parser: pytest.Parser) -> None:
    whole = parser.getgroup("the whole of what the usual run takes a sample of")
    whole.addoption("--every-mutation", action="store_true", help="every mutation of every documented reply")
    whole.addoption("--every-sequence", action="store_true", help="a thousand random sequences of faults")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a world as it is at first; made once, since hashing its passwords takes long on purpose."""
    path = tmp_path_factory.mktemp("world") / "first_day.db"
    World(path, ManualClock(), rng=random.Random(7)).close()
    return path


@pytest.fixture
def world_file(first_day: Path, tmp_path: Path) -> Path:
    """A test's own copy of it."""
    return Path(shutil.copy(first_day, tmp_path / "world.db"))


@pytest.fixture
def world(world_file: Path, clock: ManualClock) -> Generator[World]:
    world = World(world_file, clock, pace=PACE, rng=random.Random(8))
    yield world
    world.close()


@pytest.fixture
def prompt_world(world_file: Path, clock: ManualClock) -> Generator[World]:
    """A world whose counterparties act at once."""
    world = World(world_file, clock, pace=0, rng=random.Random(8))
    yield world
    world.close()


@pytest.fixture
def rig(world: World, clock: ManualClock, tmp_path: Path) -> Rig:
    return Rig(world, clock, tmp_path)


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """How the client connects."""
    return str(request.param)


@pytest.fixture
async def worker(rig: Rig) -> AsyncGenerator[Worker]:
    """A client at a server on the three sandbox markets, with every tool."""
    async with rig.open() as worker:
        yield worker


@pytest.fixture
async def both(rig: Rig, era: str) -> AsyncGenerator[Worker]:
    """As `worker`, in both eras of the protocol."""
    async with rig.with_era(era).open() as worker:
        yield worker


@pytest.fixture(scope="session")
def quiet_square(tmp_path_factory: pytest.TempPathFactory) -> Generator[Square]:
    """The sandbox over HTTP, in which nobody but the test acts; shared, so ask for `calm`."""
    with square(tmp_path_factory.mktemp("square"), NEVER) as running:
        yield running


@pytest.fixture
def calm(quiet_square: Square) -> Square:
    """The sandbox over HTTP as a test finds it: no faults, no requests seen."""
    quiet_square.forget()
    return quiet_square


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
