"""Where keys and passwords live that were made through this server: a file of their own, read by nobody else.

A model that opens an account or makes a token gets the name under which the secret stands here, never the secret.
"""

import contextlib
import json
import os
import secrets
import stat
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from itertools import count
from pathlib import Path
from typing import Any, cast

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.actions.account import CreateToken, Login, RegisterAgent
from market_mcp.errors import BadCall, CallError, ConfigError, NotKept
from market_mcp.gateway import Gateway, Result
from market_mcp.markets import Row

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


def _free(entries: Entries, name: str) -> str:
    """The name, or the first numbered one, such as `reader/2`, that is not taken."""
    return next(one for number in count(1) if (one := name if number == 1 else f"{name}/{number}") not in entries)


class Registrar:
    """Performs the calls whose replies hold a secret."""

    def __init__(self, gateway: Gateway, store: CredentialStore, passwords: Mapping[str, str]) -> None:
        """`passwords` are those that the user gave by the environment, by kind of market."""
        self._gateway = gateway
        self._store = store
        self._passwords = passwords

    async def perform(self, account: Account, row: Row, action: Action) -> Result:
        """Makes the call, keeps the secret and returns its name. Raises CallError."""
        name, password, kept = self._begun(account, action)
        try:
            result = dict(await self._gateway.write(account, row, action, {"password": password}))
        except CallError as error:
            if isinstance(action, RegisterAgent) and action.email is not None:
                self._failed(name, error, forget=kept)
            raise
        entry = {"kind": account.kind, "base_url": account.base_url, "secret": str(result.pop("secret"))}
        entry["scopes"] = " ".join(result.get("scopes", ()))
        if not isinstance(action, CreateToken):
            entry |= {"password": password, "email": getattr(action, "email", None) or ""}
        try:
            name = self._keep(action, name, entry)
        except (OSError, ConfigError):
            raise NotKept(
                "The account or token was made, but its key could not be stored, and it is not shown again.",
                next="Tell the user to look at the state directory's permissions.",
            ) from None
        content: dict[str, Any] = {**result, "credential": name, "message": "The secret is in the credential store."}
        if account.key is None and not isinstance(action, CreateToken):
            self._gateway.accounts.rekey(account.name, entry["secret"])
            content["message"] += " This server acts with it from now on."
        else:
            content["message"] += f' To act with it, set credential = "{name}" in a [market.…] table and restart.'
        return self._gateway.framed(account, content)

    def _begun(self, account: Account, action: Action) -> tuple[str, str, bool]:
        """The name for the new secret, the password to send, and whether that was stored just now. Raises BadCall.

        The password of an account that has one is stored before it is sent: should the answer be lost, it logs in.
        """
        try:
            with self._store.changing() as known:
                name, password = self._entry(account, action, known)
                kept = isinstance(action, RegisterAgent) and action.email is not None and name not in known
                if kept:
                    base = {"kind": account.kind, "base_url": account.base_url, "secret": "", "scopes": ""}
                    known[name] = {**base, "password": password, "email": str(getattr(action, "email", ""))}
                return name, password, kept
        except (OSError, ConfigError) as error:
            why = (error.strerror or "") if isinstance(error, OSError) else str(error)
            raise BadCall(
                f"The credential store cannot be used: {why}.", next="Ask the user to put it right."
            ) from None

    def _failed(self, name: str, error: CallError, *, forget: bool) -> None:
        """A registration failed: its password is forgotten only where no account can have it."""
        if error.effect != "none":
            error.next = f"The password is kept under {name!r}: login with that e-mail address tells what became of it."
        elif forget:
            # One that stays does no harm: the same name can be registered again with it.
            with contextlib.suppress(OSError, ConfigError), self._store.changing() as entries:
                if entries.get(name, {}).get("secret") == "":
                    del entries[name]

    def _keep(self, action: Action, name: str, entry: dict[str, str]) -> str:
        """Stores a secret and tells its name; nothing that is kept is overwritten. Raises OSError and ConfigError."""
        with self._store.changing() as entries:
            if isinstance(action, Login):
                # So the account is there, and its password stands in the new entry.
                same = {"base_url": entry["base_url"], "email": entry["email"], "secret": ""}
                for settled in [one for one, other in entries.items() if other.items() >= same.items()]:
                    del entries[settled]
            if not isinstance(action, RegisterAgent):
                name = _free(entries, name)
            entries[name] = entry
        return name

    def _entry(self, account: Account, action: Action, known: Entries) -> tuple[str, str]:
        """The name for the new secret and the password to send. Raises BadCall."""
        given = self._passwords.get(account.kind)
        match action:
            case RegisterAgent():
                name = f"{account.name}/{action.username}"
                old = known.get(name)
                if old is None:
                    return name, given or secrets.token_urlsafe(24)
                if old["secret"]:
                    raise BadCall(f"The credential store already holds {name!r}.", next="Choose another username.")
                if old.get("email") != action.email:
                    raise BadCall(
                        f"What became of registering {name!r} with another e-mail address is not known.",
                        next="login with that address tells; else choose another username.",
                    )
                return name, old["password"]
            case Login():
                mine = [entry for entry in known.values() if entry["base_url"] == account.base_url]
                password = given or next((e["password"] for e in mine if e.get("email") == action.email), "")
                if not password:
                    raise BadCall(
                        "No password for that account is at hand.",
                        next="Ask the user to set OPENTASK_PASSWORD; never pass a password as an argument.",
                    )
                return f"{account.name}/{action.email}", password
            case CreateToken():
                return f"{account.name}/token/{action.name}", ""
            case _:
                raise BadCall(f"`{action.tool_name()}` makes no credential.")
