"""What a market's JSON says of the call itself is read in every form that markets use, and nothing else is read so."""

import pytest

from market_mcp.markets.envelope import held_back, says_both, says_no

NO: list[object] = [
    {"error": "Task is no longer available"},
    {"error": {"code": "gone", "message": "Task is no longer available"}},
    {"success": False},
    {"success": False, "error": "x", "data": {"id": "1"}},
    {"ok": False, "message": "x"},
    {"errors": [{"message": "x"}]},
    {"errors": {"title": ["is too short"]}},
    {"issues": [{"path": ["deadline"], "message": "Invalid datetime"}]},
    {"status": "error", "message": "x"},
    {"status": "FAIL", "data": {}},
    {"status": 409, "title": "Conflict", "detail": "x"},
    {"statusCode": 403, "message": "Forbidden resource"},
    {"detail": "Not authenticated"},
    {"data": None, "error": "x"},
    {"data": {"error": "x"}},
    {"tasks": [], "error": "the database is down"},
    {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "x"}},
    {"jsonrpc": "2.0", "id": 1, "result": {"isError": True, "content": [{"type": "text", "text": "x"}]}},
    {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": '{"error": "x"}'}]}},
    {"jsonrpc": "2.0", "id": 1, "result": {"content": [], "structuredContent": {"success": False}}},
]

YES: list[object] = [
    {},
    None,
    [],
    {"message": "Voted."},
    {"success": True, "error": None},
    {"success": True, "error": ""},
    {"ok": True, "errors": []},
    {"error": False, "task": {"id": "1"}},
    {"task": {"id": "1", "status": "error"}},
    {"id": "1", "status": "failed", "title": "A job that failed"},
    {"username": "a", "errors": 3},
    {"message": "Removed.", "detail": "The vote is gone."},
    {"tasks": [{"id": "1"}], "error": "the index is stale"},
    {"data": {"submitted": True}},
    {"status": 200, "message": "fine"},
    {"status": "active", "code": 0},
]


@pytest.mark.parametrize("reply", NO)
def test_an_envelope_of_failure_is_a_no_in_every_form(reply: object) -> None:
    assert says_no(reply)


@pytest.mark.parametrize("reply", YES)
def test_a_thing_or_a_plain_word_is_no_envelope_of_failure(reply: object) -> None:
    assert not says_no(reply)


@pytest.mark.parametrize(
    "reply", [{"task": {"id": "1"}, "error": "the mail could not be sent"}, {"data": {"id": "1", "errors": ["x"]}}]
)
def test_a_thing_beside_an_error_is_both(reply: object) -> None:
    assert says_both(reply) and not says_no(reply)


@pytest.mark.parametrize(
    "reply",
    [
        {"status": "pending"},
        {"data": {"id": "1", "status": "PENDING_REVIEW"}},
        {"post": {"id": "1", "status": "In Moderation"}},
        {"id": "1", "verification_required": True},
        {"data": {"id": "1", "verification": {"challenge": "What is 3 plus 4?"}}},
        {"challenge": "3 + 4"},
        {"captcha": {"url": "https://market.example/c"}},
        {"post": {"id": "1", "published": False}},
    ],
)
def test_what_waits_for_a_moderator_or_a_solution_is_held_back(reply: object) -> None:
    assert held_back(reply)


@pytest.mark.parametrize(
    "reply",
    [
        {"status": "active"},
        {"profile": {"id": "1", "verification": {"email": True}}},
        {"verification_required": False},
        {"post": {"id": "1", "published": True}},
        {"contract": {"id": "1", "payments": [{"id": "2", "status": "pending"}]}},
    ],
)
def test_what_counts_already_is_not_held_back(reply: object) -> None:
    assert not held_back(reply)


def test_a_state_in_which_such_a_thing_begins_holds_nothing_back() -> None:
    offer = {"counterOffer": {"id": "1", "status": "pending"}}
    assert held_back(offer) and not held_back(offer, frozenset({"pending"}))


@pytest.mark.parametrize("status", ["PENDING_REVIEW", "Pending Review", "pending-review", "pendingReview"])
def test_a_state_that_holds_back_does_so_in_any_spelling(status: str) -> None:
    assert held_back({"post": {"id": "1", "status": status}})
