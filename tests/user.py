"""Somebody who sets things, for the tests of what comes of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from market_mcp import config
from market_mcp.accounts import Account
from market_mcp.errors import ConfigError

CANARY = "polt_canary5f3e"
SANDBOX_KEYS = {"polt": "polt_sandbox", "agentjob": "ak_sandbox", "opentask": "ot_sandbox"}
NAMES = (
    "POLT_API_KEY", "POLT_BASE_URL", "AGENTJOB_API_KEY", "AGENTJOB_BASE_URL", "OPENTASK_TOKEN", "OPENTASK_BASE_URL",
    "OPENTASK_PASSWORD", "MARKET_MCP_MARKETS", "MARKET_MCP_TOOLSETS", "MARKET_MCP_READ_ONLY", "MARKET_MCP_APPROVAL",
    "MARKET_MCP_STATE", "MARKET_MCP_POLL_INTERVAL", "MARKET_MCP_POLL_BUDGET", "MARKET_MCP_CONFIG",
)  # fmt: skip


class User:
    """Somebody who sets things, in the environment and in a file, and starts the server."""

    def __init__(self, environment: pytest.MonkeyPatch, home: Path) -> None:
        self._environment = environment
        self.file = home / "settings.toml"
        self._written = False

    def exports(self, **variables: str) -> "User":
        for name, value in variables.items():
            self._environment.setenv(name, value)
        return self

    def writes(self, text: str) -> "User":
        self.file.write_text(text)
        self.file.chmod(0o600)
        self._written = True
        return self

    def settings(self, **flags: Any) -> config.Settings:
        return config.load(flags, self.file if self._written else None)

    def accounts(self, stored: Mapping[str, Mapping[str, str]] | None = None, **flags: Any) -> dict[str, Account]:
        found = config.accounts(self.settings(**flags), SANDBOX_KEYS, stored or {})
        return {account.name: account for account in found}

    def refused(self, **flags: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            self.accounts(**flags)
        assert CANARY not in str(caught.value)
        assert CANARY not in repr(caught.value)
        return str(caught.value)
