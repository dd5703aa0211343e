"""Settings come from where they should, wrong ones are named with the remedy, and no secret is ever printed."""

from pathlib import Path

import pytest

from market_mcp import config
from market_mcp.errors import ConfigError
from market_mcp.markets import MARKETS
from user import CANARY, User

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


def test_time_outs_are_set_one_by_one(user: User) -> None:
    assert user.settings().timeouts == (5, 10, 30)
    user.writes("connect_timeout = 2.5\nwrite_timeout = 60").exports(MARKET_MCP_WRITE_TIMEOUT="90")
    assert user.settings().timeouts == (2.5, 10, 90)


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


@pytest.mark.parametrize("seconds", ["0", "-1", "0.09", "301", "nan", "inf", "soon"])
@pytest.mark.parametrize("name", ["connect_timeout", "read_timeout", "write_timeout"])
def test_a_time_out_that_no_answer_could_keep_or_that_never_comes_is_refused(
    user: User, name: str, seconds: str
) -> None:
    assert name in user.exports(**{f"MARKET_MCP_{name.upper()}": seconds}).refused()


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


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("MARKET_MCP_READONLY", "MARKET_MCP_READ_ONLY"),
        ("MARKET_MCP_TOOLSET", "MARKET_MCP_TOOLSETS"),
        ("market_mcp_readonly", "MARKET_MCP_READ_ONLY"),
        ("MARKET_MCP_POLT_API_KEY", "MARKET_MCP_"),
    ],
)
def test_a_variable_with_our_prefix_that_means_nothing_is_refused_with_the_nearest(
    user: User, variable: str, meant: str
) -> None:
    said = user.exports(**{variable: CANARY}).refused()
    assert f"{variable}: there is no such variable" in said
    assert meant in said.partition("variable")[2]


def test_variables_that_mean_nothing_are_named_together_with_everything_else_that_is_wrong(user: User) -> None:
    said = user.exports(MARKET_MCP_READONLY="true", MARKET_MCP_POLL_INTERVAL="5").refused()
    assert "MARKET_MCP_READONLY" in said
    assert "poll_interval" in said


def test_a_variable_that_is_empty_or_has_another_prefix_is_nobodys_mistake(user: User) -> None:
    user.exports(MARKET_MCP_READONLY="", MARKET_MCPX="1", MY_MARKET_MCP_READONLY="1", MARKET_MCP_CONFIG="")
    assert not user.settings().read_only


@pytest.mark.parametrize("value", ["ask", "auto", "deny"])
def test_approvals_are_not_promised_by_taking_their_setting(user: User, value: str) -> None:
    said = user.exports(MARKET_MCP_APPROVAL=value).refused()
    assert "MARKET_MCP_APPROVAL: approvals are not built yet" in said
    assert "MARKET_MCP_READ_ONLY=true" in said


@pytest.mark.parametrize("by", ["flag", "environment", "file"])
def test_a_state_that_is_an_address_is_refused_unprinted(user: User, by: str, tmp_path: Path) -> None:
    address = f"postgresql://me:{CANARY}@db.example/market"
    match by:
        case "flag":
            said = user.refused(state=address)
        case "environment":
            said = user.exports(MARKET_MCP_STATE=address).refused()
        case _:
            said = user.writes(f'state = "{address}"').refused()
    assert "state:" in said
    assert "must be a path" in said
    assert "db.example" not in said
    assert not list(tmp_path.glob("postgresql*"))


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
    assert ("POLT_API_KEY" if by == "environment" else "api_key in [market.polt]") in user.refused()


@pytest.mark.parametrize("by", ["environment", "file", "credential"])
def test_a_key_of_another_market_is_refused_before_it_is_sent_there(user: User, by: str) -> None:
    stored = {"mine": {"secret": CANARY, "base_url": "https://opentask.ai"}}
    match by:
        case "environment":
            user.exports(OPENTASK_TOKEN=CANARY)
        case "file":
            user.writes(f'[market.opentask]\napi_key = "{CANARY}"')
        case _:
            user.writes('[market.opentask]\ncredential = "mine"')
    with pytest.raises(ConfigError, match="is one of POLT, not of OpenTask") as caught:
        user.accounts(stored)
    assert CANARY not in str(caught.value)


def test_a_key_of_no_known_form_is_taken_since_platforms_may_change_theirs(user: User) -> None:
    assert user.exports(POLT_API_KEY="v2-canary").accounts()["polt"].key == "v2-canary"


@pytest.mark.parametrize("key", [f"{CANARY}\n", f" {CANARY}", f"\t{CANARY} \r\n"])
def test_blanks_around_a_key_are_dropped(user: User, key: str) -> None:
    assert user.exports(POLT_API_KEY=key).accounts()["polt"].key == CANARY


def test_no_key_shows_in_what_settings_and_accounts_print_of_themselves(user: User) -> None:
    user.exports(POLT_API_KEY=CANARY, OPENTASK_TOKEN=f"ot_{CANARY}", OPENTASK_PASSWORD=CANARY)
    user.writes(f'[market.agentjob]\napi_key = "ak_{CANARY}"')
    settings = user.settings()
    for shown in (settings, settings.market, user.accounts(), settings.model_dump()):
        assert CANARY not in repr(shown)
        assert CANARY not in str(shown)
