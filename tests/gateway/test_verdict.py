"""What an answer proves, and in which words it is told: by its form, and never by its status alone."""

import json
from typing import Any

import pytest

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.actions.board import AddReply, GetPost, ListPosts
from market_mcp.actions.work import SubmitWork
from market_mcp.errors import CallError, OutcomeUnknown, Refused, Unavailable
from market_mcp.gateway.messages import HttpReply
from market_mcp.gateway.verdict import Answer, held_back, judge, prove
from market_mcp.markets import MARKETS, Row

NOW = 1_800_000_000.0
PAGE = {"content-type": "text/html; charset=utf-8"}
TEXT = {"content-type": "text/plain"}
JSON = {"content-type": "application/json"}

POLT = Account("polt", "polt", "https://polt.example", "polt_0123456789")


def row_of(action: type[Action], account: Account = POLT) -> Row:
    row = MARKETS[account.kind].row(action, [account.contract])
    assert row is not None
    return row


def judged(
    status: int, body: object, headers: dict[str, str] | None = None, action: type[Action] = AddReply
) -> Answer | CallError:
    """What is left of an answer: its yes, or the error it is."""
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    try:
        return judge(POLT, row_of(action), HttpReply(status, JSON if headers is None else headers, content), NOW)
    except CallError as error:
        return error


def lost(status: int, body: object, headers: dict[str, str] | None = None) -> str:
    """How it is told that an answer is not the market's; a read and a write are, each with what that means for it."""
    write, read = (judged(status, body, headers, action) for action in (AddReply, ListPosts))
    assert isinstance(write, OutcomeUnknown) and isinstance(read, Unavailable), (write, read)
    assert read.message == write.message and "look first" in write.as_text()
    return read.as_text()


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (404, PAGE | {"ngrok-error-code": "ERR_NGROK_3200"}, "<html>The endpoint is offline.", "tunnel in front of it"),
        (404, PAGE, "<h1>404</h1><p>ngrok: tunnel polt.example not found</p>", "page of a tunnel"),
        (502, PAGE, "<title>trycloudflare.com</title>", "page of a tunnel"),
        (301, {"location": "https://new.example/api/x?token=canary"}, "", "redirect to https://new.example/api/x"),
        (302, {"location": "/login"}, "", "redirect to"),
        (307, {}, "", "a redirect, which is not followed"),
        (403, PAGE | {"cf-mitigated": "challenge"}, "<title>Just a moment...</title>", "challenge for browsers"),
        (200, PAGE, "<body>Please complete the CAPTCHA", "challenge for browsers"),
        (503, PAGE, "<h1>We'll be back soon</h1>", "maintenance page"),
        (200, PAGE, "<h1>Down for maintenance</h1>", "maintenance page"),
        (511, PAGE, "<form>Log in to the network</form>", "wants a login"),
        (502, PAGE, "<h1>502 Bad Gateway</h1><hr>nginx", "server or proxy in front of it"),
        (502, TEXT, "Bad Gateway", "server or proxy in front of it"),
        (404, TEXT, "404 page not found", "address may be wrong"),
        (404, TEXT, "Cannot POST /api/projects/1/replies", "address may be wrong"),
        (200, PAGE, "<!doctype html><title>Welcome to nginx!</title>", "address may be wrong"),
        (200, JSON, "<!doctype html><title>Welcome to nginx!</title>", "address may be wrong"),
    ],
)
def test_what_is_no_answer_of_the_market_is_named_with_the_setting_that_matters(
    status: int, headers: dict[str, str], body: str, words: str
) -> None:
    said = lost(status, body, headers)
    assert words in said and f"HTTP {status}" in said
    assert "https://polt.example" in said and "POLT_BASE_URL or base_url in [market.polt]" in said
    assert "canary" not in said and "Check the id" not in said


def test_a_page_is_quoted_without_its_scripts_and_cut_with_a_mark() -> None:
    page = f"<html><script>var canary</script><style>canary</style><!-- canary --><p>Gone {'away ' * 100}</p>"
    said = lost(503, page, PAGE)
    assert "canary" not in said and "in its words: “Gone away" in said and "…”" in said


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120),
        ({"retry-after": "Fri, 15 Jan 2027 08:05:00 GMT"}, 300),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_a_market_that_is_down_is_waited_for_as_long_as_it_says(headers: dict[str, str], seconds: int | None) -> None:
    answers = ((503, {"error": "Busy"}, JSON), (503, "<h1>Maintenance</h1>", PAGE))
    for error in (judged(status, body, kind | headers) for status, body, kind in answers):
        assert isinstance(error, OutcomeUnknown)
        assert error.retry_after_seconds == (None if seconds is None else pytest.approx(seconds, abs=1))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 410, 422])
def test_a_no_for_good_names_no_time_to_wait(status: int) -> None:
    for action in (AddReply, GetPost, ListPosts):
        error = judged(status, {"error": "No"}, JSON | {"retry-after": "5"}, action)
        assert isinstance(error, Refused) and error.retry_after_seconds is None


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 409, 418, 422, 429])
@pytest.mark.parametrize("body", [{"error": "Task is taken"}, {"success": False, "message": "Task is taken"}])
def test_an_envelope_of_failure_is_a_no_under_any_status_and_says_why(status: int, body: dict[str, object]) -> None:
    error = judged(status, body)
    assert isinstance(error, Refused) and error.status == status and error.explained
    assert "in its words: “Task is taken”" in error.message


@pytest.mark.parametrize(
    ("body", "explained"),
    [
        ({"error": "This project was closed"}, True),
        ({"error": "Not Found"}, False),
        ({"detail": "Not found"}, False),
        ({}, False),
    ],
)
def test_that_no_such_path_is_known_is_no_reason_of_the_market(body: dict[str, str], explained: bool) -> None:
    error = judged(404, body)
    assert isinstance(error, Refused) and error.explained is explained


def test_words_in_plain_text_are_the_reason_too() -> None:
    error = judged(422, "The body is too short\nfor a reply.", TEXT)
    assert isinstance(error, Refused) and "“The body is too short for a reply”" in error.message


def test_an_advice_of_ours_stands_only_where_the_market_gave_no_reason() -> None:
    silent, explained = judged(404, {}, action=GetPost), judged(404, {"error": "Gone since May"}, action=GetPost)
    assert isinstance(silent, Refused) and "Check the id" in silent.next
    assert isinstance(explained, Refused) and "Check the id" not in explained.next


def test_a_403_without_words_is_the_only_one_that_may_be_about_the_scope() -> None:
    opentask = Account("opentask", "opentask", "https://opentask.example", "ot_0123456789")
    row = row_of(SubmitWork, opentask)
    for body, about_scope in ({}, True), ({"error": "You are not the seller"}, False):
        with pytest.raises(Refused) as refusal:
            judge(opentask, row, HttpReply(403, JSON, json.dumps(body).encode()), NOW)
        assert ("the scope" in refusal.value.next) is about_scope


@pytest.mark.parametrize("body", [{"error": "Late", "reply": {"id": "1"}}, {"errors": ["Late"], "id": "1"}])
def test_a_yes_and_a_no_in_one_answer_leave_a_write_unknown(body: dict[str, object]) -> None:
    error = judged(201, body)
    assert isinstance(error, OutcomeUnknown) and "Late" in error.message


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (202, {"reply": {"id": "1"}}),
        (202, b""),
        (200, {"status": "pending_review"}),
        (200, {"post": {"id": "1", "status": "Awaiting Moderation"}}),
        (200, {"verification_required": True, "verification": {"challenge": "7 + 3?", "code": "v1"}}),
        (201, {"post": {"id": "1", "published": False}}),
    ],
)
def test_what_the_market_holds_back_is_pending_with_all_it_says(status: int, body: object) -> None:
    answer = judged(status, body)
    assert isinstance(answer, Answer)
    assert answer.pending == (body or {"status": 202})
    told = held_back(POLT, answer.pending).as_result()
    assert told["effect"] == "pending" and told["pending"] == answer.pending and "error" not in told


def test_no_secret_and_no_hidden_text_stands_in_what_is_pending() -> None:
    said = {"verification": {"challenge": "Solve\u202e this", "api_key": "canary", "steps": [{"token": "canary"}]}}
    told = str(held_back(POLT, said).as_result())
    assert "canary" not in told and "\u202e" not in told and "Solve" in told


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_answer_that_is_meant_to_be_empty_is_a_yes_to_a_write_and_an_empty_list(status: int) -> None:
    headers = {"content-length": "0"}
    write = judged(status, b"", headers)
    assert write == Answer(b"{}")
    read = judged(status, b"", headers, ListPosts)
    assert read == Answer(b"[]" if status == 204 else b"")


def test_a_proof_that_says_no_is_a_refusal() -> None:
    row = next(row for row in MARKETS["polt"].rows.values() if row.writes and row.proof.shows)
    with pytest.raises(Refused):
        prove(POLT, row, AddReply(post_id="polt:p1", body="x"), _with(row.proof.shows, False))


def _with(place: str, value: object) -> dict[str, Any]:
    """A result that has this value at this place."""
    first, _, rest = place.partition(".")
    return {first: _with(rest, value) if rest else value}
