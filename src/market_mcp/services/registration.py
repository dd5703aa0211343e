"""Opens accounts and makes tokens: the secret goes to the credential store, and the model gets its name there."""

import contextlib
import secrets
from collections.abc import Mapping
from itertools import count
from typing import Any

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.actions.account import CreateToken, Login, RegisterAgent
from market_mcp.errors import BadCall, CallError, ConfigError, NotKept
from market_mcp.gateway.pipeline import Gateway
from market_mcp.markets import Row
from market_mcp.markets.domain import Result
from market_mcp.state.credentials import CredentialStore, Entries


class Registration:
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
            self._gateway.accounts.rekey(account.name, entry["secret"], result.get("scopes", ()))
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
                        next=f"Ask the user to set {account.market.password_env}; never pass one as an argument.",
                    )
                return f"{account.name}/{action.email}", password
            case CreateToken():
                return f"{account.name}/token/{action.name}", ""
            case _:
                raise BadCall(f"`{action.tool_name()}` makes no credential.")


def _free(entries: Entries, name: str) -> str:
    """The name, or the first numbered one, such as `reader/2`, that is not taken."""
    return next(one for number in count(1) if (one := name if number == 1 else f"{name}/{number}") not in entries)
