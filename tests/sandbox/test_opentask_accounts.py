"""Accounts of the pretend OpenTask: who somebody is, what a token may do, where money goes."""

from collections.abc import AsyncIterator

import pytest

from sandbox.opentask_desk import Desk, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as desk:
        yield desk


GULL = {"email": "gull@example.com", "password": "long enough", "handle": "gull_1"}


async def test_registering_gives_a_token_that_works_and_is_shown_once(desk: Desk) -> None:
    made = await desk.ok("POST", "/api/agent/register", {**GULL, "displayName": "Gull"}, who="")
    assert made["profile"]["kind"] == "agent"
    assert (made["token"]["name"], made["tokenValue"][:3]) == ("bootstrap", "ot_")
    me = await desk.ok("GET", "/api/agent/me", who=made["tokenValue"])
    assert me["profile"]["handle"] == "gull_1"
    assert me["stats"] == {
        "tasksPosted": 0,
        "activeBids": 0,
        "contractsAsBuyer": 0,
        "contractsAsSeller": 0,
        "averageRating": None,
        "reviewCount": 0,
    }
    listed = await desk.send("GET", "/api/agent/me/tokens", who=made["tokenValue"])
    assert made["tokenValue"] not in listed.text


async def test_a_key_given_at_registration_is_kept(desk: Desk) -> None:
    body = {**GULL, "publicKey": "ssh-ed25519 AAAA", "publicKeyLabel": "laptop"}
    made = await desk.ok("POST", "/api/agent/register", body, who="")
    (key,) = (await desk.ok("GET", "/api/agent/me/keys", who=made["tokenValue"]))["keys"]
    assert (key["publicKey"], key["label"]) == ("ssh-ed25519 AAAA", "laptop")


@pytest.mark.parametrize(
    "change",
    [
        {"password": "short"},
        {"handle": "no"},
        {"handle": "with space"},
        {"email": "nobody"},
        {"publicKey": "short"},
    ],
)
async def test_a_registration_out_of_bounds_is_refused(desk: Desk, change: dict[str, str]) -> None:
    error = await desk.refused(400, "POST", "/api/agent/register", {**GULL, **change}, who="")
    assert next(iter(change)) in error


@pytest.mark.parametrize("same", ["email", "handle"])
async def test_an_address_or_a_handle_belongs_to_one_account(desk: Desk, same: str) -> None:
    await desk.ok("POST", "/api/agent/register", GULL, who="")
    tern = {**GULL, "email": "tern@example.com", "handle": "tern_1", same: GULL[same].upper()}
    await desk.refused(409, "POST", "/api/agent/register", tern, who="")


async def test_the_sixth_registration_in_a_minute_must_wait(desk: Desk) -> None:
    for n in range(5):
        await desk.send("POST", "/api/agent/register", {**GULL, "handle": f"gull_{n % 2}"}, who="")
        await desk.wait(5)
    answer = await desk.send("POST", "/api/agent/register", {**GULL, "handle": "gull_9"}, who="")
    assert (answer.status_code, answer.json()) == (429, {"error": "Too many requests"})
    wait = int(answer.headers["retry-after"])
    assert wait == 35
    await desk.wait(wait)
    await desk.refused(409, "POST", "/api/agent/register", GULL, who="")


async def test_an_account_logs_in_with_its_password_only(desk: Desk) -> None:
    await desk.ok("POST", "/api/agent/register", GULL, who="")
    login = {"email": "GULL@example.com", "password": GULL["password"], "tokenScopes": ["tasks:read"]}
    made = await desk.ok("POST", "/api/agent/login", login, who="")
    assert (made["token"]["name"], made["token"]["scopes"]) == ("login", ["tasks:read"])
    await desk.refused(401, "POST", "/api/agent/login", {**login, "password": "wrong one"}, who="")
    await desk.refused(401, "POST", "/api/agent/login", {**login, "email": "tern@example.com"}, who="")
    robot = {"email": "", "password": ""}
    await desk.refused(401, "POST", "/api/agent/login", robot, who="")


async def test_the_eleventh_login_in_a_minute_must_wait_whether_right_or_wrong(desk: Desk) -> None:
    for _ in range(10):
        await desk.refused(401, "POST", "/api/agent/login", {"email": "x@y.zz", "password": "?"}, who="")
    await desk.refused(429, "POST", "/api/agent/login", {"email": "x@y.zz", "password": "?"}, who="")
    await desk.wait(60)
    await desk.refused(401, "POST", "/api/agent/login", {"email": "x@y.zz", "password": "?"}, who="")


async def test_without_a_known_token_there_is_no_access(desk: Desk) -> None:
    await desk.refused(401, "GET", "/api/agent/me", who="")
    await desk.refused(401, "GET", "/api/agent/me", who="ot_nobody")


async def test_a_token_does_what_its_scopes_say_and_no_more(desk: Desk) -> None:
    body = {"name": "reader", "scopes": ["tasks:read"]}
    made = await desk.ok("POST", "/api/agent/me/tokens", body)
    await desk.ok("GET", "/api/agent/tasks", who=made["tokenValue"])
    error = await desk.refused(403, "GET", "/api/agent/bids", who=made["tokenValue"])
    assert error == "Missing scope: bids:read"


async def test_a_token_revokes_another_but_not_itself_nor_somebody_elses(desk: Desk) -> None:
    (own,) = (await desk.ok("GET", "/api/agent/me/tokens"))["tokens"]
    assert "tokenValue" not in own
    await desk.refused(409, "DELETE", f"/api/agent/me/tokens/{own['id']}")
    await desk.refused(404, "DELETE", f"/api/agent/me/tokens/{own['id']}", who="other")
    made = await desk.ok("POST", "/api/agent/me/tokens", {"name": "spare", "scopes": ["tokens:write"]})
    await desk.ok("DELETE", f"/api/agent/me/tokens/{own['id']}", who=made["tokenValue"])
    await desk.refused(401, "GET", "/api/agent/me")


async def test_a_scope_that_does_not_exist_is_refused(desk: Desk) -> None:
    await desk.refused(400, "POST", "/api/agent/me/tokens", {"name": "root", "scopes": ["everything"]})


async def test_keys_are_added_and_removed_by_their_owner(desk: Desk) -> None:
    body = {"publicKey": "x" * 16, "label": "work"}
    key = (await desk.ok("POST", "/api/agent/me/keys", body))["key"]
    await desk.refused(400, "POST", "/api/agent/me/keys", {"publicKey": "x" * 15})
    await desk.refused(404, "DELETE", f"/api/agent/me/keys/{key['id']}", who="other")
    await desk.ok("DELETE", f"/api/agent/me/keys/{key['id']}")
    assert (await desk.ok("GET", "/api/agent/me/keys"))["keys"] == []


async def test_payout_methods_are_private_but_for_what_they_take(desk: Desk) -> None:
    body = {"symbol": "ETH", "network": "ethereum", "address": "0xsecret", "memo": "note"}
    method = (await desk.ok("POST", "/api/agent/me/payout-methods", body))["payoutMethod"]
    me = (await desk.ok("GET", "/api/agent/me"))["profile"]
    public = await desk.send("GET", f"/api/profiles/{me['id']}/payout-methods", who="")
    assert {"id": method["id"], "symbol": "ETH", "network": "ethereum"} in public.json()["payoutMethods"]
    assert "0xsecret" not in public.text
    at = f"/api/agent/me/payout-methods/{method['id']}"
    await desk.refused(404, "PATCH", at, {"isActive": False}, who="other")
    changed = (await desk.ok("PATCH", at, {"isActive": False, "memo": None}))["payoutMethod"]
    assert (changed["isActive"], changed["memo"], changed["address"]) == (False, None, "0xsecret")
    shown = (await desk.ok("GET", f"/api/profiles/{me['id']}/payout-methods", who=""))["payoutMethods"]
    assert [m["symbol"] for m in shown] == ["USDC"]
    await desk.ok("DELETE", at)
    assert len((await desk.ok("GET", "/api/agent/me/payout-methods"))["payoutMethods"]) == 1


async def test_a_profile_changes_where_it_is_told_to(desk: Desk) -> None:
    body = {
        "bio": "I count.",
        "tags": ["birds"],
        "links": ["https://example.com"],
        "availability": "weekdays",
    }
    await desk.ok("PATCH", "/api/agent/me", body)
    changed = (await desk.ok("PATCH", "/api/agent/me", {"bio": None, "displayName": "Counter"}))["profile"]
    assert (changed["bio"], changed["tags"], changed["displayName"]) == (None, ["birds"], "Counter")
    shown = (await desk.ok("GET", f"/api/profiles/{changed['id']}", who=""))["profile"]
    assert shown == changed


async def test_the_seeded_profiles_have_a_reputation(desk: Desk) -> None:
    owner = (await desk.task("flaky Playwright"))["owner"]
    at = f"/api/profiles/{owner['id']}"
    assert (await desk.ok("GET", at, who=""))["stats"] == {"averageRating": 5.0, "reviewCount": 1}
    (review,) = (await desk.ok("GET", f"{at}/reviews", who=""))["reviews"]
    assert review["author"]["handle"] == "brass_compiler"
    await desk.refused(404, "GET", "/api/profiles/nobody/reviews", who="")
