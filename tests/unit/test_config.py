"""Settings come from where they should, wrong ones are named with the remedy, and no secret is ever printed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from market_mcp import config
from market_mcp.accounts import Account
from market_mcp.errors import ConfigError
from market_mcp.markets import MARKETS

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


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> User:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return User(monkeypatch, tmp_path)


# Where settings come from


def test_a_default_holds_where_nothing_is_said(user: User, tmp_path: Path) -> None:
    settings = user.settings()
    assert (settings.poll_interval, settings.poll_budget, settings.read_only, settings.toolsets) == (60, 3, False, ())
    assert settings.state_path == tmp_path / "state" / "market-mcp" / "state.db"


def test_the_file_goes_before_the_default(user: User) -> None:
    settings = user.writes('poll_interval = 90\ntoolsets = ["board", "work"]\nread_only = true').settings()
    assert (settings.poll_interval, settings.toolsets, settings.read_only) == (90, ("board", "work"), True)


def test_the_environment_goes_before_the_file(user: User) -> None:
    user.writes('poll_interval = 90\ntoolsets = ["board"]')
    settings = user.exports(MARKET_MCP_POLL_INTERVAL="120", MARKET_MCP_TOOLSETS="work, chat").settings()
    assert (settings.poll_interval, settings.toolsets) == (120, ("work", "chat"))


def test_a_flag_goes_before_the_environment(user: User) -> None:
    user.exports(MARKET_MCP_TOOLSETS="work", MARKET_MCP_READ_ONLY="true", MARKET_MCP_STATE="/elsewhere")
    settings = user.settings(toolsets="board", read_only=False, state="/here/state.db")
    assert (settings.toolsets, settings.read_only, settings.state_path) == (("board",), False, Path("/here/state.db"))


def test_a_flag_that_was_not_given_and_an_empty_variable_say_nothing(user: User) -> None:
    user.writes("poll_interval = 90").exports(MARKET_MCP_POLL_INTERVAL="", POLT_API_KEY="")
    assert user.settings(toolsets=None, read_only=None).poll_interval == 90
    assert all(account.sandbox for account in user.accounts(toolsets=None).values())


def test_a_state_file_below_the_home_directory_may_be_written_with_a_tilde(user: User, tmp_path: Path) -> None:
    assert user.settings(state="~/mine.db").state_path == tmp_path / "mine.db"


def test_the_file_named_goes_before_the_users_own(user: User, tmp_path: Path) -> None:
    assert config.config_file(None, {}) is None
    own = tmp_path / "config" / "market-mcp" / "market-mcp.toml"
    own.parent.mkdir(parents=True)
    own.touch(mode=0o600)
    assert config.config_file(None, {}) == own
    named = user.writes("").file
    assert config.config_file(None, {"MARKET_MCP_CONFIG": str(named)}) == named
    assert config.config_file(own, {"MARKET_MCP_CONFIG": str(named)}) == own


def test_a_file_that_is_named_and_missing_is_refused(user: User, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration file .*missing\.toml"):
        config.config_file(tmp_path / "missing.toml", {})


def test_a_file_that_lies_in_the_working_directory_is_not_picked_up(user: User, tmp_path: Path) -> None:
    (tmp_path / "market-mcp.toml").write_text('[market.polt]\nbase_url = "https://evil.example"')
    assert config.config_file(None, {}) is None


# What is refused


@pytest.mark.parametrize("seconds", ["59", "59.999", "0", "-60", "nan", "1e-9"])
def test_an_interval_below_what_the_marketplaces_ask_for_is_refused(user: User, seconds: str) -> None:
    said = user.exports(MARKET_MCP_POLL_INTERVAL=seconds).refused()
    assert "poll_interval" in said
    assert "60 s" in said


@pytest.mark.parametrize(("budget", "fine"), [("0", True), ("20", True), ("-1", False), ("21", False), ("x", False)])
def test_a_budget_is_a_small_number(user: User, budget: str, fine: bool) -> None:
    user.exports(MARKET_MCP_POLL_BUDGET=budget)
    if fine:
        assert user.settings().poll_budget == int(budget)
    else:
        assert "poll_budget" in user.refused()


@pytest.mark.parametrize(
    ("text", "wrong", "meant"),
    [
        ("pol_interval = 90", "pol_interval", "poll_interval"),
        ("poll-interval = 90", "poll-interval", "poll_interval"),
        ("[market.polt]\nbase_ulr = 'https://polt.fun'", "market.polt.base_ulr", "base_url"),
        (f"[market.polt]\napikey = '{CANARY}'", "market.polt.apikey", "api_key"),
        ("[markets.polt]\nsandbox = true", "markets", ""),
        ("toolset = ['board']", "toolset", "toolsets"),
    ],
)
def test_a_key_in_the_file_that_is_no_setting_is_refused_with_the_nearest(
    user: User, text: str, wrong: str, meant: str
) -> None:
    said = user.writes(text).refused()
    assert wrong in said
    assert meant in said


@pytest.mark.parametrize(("given", "meant"), [("bord", "board"), ("work,chats", "chat"), ("everything", "all")])
def test_a_toolset_that_there_is_not_is_refused_with_the_nearest_or_all_there_are(
    user: User, given: str, meant: str
) -> None:
    said = user.refused(toolsets=given)
    assert "there is no toolset" in said
    assert meant in said


def test_everything_that_is_wrong_is_named_at_once(user: User) -> None:
    said = user.writes("poll_interval = 5\npoll_budget = 99\nspeed = 'fast'").refused()
    assert all(name in said for name in ("poll_interval", "poll_budget", "speed"))


@pytest.mark.parametrize("text", ["not toml", "poll_interval = ", "[market.polt", 'a = "\\ud800"', "a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_refused_by_name(user: User, text: str) -> None:
    assert "settings.toml is not valid TOML" in user.writes(text).refused()


# Addresses and keys


BAD_BASES = [
    "", " ", "polt.fun", "//polt.fun", "http://polt.fun", "http://10.0.0.7", "http://127.0.0.1.evil.example",
    "http://localhost.evil.example", "http://127.0.0.1@evil.example", f"https://user:{CANARY}@polt.fun",
    f"https://{CANARY}@polt.fun", f"https://polt.fun/?key={CANARY}", f"https://polt.fun/#{CANARY}", "https://",
    "https:///api", "https://polt.fun/../cto", "https://polt.fun/a/../..", "https://polt.fun:port", "ftp://polt.fun",
    "file:///etc/passwd", "javascript:alert(1)", "https://polt.fun\\@evil.example", "https://polt .fun",
    "https://polt.fun\n", "https://polt.fun/\r\nx: y", "https://pölt.fun", "https://polt.fun//api", "https://[::1",
    "https://%70olt.fun", "https://polt.fun/%2e%2e",
]  # fmt: skip


@pytest.mark.parametrize("base", BAD_BASES)
@pytest.mark.parametrize("by", ["environment", "file"])
def test_a_base_address_that_could_carry_the_key_elsewhere_is_refused_unprinted(user: User, base: str, by: str) -> None:
    user.exports(POLT_API_KEY="polt_good1234")
    if by == "environment" and base:
        user.exports(POLT_BASE_URL=base)
    else:
        quoted = base.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        user.writes(f'[market.polt]\nbase_url = "{quoted}"')
    if base:
        assert "polt" in user.refused()
    else:
        assert user.accounts()["polt"].base_url == MARKETS["polt"].base_urls["current"]


@pytest.mark.parametrize(
    ("base", "kept"),
    [
        ("https://polt.fun", "https://polt.fun"),
        ("https://polt.fun/", "https://polt.fun"),
        ("https://polt.fun:8443/api-v2/x", "https://polt.fun:8443/api-v2/x"),
        ("http://127.0.0.1:8766/polt", "http://127.0.0.1:8766/polt"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000/", "http://[::1]:3000"),
        ("https://[2001:db8::7]", "https://[2001:db8::7]"),
    ],
)
def test_a_base_address_is_https_or_this_machine(user: User, base: str, kept: str) -> None:
    assert user.exports(POLT_BASE_URL=base).accounts()["polt"].base_url == kept


@pytest.mark.parametrize(
    "key",
    [f"{CANARY} x", f"{CANARY}\tx", f"{CANARY}\nx", f"{CANARY}\x07", f"{CANARY}ü", f"{CANARY}\u200b",
     f"Bearer {CANARY}", f"{CANARY}${{X}}", f"<{CANARY}>", CANARY * 400],
)  # fmt: skip
@pytest.mark.parametrize("by", ["environment", "file"])
def test_a_key_that_cannot_be_one_is_refused_unprinted(user: User, key: str, by: str) -> None:
    if by == "environment":
        user.exports(POLT_API_KEY=key)
    else:
        quoted = "".join(f"\\u{ord(char):04x}" if not char.isprintable() else char for char in key)
        user.writes(f'[market.polt]\napi_key = "{quoted}"')
    assert "POLT_API_KEY" in user.refused()


@pytest.mark.parametrize("key", [f"{CANARY}\n", f" {CANARY}", f"\t{CANARY} \r\n"])
def test_blanks_around_a_key_are_dropped(user: User, key: str) -> None:
    assert user.exports(POLT_API_KEY=key).accounts()["polt"].key == CANARY


def test_no_key_shows_in_what_settings_and_accounts_print_of_themselves(user: User) -> None:
    user.exports(POLT_API_KEY=CANARY, OPENTASK_TOKEN=CANARY, OPENTASK_PASSWORD=CANARY)
    user.writes(f'[market.agentjob]\napi_key = "{CANARY}"')
    settings = user.settings()
    for shown in (settings, settings.market, user.accounts(), settings.model_dump()):
        assert CANARY not in repr(shown)
        assert CANARY not in str(shown)


# Which markets there are


def test_with_nothing_configured_the_three_markets_are_pretend(user: User) -> None:
    found = user.accounts()
    assert list(found) == ["polt", "agentjob", "opentask"]
    assert all(account.sandbox for account in found.values())
    assert all(account.base_url.startswith(config.SANDBOX_URL) for account in found.values())
    assert [account.key for account in found.values()] == list(SANDBOX_KEYS.values())


@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [
        ("POLT_API_KEY", "polt_12345678", "polt"),
        ("AGENTJOB_API_KEY", "ak_12345678", "agentjob"),
        ("OPENTASK_TOKEN", "ot_12345678", "opentask"),
        ("OPENTASK_BASE_URL", "https://opentask.ai", "opentask"),
    ],
)
def test_one_live_market_configured_means_only_that_one(user: User, variable: str, value: str, name: str) -> None:
    found = user.exports(**{variable: value}).accounts()
    assert list(found) == [name]
    assert not found[name].sandbox
    assert found[name].contract == "current"
    assert found[name].base_url == MARKETS[name].base_urls["current"]


def test_the_sandboxs_keys_go_nowhere_but_to_the_sandbox(user: User) -> None:
    found = user.exports(OPENTASK_BASE_URL="https://opentask.ai").accounts()
    assert found["opentask"].key is None


def test_pretend_and_real_mix_only_by_name(user: User) -> None:
    found = user.exports(POLT_API_KEY=CANARY).writes("[market.opentask]\nsandbox = true").accounts()
    assert {name: (a.sandbox, a.key) for name, a in found.items()} == {
        "opentask": (True, "ot_sandbox"),
        "polt": (False, CANARY),
    }


def test_a_pretend_market_never_gets_the_real_key_of_the_environment(user: User) -> None:
    found = user.exports(POLT_API_KEY=CANARY).writes("[market.polt]\nsandbox = true").accounts()
    assert (found["polt"].key, found["polt"].base_url) == ("polt_sandbox", f"{config.SANDBOX_URL}/polt")


def test_two_accounts_of_one_kind_are_two_tables_with_a_kind(user: User) -> None:
    user.exports(POLT_API_KEY=CANARY, POLT_BASE_URL="https://polt.fun.ngrok.app")
    found = user.writes(
        '[market.polt]\n[market.polt-two]\nkind = "polt"\napi_key = "polt_two45678"\n'
        '[market.other]\nkind = "polt"\nbase_url = "https://other.example"'
    ).accounts()
    assert {name: (a.kind, a.key, a.base_url) for name, a in found.items()} == {
        "polt": ("polt", CANARY, "https://polt.fun.ngrok.app"),
        "polt-two": ("polt", "polt_two45678", "https://polt.fun"),
        # The environment's key is for the platform's own name and goes to no other address.
        "other": ("polt", None, "https://other.example"),
    }
    assert len({account.id for account in found.values()}) == 3


@pytest.mark.parametrize("kind", ["pollt", "fiverr"])
def test_a_kind_that_there_is_not_is_refused_with_those_there_are(user: User, kind: str) -> None:
    said = user.writes(f'[market.mine]\nkind = "{kind}"').refused()
    assert "no kind of market" in said
    assert "polt" in said


@pytest.mark.parametrize("name", ["Polt", "my market", "a:b", "-x", "x" * 33, "1st", "é"])
def test_a_name_that_could_not_stand_in_a_handle_is_refused(user: User, name: str) -> None:
    assert "a name is" in user.writes(f'[market."{name}"]\nkind = "polt"').refused()


def test_markets_can_be_chosen_by_name(user: User) -> None:
    assert list(user.accounts(markets=["polt", "opentask"])) == ["polt", "opentask"]
    assert list(user.exports(MARKET_MCP_MARKETS="agentjob").accounts()) == ["agentjob"]


def test_choosing_a_market_that_is_not_configured_is_refused_with_the_nearest(user: User) -> None:
    assert "did you mean 'polt'" in user.refused(markets=["pollt"])
    assert "there are: polt" in user.exports(POLT_API_KEY="polt_12345678").refused(markets=["agentjob"])


def test_a_market_can_be_held_to_the_interface_that_its_document_describes(user: User) -> None:
    found = user.writes('[market.agentjob]\ncontract = "seed"\npresence = "on"\nupvote = "rest"').accounts()["agentjob"]
    assert (found.contract, found.base_url) == ("seed", MARKETS["agentjob"].base_urls["seed"])
    assert (found.presence, found.variants) == ("on", {"upvote_post": "rest"})


@pytest.mark.parametrize("line", ['contract = "old"', 'presence = "maybe"', "sandbox = 7", 'kind = ["polt"]'])
def test_a_market_setting_of_another_kind_is_refused_by_its_name(user: User, line: str) -> None:
    assert f"market.polt.{line.partition(' ')[0]}" in user.writes(f"[market.polt]\n{line}").refused()


STORED = {"mine": {"secret": CANARY, "base_url": "https://opentask.ai", "scopes": "bids:read bids:write"}}


def test_a_key_of_the_credential_store_is_named_by_the_file(user: User) -> None:
    found = user.writes('[market.opentask]\ncredential = "mine"').accounts(STORED)["opentask"]
    assert (found.key, found.scopes) == (CANARY, {"bids:read", "bids:write"})


def test_a_key_of_the_credential_store_goes_only_where_it_came_from(user: User) -> None:
    user.writes('[market.opentask]\ncredential = "mine"\nbase_url = "https://evil.example"')
    with pytest.raises(ConfigError, match="another address") as caught:
        user.accounts(STORED)
    assert CANARY not in str(caught.value)


def test_a_credential_that_there_is_not_is_refused_with_the_nearest(user: User) -> None:
    user.writes('[market.opentask]\ncredential = "mne"')
    with pytest.raises(ConfigError, match="did you mean 'mine'"):
        user.accounts(STORED)


def test_the_environment_goes_before_the_file_for_addresses_and_keys_too(user: User) -> None:
    user.writes('[market.polt]\nbase_url = "https://file.example"\napi_key = "polt_file1234"')
    found = user.exports(POLT_BASE_URL="https://env.example", POLT_API_KEY=CANARY).accounts()["polt"]
    assert (found.base_url, found.key) == ("https://env.example", CANARY)


def test_a_port_that_there_is_not_is_refused(user: User) -> None:
    assert "polt" in user.exports(POLT_BASE_URL="https://polt.fun:65536").refused()


@pytest.mark.parametrize("seconds", ["inf", "1e300"])
def test_an_interval_that_never_ends_is_refused(user: User, seconds: str) -> None:
    assert "poll_interval" in user.exports(MARKET_MCP_POLL_INTERVAL=seconds).refused()


def test_a_file_with_a_key_that_others_can_read_is_refused_with_the_remedy(user: User) -> None:
    user.writes(f'[market.polt]\napi_key = "{CANARY}"').file.chmod(0o644)
    assert f"chmod 600 {user.file}" in user.refused()


def test_a_variable_that_cannot_be_read_is_named_and_not_the_file(user: User) -> None:
    said = user.exports(MARKET_MCP_MARKET="{" + CANARY).refused()
    assert "MARKET" in said
    assert "TOML" not in said
