"""What belongs to an account: its tokens, its public keys, and where it wants to be paid."""

from functools import partial

from market_mcp.sandbox.opentask import shapes
from market_mcp.sandbox.opentask.accounts import new_token
from market_mcp.sandbox.opentask.books import Moment
from market_mcp.sandbox.opentask.models import NewKey, NewPayoutMethod, NewToken, Page, PayoutMethodPatch
from market_mcp.sandbox.web import Call, Endpoint, Refusal, Reply


def list_tokens(call: Call) -> Reply:
    rows, more = Moment.of(call).page(
        "SELECT * FROM opentask_tokens WHERE profile = :me AND seq < :before ORDER BY seq DESC LIMIT :most",
        {"me": call.agent},
        call.asked(Page),
    )
    return Reply({"tokens": [shapes.token(row) for row in rows], **more})


def create_token(call: Call) -> Reply:
    sent = call.sent(NewToken)
    return Reply(new_token(Moment.of(call), call.agent, sent.name, sent.scopes), 201)


def delete_token(call: Call) -> Reply:
    """OpenTask skill: "A token cannot revoke itself"."""
    if call.path["tokenId"] == call.token:
        raise Refusal(409, "A token cannot revoke itself")
    sql = "DELETE FROM opentask_tokens WHERE id = ? AND profile = ?"
    return _gone(call.db.execute(sql, (call.path["tokenId"], call.agent)).rowcount)


def list_keys(call: Call) -> Reply:
    rows, more = Moment.of(call).page(
        "SELECT * FROM opentask_keys WHERE profile = :me AND seq < :before ORDER BY seq DESC LIMIT :most",
        {"me": call.agent},
        call.asked(Page),
    )
    return Reply({"keys": [shapes.key(row) for row in rows], **more})


def create_key(call: Call) -> Reply:
    sent = call.sent(NewKey)
    row = Moment.of(call).insert("opentask_keys", profile=call.agent, public_key=sent.publicKey, label=sent.label)
    return Reply({"key": shapes.key(row)}, 201)


def delete_key(call: Call) -> Reply:
    sql = "DELETE FROM opentask_keys WHERE id = ? AND profile = ?"
    return _gone(call.db.execute(sql, (call.path["keyId"], call.agent)).rowcount)


def list_payout_methods(call: Call) -> Reply:
    rows, more = Moment.of(call).page(
        "SELECT * FROM opentask_payout_methods WHERE profile = :me AND seq > :after ORDER BY seq LIMIT :most",
        {"me": call.agent},
        call.asked(Page),
    )
    return Reply({"payoutMethods": [shapes.payout_method(row) for row in rows], **more})


def create_payout_method(call: Call) -> Reply:
    sent = call.sent(NewPayoutMethod)
    row = Moment.of(call).insert(
        "opentask_payout_methods",
        profile=call.agent,
        symbol=sent.symbol,
        network=sent.network,
        address=sent.address,
        memo=sent.memo,
        label=sent.label,
    )
    return Reply({"payoutMethod": shapes.payout_method(row)}, 201)


def patch_payout_method(call: Call) -> Reply:
    m, sent, method = Moment.of(call), call.sent(PayoutMethodPatch), call.path["payoutMethodId"]
    before = m.existing("SELECT * FROM opentask_payout_methods WHERE id = ? AND profile = ?", method, call.agent)
    named = sent.model_fields_set
    row = m.existing(
        """UPDATE opentask_payout_methods SET symbol = ?, network = ?, address = ?, memo = ?, label = ?,
           is_active = ? WHERE id = ? RETURNING *""",
        sent.symbol if "symbol" in named else before["symbol"],
        sent.network if "network" in named else before["network"],
        sent.address if "address" in named else before["address"],
        sent.memo if "memo" in named else before["memo"],
        sent.label if "label" in named else before["label"],
        sent.isActive if "isActive" in named else before["is_active"],
        method,
    )
    return Reply({"payoutMethod": shapes.payout_method(row)})


def delete_payout_method(call: Call) -> Reply:
    """Contracts keep the copy that they were made with."""
    sql = "DELETE FROM opentask_payout_methods WHERE id = ? AND profile = ?"
    return _gone(call.db.execute(sql, (call.path["payoutMethodId"], call.agent)).rowcount)


def _gone(rows: int) -> Reply:
    if not rows:
        raise Refusal(404, "Not found")
    return Reply({"ok": True})


_ME = "/api/agent/me"
_key = partial(Endpoint, auth="key")

ENDPOINTS = (
    _key("GET", f"{_ME}/tokens", list_tokens, "Own tokens without values", scope="tokens:read", query=Page),
    _key(
        "POST", f"{_ME}/tokens", create_token, "Make a token; its value is shown once", scope="tokens:write",
        body=NewToken, statuses=(201,),
    ),
    _key(
        "DELETE", f"{_ME}/tokens/{{tokenId}}", delete_token, "Revoke another token", scope="tokens:write",
        statuses=(200, 404, 409),
    ),
    _key("GET", f"{_ME}/keys", list_keys, "Own public keys", scope="keys:read", query=Page),
    _key(
        "POST", f"{_ME}/keys", create_key, "Add a public key", scope="keys:write", body=NewKey,
        statuses=(201,),
    ),
    _key(
        "DELETE", f"{_ME}/keys/{{keyId}}", delete_key, "Remove a public key", scope="keys:write",
        statuses=(200, 404),
    ),
    _key(
        "GET", f"{_ME}/payout-methods", list_payout_methods, "Own payout methods", scope="profile:read",
        query=Page,
    ),
    _key(
        "POST", f"{_ME}/payout-methods", create_payout_method, "Add a payout method", scope="profile:write",
        body=NewPayoutMethod, statuses=(201,),
    ),
    _key(
        "PATCH", f"{_ME}/payout-methods/{{payoutMethodId}}", patch_payout_method, "Change a payout method",
        scope="profile:write", body=PayoutMethodPatch, statuses=(200, 404),
    ),
    _key(
        "DELETE", f"{_ME}/payout-methods/{{payoutMethodId}}", delete_payout_method, "Remove a payout method",
        scope="profile:write", statuses=(200, 404),
    ),
)  # fmt: skip
