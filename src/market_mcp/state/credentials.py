"""Where keys and passwords live that were made through this server: a file of their own, read by nobody else.

A model that opens an account or makes a token gets the name under which the secret stands here, never the secret.
"""

import json
import os
import secrets
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import cast

from market_mcp.errors import ConfigError

Entries = dict[str, dict[str, str]]

ALWAYS = frozenset({"kind", "base_url", "secret"})
"""What every entry has."""


class CredentialStore:
    """A JSON file of entries by name, mode 0600, replaced as a whole.

    An entry holds `kind`, `base_url` and `secret`, and where they are known `email`, `password` and `scopes` (separated
    by blanks). Its `secret` is empty while it is not known whether the account was made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: list[str] = []
        self._known_at = 0

    def load(self) -> Entries:
        """Everything in the store. Raises ConfigError when others could read or have planted the file."""
        try:
            handle = os.open(self._path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return {}
        except OSError:
            raise ConfigError(f"{self._path} cannot be read; it must be a file of yours and no link") from None
        with os.fdopen(handle, encoding="utf-8") as stream:
            info = os.fstat(stream.fileno())
            if hasattr(os, "getuid") and (info.st_uid != os.getuid() or stat.S_IMODE(info.st_mode) & 0o077):
                raise ConfigError(f"others can read {self._path}; run: chmod 600 {self._path}")
            try:
                entries = cast("Entries", json.load(stream))
                broken = [name for name, entry in entries.items() if not entry.keys() >= ALWAYS]
            except (ValueError, AttributeError):
                raise ConfigError(f"{self._path} is not valid JSON, or none of ours") from None
        if broken:
            raise ConfigError(f"{self._path}: {broken[0]!r} needs {', '.join(sorted(ALWAYS))}")
        return entries

    def secrets(self) -> list[str]:
        """Every key and password in the store, or that was in it when it could last be read."""
        try:
            changed = self._path.stat().st_mtime_ns
            if changed != self._known_at:
                entries = self.load().values()
                self._known = [entry[name] for entry in entries for name in ("secret", "password") if entry.get(name)]
                self._known_at = changed
        except (OSError, ConfigError):
            pass
        return self._known

    @contextmanager
    def changing(self) -> Generator[Entries]:
        """Everything in the store, to be changed in place; no other process changes it meanwhile.

        The file is whole at every moment. Raises OSError and ConfigError, and then nothing was changed.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(self._path.with_name(f"{self._path.name}.lock")):
            entries = self.load()
            before = deepcopy(entries)
            yield entries
            if entries != before:
                self._replace(entries)

    def _replace(self, entries: Entries) -> None:
        fresh = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        handle = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(entries, stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(self._path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise


@contextmanager
def _alone(file: Path) -> Generator[None]:
    """Keeps out other processes that lock the same file. Windows has no such locks."""
    handle = os.open(file, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
