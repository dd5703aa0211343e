"""Where keys and passwords live that were made through this server: a file of their own, read by nobody else.

A model that opens an account or makes a token gets the name under which the secret stands here, never the secret.
"""

import json
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.actions.account import CreateToken, Login, RegisterAgent
from market_mcp.errors import BadCall, ConfigError, MarketMcpError, NotKept
from market_mcp.gateway import Gateway, Result
from market_mcp.markets import Row


class CredentialStore:
    """A JSON file of entries by name, mode 0600, replaced as a whole.

    An entry holds `kind`, `base_url` and `secret`, and where they are known `email`, `password` and `scopes` (separated
    by blanks).
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, dict[str, str]]:
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
                return cast("dict[str, dict[str, str]]", json.load(stream))
            except ValueError:
                raise ConfigError(f"{self._path} is not valid JSON") from None

    def save(self, name: str, entry: Mapping[str, str]) -> None:
        """Adds or replaces one entry; the file is whole at every moment."""
        entries = self.load() | {name: dict(entry)}
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        handle = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(entries, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self._path)


class Registrar:
    """Performs the calls whose replies hold a secret."""

    def __init__(self, gateway: Gateway, store: CredentialStore, passwords: Mapping[str, str]) -> None:
        """`passwords` are those that the user gave by the environment, by kind of market."""
        self._gateway = gateway
        self._store = store
        self._passwords = passwords

    async def perform(self, account: Account, row: Row, action: Action) -> Result:
        """Makes the call, keeps the secret and returns its name. Raises CallError."""
        name, password = self._entry(account, action)
        result = dict(await self._gateway.write(account, row, action, {"password": password}))
        entry = {"kind": account.kind, "base_url": account.base_url, "secret": str(result.pop("secret"))}
        entry["scopes"] = " ".join(result.get("scopes", ()))
        if not isinstance(action, CreateToken):
            entry |= {"password": password, "email": getattr(action, "email", None) or ""}
        try:
            self._store.save(name, entry)
        except (OSError, MarketMcpError):
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

    def _entry(self, account: Account, action: Action) -> tuple[str, str]:
        """The name for the new secret and the password to send. Raises BadCall."""
        try:
            known = self._store.load()
        except ConfigError as error:
            raise BadCall(
                f"The credential store cannot be used: {error}.", next="Ask the user to put it right."
            ) from None
        given = self._passwords.get(account.kind)
        match action:
            case RegisterAgent():
                name = f"{account.name}/{action.username}"
                if name in known:
                    raise BadCall(f"The credential store already holds {name!r}.", next="Choose another username.")
                return name, given or secrets.token_urlsafe(24)
            case Login():
                name = f"{account.name}/{action.email}"
                mine = [entry for entry in known.values() if entry["base_url"] == account.base_url]
                password = given or next((e["password"] for e in mine if e.get("email") == action.email), "")
                if not password:
                    raise BadCall(
                        "No password for that account is at hand.",
                        next="Ask the user to set OPENTASK_PASSWORD; never pass a password as an argument.",
                    )
                return name, password
            case CreateToken():
                return f"{account.name}/token/{action.name}", ""
            case _:
                raise BadCall(f"`{action.tool_name()}` makes no credential.")
