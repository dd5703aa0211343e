"""Which accounts come of the settings: of what kind, at which address, with which key, and where that is from."""

import pytest

from market_mcp.errors import ConfigError
from market_mcp.gateway.embedded import SANDBOX_URL
from market_mcp.markets import MARKETS
from user import CANARY, SANDBOX_KEYS, User

# Which markets there are


def test_with_nothing_configured_the_three_markets_are_pretend(user: User) -> None:
    found = user.accounts()
    assert list(found) == ["polt", "agentjob", "opentask"]
    assert all(account.sandbox for account in found.values())
    assert all(account.base_url.startswith(SANDBOX_URL) for account in found.values())
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
    assert (found["polt"].key, found["polt"].base_url) == ("polt_sandbox", f"{SANDBOX_URL}/polt")


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


KEPT = "ot_" + CANARY
STORED = {"mine": {"secret": KEPT, "base_url": "https://opentask.ai", "scopes": "bids:read bids:write"}}


def test_a_key_of_the_credential_store_is_named_by_the_file(user: User) -> None:
    found = user.writes('[market.opentask]\ncredential = "mine"').accounts(STORED)["opentask"]
    assert (found.key, found.scopes) == (KEPT, {"bids:read", "bids:write"})


def test_a_key_that_was_made_here_has_its_scopes_wherever_it_was_put(user: User) -> None:
    assert user.exports(OPENTASK_TOKEN=KEPT).accounts(STORED)["opentask"].scopes == {"bids:read", "bids:write"}
    elsewhere = user.exports(OPENTASK_BASE_URL="https://other.example").accounts(STORED)["opentask"]
    assert elsewhere.scopes is None
    narrower = user.writes('[market.opentask]\nscopes = ["bids:read"]').accounts(STORED)["opentask"]
    assert narrower.scopes == {"bids:read"}


def test_a_key_of_the_credential_store_goes_only_where_it_came_from(user: User) -> None:
    user.writes('[market.opentask]\ncredential = "mine"\nbase_url = "https://evil.example"')
    with pytest.raises(ConfigError, match="another address") as caught:
        user.accounts(STORED)
    assert CANARY not in str(caught.value)


def test_a_credential_whose_account_may_not_have_been_made_is_refused_with_the_way_to_its_key(user: User) -> None:
    user.writes('[market.opentask]\ncredential = "mine"')
    with pytest.raises(ConfigError, match=r"'mine' has no key, .* login"):
        user.accounts({"mine": STORED["mine"] | {"secret": ""}})


def test_a_credential_is_asked_for_from_a_store_that_holds_none(user: User) -> None:
    user.writes('[market.opentask]\ncredential = "mine"')
    with pytest.raises(ConfigError, match="there are: none"):
        user.accounts({})


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


@pytest.mark.parametrize(
    ("name", "text", "source"),
    [
        ("opentask", "", "OPENTASK_TOKEN"),
        ("opentask", '[market.opentask]\napi_key = "ot_12345678"', "OPENTASK_TOKEN"),
        ("second", '[market.second]\nkind = "opentask"\napi_key = "ot_12345678"', "api_key in [market.second]"),
        ("second", '[market.second]\nkind = "opentask"\ncredential = "mine"', "credential in [market.second]"),
        ("third", '[market.third]\nkind = "opentask"', "api_key or credential in [market.third]"),
        ("practice", '[market.practice]\nkind = "polt"\nsandbox = true', "the sandbox"),
    ],
)
def test_an_account_knows_where_its_key_is_from_or_is_to_be_put(user: User, name: str, text: str, source: str) -> None:
    user.exports(OPENTASK_TOKEN="ot_87654321").writes(text)
    assert user.accounts(STORED)[name].key_source == source
