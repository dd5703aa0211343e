"""The state file is its user's alone, survives what happens to processes, and is never somebody else's database."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from market_mcp.errors import ConfigError
from market_mcp.state.store import VERSION, State

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes are those of POSIX")


@pytest.fixture
def no_umask() -> Generator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def vote(state: State, post: str, value: int = 1) -> None:
    with state.transaction() as db:
        db.execute("INSERT INTO vote VALUES ('a', ?, ?)", (post, value))


def votes(state: State) -> dict[str, int]:
    with state.transaction() as db:
        return {row["post"]: row["value"] for row in db.execute("SELECT * FROM vote ORDER BY post")}


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        State(path)
    return str(caught.value)


@pytest.mark.usefixtures("no_umask")
def test_everything_that_is_created_is_private_even_without_a_umask(tmp_path: Path) -> None:
    path = tmp_path / "local" / "state" / "market-mcp" / "state.db"
    state = State(path)
    vote(state, "p")
    assert [mode(directory) for directory in (path.parent, path.parent.parent, tmp_path / "local")] == [0o700] * 3
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["state.db", "state.db-shm", "state.db-wal"]
    assert [mode(file) for file in files] == [0o600] * 3
    state.close()


@pytest.mark.usefixtures("no_umask")
def test_directories_that_were_there_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir(mode=0o755)
    State(tmp_path / "project" / "state.db").close()
    assert mode(tmp_path / "project") == 0o755


@pytest.mark.parametrize("target", ["there.db", "missing.db"])
def test_a_symbolic_link_is_refused_wherever_it_leads(path: Path, target: str) -> None:
    (path.parent / "there.db").touch(mode=0o600)
    path.symlink_to(path.parent / target)
    assert "is a symbolic link" in refusal(path)
    assert (path.parent / "there.db").read_bytes() == b""
    assert not (path.parent / "missing.db").exists()


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_a_link_in_the_place_of_a_file_beside_it_is_refused_too(path: Path, end: str) -> None:
    target = path.parent / "precious"
    target.write_bytes(b"precious")
    path.with_name(path.name + end).symlink_to(target)
    assert "is a symbolic link" in refusal(path)
    assert target.read_bytes() == b"precious"


@pytest.mark.parametrize("loose", [0o640, 0o604, 0o660, 0o666, 0o777])
def test_a_file_that_others_can_open_is_refused_and_the_remedy_named_works(path: Path, loose: int) -> None:
    State(path).close()
    path.chmod(loose)
    said = refusal(path)
    assert said.endswith(f"run: chmod 600 {path}")
    subprocess.run(said.partition("run: ")[2].split(), check=True)
    State(path).close()


@pytest.mark.skipif(getattr(os, "getuid", lambda: 1)() != 0, reason="only root can give a file away")
def test_somebody_elses_file_is_refused(path: Path) -> None:
    path.touch(mode=0o600)
    os.chown(path, 12_345, 12_345)
    assert "belongs to another user" in refusal(path)


def test_a_directory_in_which_anybody_can_replace_the_file_is_refused_and_the_remedy_works(path: Path) -> None:
    path.parent.chmod(0o777)
    said = refusal(path)
    assert said.endswith(f"run: chmod o-w {path.parent}")
    assert not path.exists()
    subprocess.run(said.partition("run: ")[2].split(), check=True)
    State(path).close()


def test_a_shared_directory_in_which_everybody_keeps_their_own_is_fine(path: Path) -> None:
    path.parent.chmod(0o1777)
    State(path).close()


def test_what_is_no_file_is_refused_without_waiting_for_it(path: Path) -> None:
    os.mkfifo(path, 0o600)
    assert "is not a regular file" in refusal(path)
    path.unlink()
    path.mkdir()
    assert "is not a regular file" in refusal(path)


def test_a_place_where_no_directory_can_be_is_refused(path: Path) -> None:
    path.touch(mode=0o600)
    assert "cannot be opened" in refusal(path / "state.db")


def test_a_file_of_a_newer_version_is_refused_and_not_changed(path: Path) -> None:
    State(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")
    db.close()
    before = path.read_bytes()
    assert "newer version" in refusal(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_not_changed(path: Path) -> None:
    path.touch(mode=0o600)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE cookies(name)")
    db.close()
    before = path.read_bytes()
    assert "another program's" in refusal(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("garbage", [b"not a database, but long enough to look like one" * 100, b"\x00" * 5_000, b"{}"])
def test_a_file_of_something_else_is_refused_and_not_changed(path: Path, garbage: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(garbage)
    assert "cannot be used" in refusal(path)
    assert path.read_bytes() == garbage


def test_what_was_written_is_there_when_the_file_is_opened_again(path: Path) -> None:
    state = State(path)
    vote(state, "p", -1)
    state.close()
    again = State(path)
    assert votes(again) == {"p": -1}
    again.close()


def test_without_a_file_everything_stays_in_memory() -> None:
    one, other = State(None), State(None)
    vote(one, "p")
    assert (votes(one), votes(other)) == ({"p": 1}, {})
    one.close()
    other.close()


@pytest.mark.parametrize("broken_by", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_a_transaction_that_does_not_end_well_changes_nothing(broken_by: type[BaseException]) -> None:
    state = State(None)
    with pytest.raises(broken_by), state.transaction() as db:
        db.execute("INSERT INTO vote VALUES ('a', 'p', 1)")
        raise broken_by
    assert votes(state) == {}
    vote(state, "q")
    assert votes(state) == {"q": 1}
    state.close()


def test_a_commit_that_fails_leaves_no_transaction_behind(path: Path) -> None:
    state = State(path)
    with state.transaction() as db:
        db.execute("CREATE TABLE parent(id INTEGER PRIMARY KEY)")
        db.execute("CREATE TABLE child(parent REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    db.execute("PRAGMA foreign_keys=ON")
    with pytest.raises(sqlite3.IntegrityError), state.transaction() as db:
        db.execute("INSERT INTO child VALUES (7)")
    vote(state, "p")
    assert votes(state) == {"p": 1}
    state.close()


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_a_durable_transaction_waits_for_the_disk_and_others_do_not(path: Path, durable: bool, level: int) -> None:
    state = State(path)
    with state.transaction(durable=durable) as db:
        assert db.execute("PRAGMA synchronous").fetchone()[0] == level
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    state.close()


def run(program: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs a program with what stands on the command line as `arguments`."""
    whole = (
        "import sys\nfrom pathlib import Path\nfrom market_mcp.state.store import State\n"
        f"arguments = sys.argv[1:]\n{program}"
    )
    command = [sys.executable, "-c", whole, *map(str, arguments)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)


COUNT = """
state = State(Path(arguments[0]))
sys.stdin.readline()
for _ in range(50):
    with state.transaction() as db:
        value = db.execute("SELECT value FROM vote").fetchone()[0]
        db.execute("UPDATE vote SET value=?", (value + 1,))
"""

TELL = """
with State(Path(arguments[0])).transaction() as db:
    print(*[row["post"] for row in db.execute("SELECT post FROM vote ORDER BY post")])
"""

DIE = """
state = State(Path(arguments[0]))
with state.transaction() as db:
    db.execute("UPDATE vote SET value=99")
    print("in", flush=True)
    sys.stdin.readline()
"""


def test_processes_take_turns_and_lose_nothing_of_each_others_work(path: Path) -> None:
    state = State(path)
    vote(state, "counter", 0)
    others = [run(COUNT, path) for _ in range(4)]
    for other in others:
        other.communicate("go\n", timeout=60)
    assert [other.returncode for other in others] == [0] * 4
    assert votes(state) == {"counter": 200}
    state.close()


def test_a_process_that_is_killed_in_the_middle_has_changed_nothing_and_holds_nobody_up(path: Path) -> None:
    state = State(path)
    vote(state, "counter", 7)
    other = run(DIE, path)
    assert other.stdout is not None
    assert other.stdout.readline() == "in\n"
    other.send_signal(signal.SIGKILL)
    other.communicate(timeout=60)
    assert votes(state) == {"counter": 7}
    state.close()


def test_opening_the_file_again_in_one_process_does_not_take_its_locks_away(path: Path) -> None:
    state = State(path)
    vote(state, "p")
    # Closing any handle of a file gives up all locks that a process has on it, SQLite's own included; without
    # them the next process to leave thinks that it is the last and takes the log away.
    State(path).close()
    run("State(Path(arguments[0])).close()", path).communicate(timeout=60)
    assert path.with_name("state.db-wal").exists()
    vote(state, "q")
    assert run(TELL, path).communicate(timeout=60)[0] == "p q\n"
    state.close()
