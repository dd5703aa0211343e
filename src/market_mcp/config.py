"""Settings: flag, then environment, then `market-mcp.toml`, then default; and the accounts that follow from them."""

import difflib
import os
import re
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from market_mcp.accounts import Account, Contract, Presence
from market_mcp.actions import TOOLSETS
from market_mcp.errors import ConfigError
from market_mcp.gateway.embedded import SANDBOX_URL
from market_mcp.gateway.exchange import USUAL, Timeouts
from market_mcp.gateway.pacing import MIN_INTERVAL
from market_mcp.markets import MARKETS, Market, Variants, find

CONFIG_FILE = "market-mcp.toml"
PREFIX = "MARKET_MCP_"
MAX_INTERVAL = 86_400.0
"""Seconds; with a longer polling interval nothing would ever be news."""

Seconds = Annotated[float, Field(ge=0.1, le=300, allow_inf_nan=False)]
"""A time-out."""


class MarketSettings(BaseModel):
    """One `[market.NAME]` table of the configuration file: an account on a marketplace.

    `kind` is the marketplace (by default the table's name) and `base_url` where it answers. The key is `api_key`, or
    the one in the credential store under the name `credential`, or else that of the platform's environment variable.
    `scopes` are what the key allows, where you know it: tools that take more are left out. `sandbox` makes it the
    embedded one. `contract` is the version of the platform's interface, `presence` when to be online, where a market
    knows that. What else there is, the market declares as its `options`.
    """

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    kind: str | None = None
    credential: str | None = None
    api_key: SecretStr | None = None
    base_url: str | None = None
    sandbox: bool = False
    contract: Contract = "current"
    presence: Presence = "auto"
    scopes: tuple[str, ...] | None = None


class Settings(BaseSettings):
    """Everything that can be set, with the name it has in the configuration file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", hide_input_in_errors=True, env_ignore_empty=True
    )

    markets: Annotated[tuple[str, ...], NoDecode] = Field((), description="Use only these markets, by name.")
    toolsets: Annotated[tuple[str, ...], NoDecode] = Field((), description="Toolsets to register, or `all`.")
    read_only: bool = Field(False, description="Register only tools that change nothing.")
    state: str | None = Field(None, description="State file; by default in the user's state directory.")
    poll_interval: float = Field(MIN_INTERVAL, description="Seconds between two requests of the same question.")
    poll_budget: int = Field(3, ge=0, le=20, description="Further pages and filters of a feed in that time.")
    connect_timeout: Seconds = Field(USUAL.connect, description="Seconds to connect, and as many again for TLS.")
    read_timeout: Seconds = Field(USUAL.read, description="Seconds for the whole of a market's answer to a read.")
    write_timeout: Seconds = Field(USUAL.write, description="Seconds for the whole of its answer to a write.")
    market: dict[str, MarketSettings] = Field(
        default_factory=dict[str, MarketSettings], description="Accounts, one `[market.NAME]` table each."
    )

    @field_validator("markets", "toolsets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("toolsets")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name != "all" and name not in TOOLSETS:
                raise ValueError(f"there is no toolset {name!r}{_nearest(name, [*TOOLSETS, 'all'])}")
        return names

    @field_validator("state")
    @classmethod
    def _a_file(cls, path: str | None) -> str | None:
        # Nothing of it is repeated: such an address holds a password.
        if path is not None and "://" in path:
            raise ValueError("the state is one SQLite file, so this must be a path; no other database is supported")
        return path

    @field_validator("poll_interval")
    @classmethod
    def _slow_enough(cls, seconds: float) -> float:
        if not seconds >= MIN_INTERVAL:
            raise ValueError(f"{seconds:g} s is shorter than the {MIN_INTERVAL:g} s that the marketplaces ask for")
        if seconds > MAX_INTERVAL:
            raise ValueError(f"{seconds:g} s is longer than a day")
        return seconds

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))

    def passwords(self) -> dict[str, str]:
        """The passwords that the user gave, by kind of market."""
        kinds = [*MARKETS, *(table.kind or name for name, table in self.market.items())]
        markets = [market for kind in dict.fromkeys(kinds) if (market := find(kind)) is not None]
        given = {market.kind: os.environ.get(market.password_env) for market in markets if market.password_env}
        return {kind: password for kind, password in given.items() if password}

    @property
    def timeouts(self) -> Timeouts:
        """How long a market is waited for."""
        return Timeouts(self.connect_timeout, self.read_timeout, self.write_timeout)

    @property
    def state_path(self) -> Path:
        return Path(self.state).expanduser() if self.state else state_directory() / "state.db"


def state_directory() -> Path:
    """Where a user's state lives by default."""
    return Path(platformdirs.user_state_path("market-mcp"))


def config_file(given: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The configuration file: the one named, else the user's `market-mcp.toml`. Raises ConfigError.

    One that lies in the working directory is not picked up: clients start servers in the project they work on, and a
    stranger's project could send the user's keys to an address of its own.
    """
    named = given or (Path(environment["MARKET_MCP_CONFIG"]) if environment.get("MARKET_MCP_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError(f"there is no configuration file {named}")
        return named
    usual = Path(platformdirs.user_config_path("market-mcp")) / CONFIG_FILE
    return usual if usual.is_file() else None


def load(flags: Mapping[str, Any], file: Path | None) -> Settings:
    """The settings in force. Raises ConfigError, which names every setting that is wrong and no value of a secret."""

    class Sourced(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    strange = [_strange(name) for name, value in os.environ.items() if value and _is_unknown(name)]
    try:
        settings = Sourced(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join([*strange, *(_explained(detail) for detail in error.errors(include_input=False))])
        raise ConfigError(f"these settings cannot be used: {wrong}") from None
    except SettingsError as error:
        raise ConfigError(f"a MARKET_MCP_ variable cannot be read: {error}") from None
    except ValueError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    strange += [wrong for name, table in settings.market.items() for wrong in _options(name, table)[1]]
    if strange:
        raise ConfigError(f"these settings cannot be used: {'; '.join(strange)}")
    with_key = any(table.api_key is not None for table in settings.market.values())
    if file is not None and with_key and stat.S_IMODE(file.stat().st_mode) & 0o077 and sys.platform != "win32":
        raise ConfigError(f"others can read {file}, and it holds a key; run: chmod 600 {file}")
    return settings


def accounts(
    settings: Settings, sandbox_keys: Mapping[str, str], stored: Mapping[str, Mapping[str, str]]
) -> list[Account]:
    """The accounts to act on. Raises ConfigError.

    With nothing configured, the three sandbox markets. With anything configured, only that: pretend and real work mix
    only where a `[market.NAME]` table says `sandbox = true`. `sandbox_keys` are the keys of the sandbox by kind,
    `stored` the entries of the credential store by name.
    """
    tables = dict(settings.market)
    for kind, market in MARKETS.items():
        if (_environment(market) != (None, None)) and kind not in tables:
            tables[kind] = MarketSettings()
    if not tables:
        tables = {kind: MarketSettings(sandbox=True, contract="seed") for kind in MARKETS}
    found = [_account(name, table, sandbox_keys, stored) for name, table in tables.items()]
    for name in settings.markets:
        if name not in tables:
            raise ConfigError(f"there is no market {name!r}{_nearest(name, list(tables))}")
    return [account for account in found if not settings.markets or account.name in settings.markets]


def _account(
    name: str,
    table: MarketSettings,
    sandbox_keys: Mapping[str, str],
    stored: Mapping[str, Mapping[str, str]],
) -> Account:
    kind = table.kind or name
    market = find(kind)
    if market is None:
        raise ConfigError(f"[market.{name}]: there is no kind of market {kind!r}{_nearest(kind, list(MARKETS))}")
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", name):
        raise ConfigError(f"[market.{name}]: a name is lower-case letters, digits, - and _, at most 32")
    # A second account of a kind has a name of its own, and the platform's variables are not about it.
    given_key, given_url = _environment(market) if name == kind else (None, None)
    if table.sandbox and kind not in sandbox_keys:
        raise ConfigError(f"[market.{name}]: the sandbox has no {market.name}; leave `sandbox` out")
    if table.sandbox:
        base_url, given_key = f"{SANDBOX_URL}/{kind}", SecretStr(sandbox_keys[kind])
    else:
        base_url = _checked_url(name, given_url or table.base_url or market.base_urls[table.contract])
    entry = _kept(name, table, stored, base_url)
    kept = SecretStr(entry["secret"]) if entry else None
    written = (
        (table.api_key, f"api_key in [market.{name}]"),
        (kept, f"credential in [market.{name}]"),
    )
    given = (given_key, "the sandbox" if table.sandbox else market.key_env)
    # The environment goes before the file; only the sandbox's well-known keys come last.
    found = (*written, given) if table.sandbox else (given, *written)
    key, source = next(((key, source) for key, source in found if key), (None, ""))
    scopes = table.scopes or _scopes(key, base_url, stored)
    return Account(
        name,
        kind,
        base_url,
        None if key is None else _checked_key(name, key, source, market),
        sandbox=table.sandbox,
        presence=table.presence,
        contract="seed" if table.sandbox else table.contract,
        variants=_options(name, table)[0],
        scopes=frozenset(scopes) or None,
        key_from=source,
    )


def _kept(
    name: str, table: MarketSettings, stored: Mapping[str, Mapping[str, str]], base_url: str
) -> Mapping[str, str]:
    """The entry of the credential store that a table names; its key goes only where it came from. Raises ConfigError.

    Empty where the table names none.
    """
    if table.credential is None:
        return {}
    if table.credential not in stored:
        known = _nearest(table.credential, list(stored))
        raise ConfigError(f"[market.{name}]: the credential store has no {table.credential!r}{known}")
    entry = stored[table.credential]
    if not entry["secret"]:
        raise ConfigError(
            f"[market.{name}]: {table.credential!r} has no key, since it is not known whether that account was made; "
            "the tool login gets one if it was"
        )
    if entry["base_url"] != base_url:
        raise ConfigError(f"[market.{name}]: {table.credential!r} was made at another address, {entry['base_url']}")
    return entry


def _scopes(key: SecretStr | None, base_url: str, stored: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What a key allows that was made here, wherever it was put since: the credential store tells."""
    made = {(entry["secret"], entry["base_url"]): entry.get("scopes", "") for entry in stored.values()}
    return made.get((key.get_secret_value().strip(), base_url), "").split() if key else []


def _environment(market: Market) -> tuple[SecretStr | None, str | None]:
    """The key and the base URL that the environment gives for a market's own account."""
    key = os.environ.get(market.key_env)
    return SecretStr(key) if key else None, os.environ.get(market.base_url_env) or None


def _options(name: str, table: MarketSettings) -> tuple[Variants, list[str]]:
    """The rows that a table's further settings choose, and what is wrong with these."""
    market = find(table.kind or name)
    if market is None:
        return {}, []
    variants: dict[str, str] = {}
    wrong: list[str] = []
    for option, value in (table.model_extra or {}).items():
        place, values = f"market.{name}.{option}", market.options.get(option)
        if values is None:
            known = [*MarketSettings.model_fields, *market.options]
            wrong.append(f"{place}: there is no such setting{_nearest(option, known)}")
        elif value not in list(values):
            wrong.append(f"{place}: must be one of {', '.join(values)}")
        else:
            variants |= values[value]
    return variants, wrong


def _checked_url(name: str, url: str) -> str:
    """https, or http to this machine; no user, query or fragment in it. Raises ConfigError."""
    match = re.fullmatch(r"(https?)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?(?:/[A-Za-z0-9._~-]+)*/?", url)
    if match is None or ".." in url or int(match[3] or 0) > 65_535:
        raise ConfigError(f"{name}: the base URL must look like https://host, without user, query or fragment")
    scheme, host = match[1], match[2]
    if scheme == "http" and host not in {"127.0.0.1", "localhost", "[::1]"}:
        raise ConfigError(f"{name}: the key would travel unencrypted to {host}; use https")
    return url.rstrip("/")


def _checked_key(name: str, secret: SecretStr, source: str, market: Market) -> str:
    """The key without surrounding blanks; refused, unprinted, if no header can hold it or it is another market's."""
    key = secret.get_secret_value().strip()
    if re.search(r"[${}<>]", key):
        raise ConfigError(f"{name}: {source} holds a placeholder that nobody replaced by the key")
    if not re.fullmatch(r"[\x21-\x7e]{1,4096}", key):
        raise ConfigError(f"{name}: the key from {source} holds blanks or control characters; copy it again")
    for other in MARKETS.values():
        # Sent there, it would be given away.
        if other.key_pattern.fullmatch(key) and not market.key_pattern.fullmatch(key):
            raise ConfigError(f"{name}: the key from {source} is one of {other.name}, not of {market.name}")
    return key


def _is_unknown(variable: str) -> bool:
    """Whether a variable has our prefix and no meaning. As the settings do, this takes either case."""
    return variable.upper().startswith(PREFIX) and variable.upper() not in _variables()


def _variables() -> list[str]:
    """The variables with our prefix that there are."""
    return [*(f"{PREFIX}{name.upper()}" for name in Settings.model_fields), f"{PREFIX}CONFIG"]


def _strange(variable: str) -> str:
    """What is wrong with a variable that has no meaning; its value is not repeated."""
    if variable.upper() == f"{PREFIX}APPROVAL":
        return (
            f"{variable}: approvals are not built yet, so nobody would be asked; leave it out, keep your client's own "
            f"confirmation on, or set {PREFIX}READ_ONLY=true"
        )
    return f"{variable}: there is no such variable{_nearest(variable.upper(), _variables())}"


def _explained(detail: Mapping[str, Any]) -> str:
    """One thing that is wrong with the settings, without its value."""
    place = [str(part) for part in detail["loc"]]
    if detail["type"] != "extra_forbidden":
        return f"{'.'.join(place)}: {detail['msg']}"
    return f"{'.'.join(place)}: there is no such setting{_nearest(place[-1], list(Settings.model_fields))}"


def _nearest(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(names) or 'none'}"
