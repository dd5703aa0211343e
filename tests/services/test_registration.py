"""Keys and passwords that are made through the server stay in the credential store; a model gets their names."""

import json
import stat
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import pytest

from market_mcp import config
from market_mcp.accounts import Account
from market_mcp.actions import TOOLSETS
from market_mcp.errors import ConfigError
from market_mcp.sandbox.faults import Fault
from market_mcp.sandbox.opentask.seeding import PASSWORD
from market_mcp.sandbox.world import KEYS
from market_mcp.state.credentials import CredentialStore
from rig import MARGIN, Json, Rig, Worker, environment, json_of, kept_in, sandbox_accounts

pytestmark = pytest.mark.anyio

SMITH: dict[str, object] = {"market": "opentask", "username": "smith", "email": "smith@example.com"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "credentials.json"


def kept(file: Path) -> dict[str, dict[str, str]]:
    """What stands in the store, which must be readable by nobody else."""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return dict(json.loads(file.read_text()))


def show(file: Path) -> None:
    """Lets everybody read it."""
    file.chmod(0o644)


@pytest.fixture
async def keyless(rig: Rig) -> AsyncGenerator[Worker]:
    async with rig.open(sandbox_accounts(["polt", "opentask"], keys={})) as worker:
        yield worker


async def test_registering_keeps_the_key_and_gives_its_name(both: Worker, file: Path) -> None:
    polt = await both.call("register_agent", market="polt", username="parser_smith", bio="Parsers.")
    opentask = await both.call("register_agent", **SMITH)
    assert polt["credential"] == "polt/parser_smith" and opentask["credential"] == "opentask/smith"
    store = kept(file)
    assert store["polt/parser_smith"]["secret"].startswith("polt_")
    assert store["opentask/smith"]["secret"].startswith("ot_")
    assert len(store["opentask/smith"]["password"]) >= 24
    assert json_of(both.wire.sent[-1])["password"] == store["opentask/smith"]["password"]
    assert "[market.…]" in polt["message"] and 'credential = "polt/parser_smith"' in polt["message"]


async def test_a_username_has_hyphens_where_the_market_takes_them(both: Worker, file: Path) -> None:
    name = "your-unique-username"
    assert (await both.call("register_agent", market="polt", username=name))["credential"] == f"polt/{name}"
    assert (await both.call("get_profile", profile_id=f"polt:{name}"))["profile"]["name"] == name
    both.wire.sent.clear()
    refusal = await both.refused("register_agent", **SMITH | {"username": name})
    assert (refusal.content["error"], both.wire.sent) == ("bad_call", []) and "no hyphen" in refusal.text
    assert f"opentask/{name}" not in kept(file)


async def test_a_public_key_goes_along_with_a_registration_where_the_market_takes_one(both: Worker) -> None:
    key = {"public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample", "public_key_name": "laptop"}
    await both.call("register_agent", **SMITH, **key)
    sent = json_of(both.wire.sent[-1])
    assert (sent["publicKey"], sent["publicKeyLabel"]) == (key["public_key"], key["public_key_name"])
    refusal = await both.refused("register_agent", market="polt", username="parser_smith", **key)
    assert "public_key" in refusal.text and refusal.content["effect"] == "none"


async def test_a_name_that_is_in_the_store_is_not_registered_again(both: Worker) -> None:
    await both.call("register_agent", **SMITH)
    before = len(both.wire.sent)
    assert "already holds 'opentask/smith'" in (await both.refused("register_agent", **SMITH)).text
    assert len(both.wire.sent) == before


async def test_the_password_of_a_registration_logs_in_later(both: Worker, file: Path) -> None:
    await both.call("register_agent", **SMITH)
    result = await both.call("login", email="smith@example.com", token_name="night shift")
    assert result["credential"] == "opentask/smith@example.com" and result["token_name"] == "night shift"
    store = kept(file)
    assert store["opentask/smith@example.com"]["secret"] != store["opentask/smith"]["secret"]


async def test_without_a_password_nothing_is_sent_and_the_user_is_to_be_asked(both: Worker) -> None:
    refusal = await both.refused("login", email="sandbox_agent@example.com")
    assert "OPENTASK_PASSWORD" in refusal.text and "never pass one as an argument" in refusal.text
    assert both.wire.sent == []


async def test_the_password_that_the_user_gave_is_used(rig: Rig, file: Path) -> None:
    async with rig.open(passwords={"opentask": PASSWORD}) as worker:
        result = await worker.call("login", email="sandbox_agent@example.com")
        assert result["handle"] == "sandbox_agent"
        assert kept(file)["opentask/sandbox_agent@example.com"]["secret"].startswith("ot_")


async def test_no_tool_takes_a_password_or_a_key(both: Worker) -> None:
    for tool in (await both.client.list_tools()).tools:
        assert not {"password", "api_key", "token", "secret"} & set(tool.input_schema["properties"]), tool.name
    assert {"register_agent", "login", "create_token"} <= {a.tool_name() for a in TOOLSETS["account"]}


async def test_a_server_without_a_key_acts_with_the_one_that_it_registered(keyless: Worker) -> None:
    assert "needs a key" in (await keyless.refused("list_bids")).text
    result = await keyless.call("register_agent", **SMITH)
    assert "acts with it from now on" in result["message"]
    assert (await keyless.call("list_bids"))["bids"] == []
    assert (await keyless.call("verify_key", market="opentask"))["account"]["name"] == "smith"
    assert (await keyless.call("list_markets"))["markets"][1]["key"] == "configured"
    assert "needs a key" in (await keyless.refused("verify_key", market="polt")).text


async def test_what_a_new_key_allows_is_what_the_market_says(keyless: Worker) -> None:
    await keyless.call("register_agent", **SMITH, scopes=["tasks:read", "tokens:read"])
    keyless.wire.sent.clear()
    refusal = await keyless.refused("list_bids")
    assert "lacks the scope bids:read" in refusal.text and keyless.wire.sent == []
    assert (await keyless.call("list_my_tasks"))["tasks"] == []


async def test_a_registration_does_not_change_who_a_server_with_a_key_is(both: Worker) -> None:
    await both.call("register_agent", **SMITH)
    assert (await both.call("verify_key", market="opentask"))["account"]["name"] == "sandbox_agent"


def named(credential: str, stored: Mapping[str, Mapping[str, str]]) -> list[Account]:
    """The accounts of a server whose configuration names an entry of the store."""
    table = {"sandbox": True, "credential": credential}
    return config.accounts(config.load({"market": {"opentask": table}}, None), KEYS, stored)


async def test_a_token_that_was_made_is_used_by_its_name(rig: Rig, file: Path) -> None:
    async with rig.open() as worker:
        result = await worker.call("create_token", name="reader", scopes=["bids:read"])
        assert result["credential"] == "opentask/token/reader" and result["scopes"] == ["bids:read"]
    async with rig.open(named("opentask/token/reader", kept(file))) as reader:
        assert (await reader.call("list_bids"))["bids"] == []
        assert "list_contracts" not in await reader.names()
    with pytest.raises(ConfigError, match="did you mean 'opentask/token/reader'"):
        named("opentask/token/raeder", kept(file))


async def test_no_secret_that_is_made_stands_anywhere_but_in_the_store(
    both: Worker, tmp_path: Path, file: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    said: list[str] = []

    async def say(tool: str, **arguments: object) -> Json:
        _, text, content = await both.ask(tool, **arguments)
        said.extend((text, str(content)))
        return content

    await say("register_agent", market="polt", username="parser_smith")
    await say("register_agent", **SMITH)
    await say("login", email="smith@example.com")
    await say("create_token", name="reader", scopes=["bids:read"])
    for tool in ("list_tokens", "list_markets", "my_work", "verify_key", "list_keys"):
        await say(tool)
    for kind in ("malformed", "status", "huge"):
        both.world.faults.add(Fault(kind))  # pyright: ignore[reportArgumentType]
        await say("create_token", name=kind, scopes=["bids:read"])
    secrets = {entry[name] for entry in kept(file).values() for name in ("secret", "password") if name in entry}
    assert len(secrets) == 6
    state = kept_in(tmp_path)
    captured = capfd.readouterr()
    for secret in secrets:
        assert secret not in "".join(said)
        assert secret.encode() not in state
        assert secret not in captured.out + captured.err + caplog.text


async def test_a_store_that_cannot_be_written_is_said_to_have_lost_the_key(
    both: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(CredentialStore, "_replace", full)
    refusal = await both.refused("create_token", name="reader", scopes=["bids:read"])
    assert "was made" in refusal.text and "could not be stored" in refusal.text and "It took effect." in refusal.text
    assert [token["name"] for token in (await both.call("list_tokens"))["tokens"]].count("reader") == 1


async def test_a_store_that_others_can_read_is_not_used_and_nothing_is_sent(both: Worker, file: Path) -> None:
    await both.call("create_token", name="reader", scopes=["bids:read"])
    show(file)
    before = len(both.wire.sent)
    assert "chmod 600" in (await both.refused("create_token", name="writer", scopes=["bids:write"])).text
    assert len(both.wire.sent) == before
    with pytest.raises(ConfigError, match="others can read"):
        CredentialStore(file).load()


def test_a_store_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text("{}")
    (tmp_path / "credentials.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ConfigError, match="no link"):
        CredentialStore(tmp_path / "credentials.json").load()


async def test_a_token_cannot_revoke_itself(both: Worker) -> None:
    own = (await both.call("list_tokens"))["tokens"][0]["id"]
    assert "cannot revoke itself" in (await both.refused("revoke_token", token_id=own)).text


async def test_a_sixth_registration_within_a_minute_is_not_sent(both: Worker) -> None:
    for number in range(5):
        await both.call("register_agent", market="opentask", username=f"smith_{number}", email=f"s{number}@x.example")
    refusal = await both.refused("register_agent", market="opentask", username="smith_5", email="s5@x.example")
    assert refusal.content["error"] == "too_soon" and refusal.content["retry_after_seconds"] == 60
    assert len(both.wire.sent) == 5
    await both.clock.advance(60)
    await both.call("register_agent", market="opentask", username="smith_5", email="s5@x.example")


@pytest.mark.parametrize("kind", ["drop_after", "malformed", "status"])
async def test_an_account_whose_registration_got_no_answer_can_be_logged_in_to(
    keyless: Worker, file: Path, kind: str
) -> None:
    keyless.world.faults.add(Fault(kind, market="opentask", path="*/register"))  # pyright: ignore[reportArgumentType]
    refusal = await keyless.refused("register_agent", **SMITH)
    assert refusal.content["error"] == "outcome_unknown" and "login" in refusal.text
    password = kept(file)["opentask/smith"]["password"]
    assert password not in refusal.text and kept(file)["opentask/smith"]["secret"] == ""
    if kind == "status":
        # It never got there: login says so, and the same registration goes through with the same password.
        assert "401" in (await keyless.refused("login", email="smith@example.com")).text
        await keyless.call("register_agent", **SMITH)
        assert kept(file)["opentask/smith"]["password"] == password
    else:
        assert "409" in (await keyless.refused("register_agent", **SMITH)).text
        await keyless.call("login", email="smith@example.com")
        assert list(kept(file)) == ["opentask/smith@example.com"]
    assert (await keyless.call("verify_key", market="opentask"))["account"]["name"] == "smith"


async def test_a_registration_that_was_refused_leaves_nothing_in_the_store(both: Worker, file: Path) -> None:
    refusal = await both.refused("register_agent", **SMITH | {"email": "sandbox_agent@example.com"})
    assert "409" in refusal.text and kept(file) == {}
    assert "already holds" not in (await both.ask("register_agent", **SMITH))[1]


async def test_the_password_of_one_unsettled_registration_is_not_lost_to_another(both: Worker, file: Path) -> None:
    both.world.faults.add(Fault("drop_after", market="opentask", path="*/register"))
    await both.refused("register_agent", **SMITH)
    before, sent = kept(file), len(both.wire.sent)
    refusal = await both.refused("register_agent", **SMITH | {"email": "other@example.com"})
    assert "choose another username" in refusal.text
    assert kept(file) == before and len(both.wire.sent) == sent


async def test_a_store_that_cannot_be_written_is_found_before_a_password_is_sent(
    both: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(CredentialStore, "_replace", full)
    refusal = await both.refused("register_agent", **SMITH)
    assert "no space left" in refusal.text and refusal.content["effect"] == "none"
    assert both.wire.sent == []


async def test_two_tokens_of_one_name_are_both_kept(both: Worker, file: Path) -> None:
    made = [await both.call("create_token", name="reader", scopes=["bids:read"]) for _ in range(3)]
    names = [one["credential"] for one in made]
    assert names == ["opentask/token/reader", "opentask/token/reader/2", "opentask/token/reader/3"]
    assert len({kept(file)[name]["secret"] for name in names}) == 3


async def test_a_second_login_leaves_the_first_token_in_the_store(both: Worker, file: Path) -> None:
    await both.call("register_agent", **SMITH)
    made = [(await both.call("login", email="smith@example.com"))["credential"] for _ in range(2)]
    assert made == ["opentask/smith@example.com", "opentask/smith@example.com/2"]
    assert len({kept(file)[name]["secret"] for name in ("opentask/smith", *made)}) == 3


ADDING = """
import sys
from pathlib import Path
from market_mcp.state.credentials import CredentialStore

print("ready", flush=True)
with CredentialStore(Path(sys.argv[1])).changing() as entries:
    entries["other"] = {"kind": "polt", "base_url": "https://x.example", "secret": "s"}
"""


def test_two_processes_that_store_keys_at_the_same_time_lose_none(file: Path) -> None:
    with CredentialStore(file).changing() as entries:
        arguments = [sys.executable, "-c", ADDING, str(file)]
        other = subprocess.Popen(arguments, env=environment(), stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.5)
        entries["mine"] = {"kind": "polt", "base_url": "https://x.example", "secret": "s"}
    assert other.wait(MARGIN) == 0
    other.stdout.close()
    assert set(kept(file)) == {"mine", "other"}


@pytest.mark.parametrize("content", ["[]", "{", '{"polt/smith": "polt_x"}', '{"polt/smith": {"secret": "polt_x"}}'])
def test_a_store_that_is_none_of_ours_is_refused_in_words(file: Path, content: str) -> None:
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match=r"none of ours|'polt/smith' needs base_url"):
        CredentialStore(file).load()
