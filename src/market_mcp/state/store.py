"""What must outlive a call, and be seen by every process that acts for the same user: one SQLite file.

This module knows the file and its transactions; what stands in a table is known by the module that owns it.
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from market_mcp.clock import Stamp
from market_mcp.errors import ConfigError, StateUnavailable

SCHEMA = """
CREATE TABLE IF NOT EXISTS ask(          -- a question that went upstream, for the polling interval
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL, topic TEXT NOT NULL, question TEXT NOT NULL,
    open INTEGER NOT NULL DEFAULT 1, stale INTEGER NOT NULL DEFAULT 0, failure TEXT, hold REAL NOT NULL DEFAULT 0,
    wall REAL NOT NULL, boot REAL NOT NULL, boot_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS ask_topic ON ask(account, topic);
CREATE TABLE IF NOT EXISTS held(         -- the latest answer to a question, and which asking brought it
    account TEXT NOT NULL, topic TEXT NOT NULL, question TEXT NOT NULL,
    ask INTEGER NOT NULL, stale INTEGER NOT NULL,
    wall REAL NOT NULL, boot REAL NOT NULL, boot_id TEXT NOT NULL,
    answer TEXT NOT NULL, PRIMARY KEY (account, question));
CREATE INDEX IF NOT EXISTS held_topic ON held(account, topic);
CREATE TABLE IF NOT EXISTS hold(         -- a market that wants to be left alone, or one call of it
    account TEXT NOT NULL, what TEXT NOT NULL, seconds REAL NOT NULL, said TEXT NOT NULL,
    wall REAL NOT NULL, boot REAL NOT NULL, boot_id TEXT NOT NULL, PRIMARY KEY (account, what));
CREATE TABLE IF NOT EXISTS vote(         -- what was voted, for markets where the same vote again takes it away
    account TEXT NOT NULL, post TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (account, post));
CREATE TABLE IF NOT EXISTS vote_sent(    -- a vote that left, and of which is not known whether it counts
    account TEXT NOT NULL, post TEXT NOT NULL, value INTEGER NOT NULL, open INTEGER NOT NULL,
    wall REAL NOT NULL, boot REAL NOT NULL, boot_id TEXT NOT NULL, PRIMARY KEY (account, post));
CREATE TABLE IF NOT EXISTS claim(        -- a claimed question of a paying user, as the market handed it over
    id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, body BLOB NOT NULL,
    wall REAL NOT NULL, boot REAL NOT NULL, boot_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS spent(        -- a call that a market allows so often only
    account TEXT NOT NULL, quota TEXT NOT NULL, wall REAL NOT NULL, boot REAL NOT NULL, boot_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS standing(     -- a thing of which a market allows so many at once only
    account TEXT NOT NULL, quota TEXT NOT NULL, subject TEXT NOT NULL, PRIMARY KEY (account, quota, subject));
CREATE TABLE IF NOT EXISTS watched(      -- an own post or task whose changes are told, or a told notification
    account TEXT NOT NULL, kind TEXT NOT NULL, handle TEXT NOT NULL, wall REAL NOT NULL,
    PRIMARY KEY (account, kind, handle));
CREATE TABLE IF NOT EXISTS said(         -- an own post, or an own reply to a watched one: its id, else its text
    account TEXT NOT NULL, post TEXT NOT NULL, word TEXT NOT NULL, PRIMARY KEY (account, post, word));
CREATE TABLE IF NOT EXISTS seen(         -- what check_inbox has told, and when it was listed last
    account TEXT NOT NULL, fact TEXT NOT NULL, digest TEXT NOT NULL, wall REAL NOT NULL,
    PRIMARY KEY (account, fact));
CREATE TABLE IF NOT EXISTS heartbeat(    -- the last heartbeat, and after how many seconds the next one is due
    account TEXT PRIMARY KEY, every REAL NOT NULL, wall REAL NOT NULL, boot REAL NOT NULL, boot_id TEXT NOT NULL);
"""
VERSION = 1

LOCKED = 2.0
"""Seconds to wait for another process's transaction. All are far shorter; meanwhile nothing else happens here."""


class State:
    """The state file. Statements run in the calling thread: they are short, and a lock is held for microseconds."""

    def __init__(self, path: Path | None) -> None:
        """Opens or creates the file, private to its user; None keeps everything in memory. Raises ConfigError."""
        if path is not None:
            _prepare(path)
        try:
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=LOCKED)
            self._db.row_factory = sqlite3.Row
            self._durable: bool | None = None
            try:
                self._adopt(path)
            except BaseException:
                self._db.close()
                raise
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"the state file {path} cannot be used: {error}") from None

    def _adopt(self, path: Path | None) -> None:
        """Makes sure that the database is ours, before anything in it is changed, and that its tables are there."""
        with self._transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise ConfigError(f"the state file {path} was written by a newer version; use another --state")
            if version == 0 and db.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise ConfigError(f"the state file {path} is another program's database; use another --state")
        # The mode is the file's. A process that starts at the same time may be about to set it, and then we are
        # turned away at once instead of waiting; without it everything works as well, only slower.
        with contextlib.suppress(sqlite3.OperationalError):
            self._db.execute("PRAGMA journal_mode=WAL")
        with self._transaction() as db:
            for statement in SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={VERSION}")

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Generator[sqlite3.Connection, None, None]:
        """A write transaction: other processes wait, so that what is read inside still holds when it is written.

        It survives the end of the process; a `durable` one also a power cut, at the price of a sync to disk. Raises
        StateUnavailable when the file is locked for long, the disk full, or the like; then nothing of it was written.
        """
        try:
            with self._transaction(durable=durable) as db:
                yield db
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise  # a mistake of ours
        except sqlite3.DatabaseError as error:
            raise StateUnavailable(
                f"The state file cannot be used now ({error}).",
                next="Try again; if it goes on, ask the user to look at it with market-mcp doctor.",
            ) from None

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Generator[sqlite3.Connection, None, None]:
        if durable != self._durable:
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk has rolled back by itself, and then there is nothing left to undo.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._db.close()


def stamp_of(row: sqlite3.Row) -> Stamp:
    """The instant in a row's columns wall, boot and boot_id."""
    return Stamp(row["wall"], row["boot"], row["boot_id"])


def _prepare(path: Path) -> None:
    """A directory of mode 0700 and a file of mode 0600 that are ours, and no link that leads elsewhere."""
    try:
        for directory in reversed(path.parents):
            # Path.mkdir would give the directories in between whatever mode the umask leaves.
            directory.mkdir(mode=0o700, exist_ok=True)
        _check_directory(path.parent)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        # SQLite believes what stands in the files beside its own.
        for end in ("", "-wal", "-shm", "-journal"):
            _check_file(path.with_name(path.name + end))
    except OSError as error:
        raise ConfigError(f"the state file {path} cannot be opened: {error.strerror}") from None


def _check_directory(directory: Path) -> None:
    mode = directory.stat().st_mode
    if hasattr(os, "getuid") and mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise ConfigError(f"anybody can replace files in {directory}; run: chmod o-w {directory}")


def _check_file(file: Path) -> None:
    try:
        info = file.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(info.st_mode):
        raise ConfigError(f"the state file {file} is a symbolic link; name the file itself")
    if not stat.S_ISREG(info.st_mode):
        raise ConfigError(f"the state file {file} is not a regular file; name another")
    # Windows has neither owners nor modes of this kind.
    if hasattr(os, "getuid") and info.st_uid != os.getuid():
        raise ConfigError(f"the state file {file} belongs to another user; use another --state")
    if hasattr(os, "getuid") and stat.S_IMODE(info.st_mode) & 0o077:
        raise ConfigError(f"others can read the state file {file}; run: chmod 600 {file}")
