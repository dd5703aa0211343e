"""The pretend OpenTask as a table: every documented call is there, and nothing that is sent breaks it."""

from collections.abc import AsyncIterator
from typing import Literal, get_args

import pytest

from market_mcp.sandbox import opentask
from market_mcp.sandbox.web import Endpoint
from sandbox.hands import PACE, Json
from sandbox.opentask_desk import Desk, opened

pytestmark = pytest.mark.anyio

Contract = Literal["seed", "current"]
CONTRACTS: tuple[Contract, ...] = get_args(Contract)

# Method, path and scope ("-": none) out of the skill document.
DOCUMENTED = """
POST /api/agent/register -
POST /api/agent/login -
GET /api/agent/me profile:read
PATCH /api/agent/me profile:write
GET /api/profiles/{profileId} -
GET /api/profiles/{profileId}/payout-methods -
GET /api/profiles/{profileId}/reviews -
GET /api/agent/me/payout-methods profile:read
POST /api/agent/me/payout-methods profile:write
PATCH /api/agent/me/payout-methods/{payoutMethodId} profile:write
DELETE /api/agent/me/payout-methods/{payoutMethodId} profile:write
GET /api/agent/me/keys keys:read
POST /api/agent/me/keys keys:write
DELETE /api/agent/me/keys/{keyId} keys:write
GET /api/agent/me/tokens tokens:read
POST /api/agent/me/tokens tokens:write
DELETE /api/agent/me/tokens/{tokenId} tokens:write
GET /api/tasks -
GET /api/tasks/{taskId} -
PATCH /api/tasks/{taskId} -
GET /api/agent/tasks tasks:read
POST /api/agent/tasks tasks:write
GET /api/agent/tasks/{taskId} tasks:read
GET /api/agent/tasks/{taskId}/comments comments:read
POST /api/agent/tasks/{taskId}/comments comments:write
GET /api/agent/tasks/{taskId}/bids bids:read
POST /api/agent/tasks/{taskId}/bids bids:write
GET /api/agent/bids bids:read
GET /api/agent/bids/{bidId} bids:read
PATCH /api/agent/bids/{bidId} bids:write
GET /api/agent/bids/{bidId}/messages messages:read
POST /api/agent/bids/{bidId}/messages messages:write
GET /api/agent/bids/{bidId}/counter-offers bids:read
POST /api/agent/bids/{bidId}/counter-offers bids:write
PATCH /api/agent/bids/{bidId}/counter-offers/{counterOfferId} bids:write
POST /api/agent/bids/{bidId}/counter-offers/{counterOfferId}/accept bids:write
POST /api/agent/bids/{bidId}/counter-offers/{counterOfferId}/reject bids:write
GET /api/agent/contracts contracts:read
POST /api/agent/contracts contracts:write
GET /api/agent/contracts/{contractId} contracts:read
GET /api/agent/contracts/{contractId}/submissions submissions:read
POST /api/agent/contracts/{contractId}/submissions submissions:write
POST /api/agent/contracts/{contractId}/decision decision:write
GET /api/agent/contracts/{contractId}/reviews reviews:read
POST /api/agent/contracts/{contractId}/reviews reviews:write
GET /api/agent/contracts/{contractId}/messages messages:read
POST /api/agent/contracts/{contractId}/messages messages:write
GET /api/agent/notifications notifications:read
GET /api/agent/notifications/unread-count notifications:read
POST /api/agent/notifications/{notificationId}/read notifications:write
POST /api/agent/notifications/read-all notifications:write
"""

NOTHING: list[object] = []

STRANGE: tuple[object, ...] = (
    None,
    "",
    "x",
    "\x00",
    " ",
    "🐚" * 9000,
    0,
    -1,
    1.5,
    2**63,
    10**400,
    True,
    NOTHING,
    ["\x00"],
    [NOTHING],
    dict[str, object](),
    "9" * 90 + " USDC",
    "2026-02-30",
    "0001-01-01T00:00:00+23:59",
)


@pytest.fixture(params=CONTRACTS)
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    async with opened(request.param) as desk:
        yield desk


def test_every_documented_call_is_there_with_its_scope_and_no_other() -> None:
    rows = {(e.method, e.path): e.scope or "-" for e in opentask.market(PACE, "seed").endpoints}
    expected = (line.split() for line in DOCUMENTED.strip().splitlines())
    assert rows == {(method, path): scope for method, path, scope in expected}


def test_every_call_under_agent_but_register_and_login_takes_a_token_with_a_scope() -> None:
    for endpoint in opentask.market(PACE, "current").endpoints:
        scoped = endpoint.path.startswith("/api/agent/") and not endpoint.path.endswith(("/register", "/login"))
        assert (endpoint.scope is not None) == scoped, endpoint.path
        assert (endpoint.auth == "none") == (not scoped and endpoint.method != "PATCH"), endpoint.path


def test_the_current_platform_has_one_call_more() -> None:
    calls = [{(e.method, e.path) for e in opentask.market(PACE, c).endpoints} for c in CONTRACTS]
    assert calls[1] - calls[0] == {("PATCH", "/api/agent/tasks/{taskId}")}
    assert calls[0] < calls[1]


async def _places(desk: Desk) -> dict[str, str]:
    """Ids that exist, so that strange values come as far as they can."""
    task = await desk.posted(who="you")
    bid = await desk.bid(task, who="other", expectedTaskUpdatedAt=task["updatedAt"])
    offers = f"/api/agent/bids/{bid['id']}/counter-offers"
    offer = (await desk.ok("POST", offers, {"priceText": "1 USDC"}))["counterOffer"]
    hired = await desk.task("flaky Playwright")
    await desk.bid(hired, expectedTaskUpdatedAt=hired["updatedAt"])
    await desk.ok("POST", f"/api/agent/tasks/{task['id']}/comments", {"body": "Hm."}, who="other")
    await desk.wait(PACE)
    contract = (await desk.ok("GET", "/api/agent/contracts"))["contracts"][0]
    method = (await desk.ok("GET", "/api/agent/me/payout-methods"))["payoutMethods"][0]
    note = (await desk.ok("GET", "/api/agent/notifications"))["notifications"][0]
    key = (await desk.ok("POST", "/api/agent/me/keys", {"publicKey": "x" * 16}))["key"]
    return {
        "profileId": task["owner"]["id"],
        "payoutMethodId": method["id"],
        "keyId": key["id"],
        "tokenId": "none",
        "taskId": task["id"],
        "bidId": bid["id"],
        "counterOfferId": offer["id"],
        "contractId": contract["id"],
        "notificationId": note["id"],
    }


def _plausible(places: dict[str, str]) -> Json:
    """A good value for every field there is."""
    return {
        **places,
        "email": "gull@example.com",
        "password": "long enough",
        "handle": "gull_1",
        "name": "spare",
        "scopes": ["tasks:read"],
        "publicKey": "x" * 16,
        "symbol": "ETH",
        "network": "base",
        "address": "0xabc",
        "title": "Count the gulls",
        "description": "Every gull in the harbour.",
        "budgetAmount": 5,
        "budgetCurrency": "USDC",
        "body": "Hello",
        "priceText": "5 USDC",
        "expectedTaskUpdatedAt": "2026-02-25T06:13:20Z",
        "action": "reject",
        "reason": "No.",
        "deliverableUrl": "https://example.com",
        "rating": 5,
    }


def _calls(desk_contract: Contract) -> list[Endpoint]:
    return list(opentask.market(PACE, desk_contract).endpoints)


@pytest.mark.parametrize("contract", CONTRACTS)
async def test_no_field_of_a_body_breaks_a_call(contract: Contract) -> None:
    async with opened(contract) as desk:
        places = await _places(desk)
        good = _plausible(places)
        for endpoint in _calls(contract):
            if endpoint.body is None:
                continue
            path = endpoint.path.format(**places)
            fields = {name: good[name] for name in endpoint.body.model_fields if name in good}
            for name in endpoint.body.model_fields:
                for value in STRANGE:
                    # A refusal undoes what it refuses, so only what is taken changes the desk.
                    answer = await desk.send(endpoint.method, path, {**fields, name: value})
                    assert answer.status_code < 500, (endpoint.path, name, value)
                    if not answer.is_success:
                        assert set(answer.json()) == {"error"}
        await desk.wait(100 * PACE)
        await desk.ok("GET", "/api/tasks")


async def test_no_query_breaks_a_list(desk: Desk) -> None:
    places = await _places(desk)
    wrong = (
        "",
        "0",
        "-1",
        "101",
        "1.5",
        "9" * 400,
        "\x00",
        "%",
        "MQ",
        "OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
        "é",
        "////",
    )
    for endpoint in _calls("seed"):
        if endpoint.query is None:
            continue
        path = endpoint.path.format(**places)
        for name in endpoint.query.model_fields:
            for value in wrong:
                answer = await desk.http.get(
                    path, params={name: value}, headers={"Authorization": "Bearer ot_sandbox_you"}
                )
                assert answer.status_code in (200, 400, 403), (path, name, value, answer.text)


@pytest.mark.parametrize("limit", ["0", "-1", "101", "many"])
async def test_a_page_has_between_one_and_a_hundred_rows(desk: Desk, limit: str) -> None:
    await desk.refused(400, "GET", "/api/tasks", limit=limit)


@pytest.mark.parametrize("cursor", ["garbage", "é", "MQ", "LTE=", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
async def test_a_cursor_that_nobody_gave_is_refused(desk: Desk, cursor: str) -> None:
    assert await desk.refused(400, "GET", "/api/tasks", cursor=cursor) == "Invalid cursor"


@pytest.mark.parametrize("name", ["%00", "%ED%A0%80", "..", "x" * 5000, "'; DROP TABLE opentask_tasks; --"])
async def test_no_id_breaks_a_call(desk: Desk, name: str) -> None:
    for endpoint in _calls("current"):
        if "{" not in endpoint.path:
            continue
        path = endpoint.path
        for part in ("profileId", "payoutMethodId", "keyId", "tokenId", "taskId", "bidId", "counterOfferId"):
            path = path.replace(f"{{{part}}}", name)
        path = path.replace("{contractId}", name).replace("{notificationId}", name)
        body = _plausible({}) if endpoint.body else None
        answer = await desk.send(endpoint.method, path, body)
        assert 400 <= answer.status_code < 500 or ".." in path, (path, answer.text)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"body": "\\ud800"}', b'{"rating": NaN}'],
)
async def test_a_body_that_is_no_object_is_refused(desk: Desk, raw: bytes) -> None:
    headers = {"Authorization": "Bearer ot_sandbox_you", "Content-Type": "application/json"}
    answer = await desk.http.post("/api/agent/tasks", content=raw, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize("token", [b"Bearer \xff", b"Bearer ", b"bearer ot_sandbox_you", b"Basic b3Q6"])
async def test_a_strange_authorization_is_none(desk: Desk, token: bytes) -> None:
    assert (await desk.http.get("/api/agent/me", headers=[(b"Authorization", token)])).status_code == 401


async def test_fields_that_nobody_knows_are_ignored(desk: Desk) -> None:
    await desk.posted(owner="somebody else", status="closed", id="mine")
    assert (await desk.ok("GET", "/api/tasks", limit=1))["tasks"][0]["owner"]["handle"] == "sandbox_other"
