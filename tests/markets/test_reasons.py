"""Why a market refused reaches its reader in the market's own words, whatever form it gives them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_mcp.markets import MARKETS
from market_mcp.markets.reasons import LONGEST_WORDS, reason


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ({"error": "Task is taken."}, "Task is taken"),
        ({"error": {"code": "taken", "message": "Task is taken"}}, "Task is taken"),
        ({"error": "bid_task_scope_changed", "message": "Reload the task"}, "bid_task_scope_changed: Reload the task"),
        (
            {"error": "Invalid request", "issues": [{"path": ["deadline"], "message": "Invalid datetime"}]},
            "Invalid request; deadline: Invalid datetime",
        ),
        ({"detail": [{"loc": ["body", "title"], "msg": "at most 80 characters"}]}, "title: at most 80 characters"),
        ({"detail": [{"loc": ["body", "tags", 0], "msg": "no text"}]}, "tags.0: no text"),
        ({"detail": "Not authenticated"}, "Not authenticated"),
        (
            {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "The bid is not active."},
            "Conflict: The bid is not active",
        ),
        ({"title": "Invalid", "invalid-params": [{"name": "age", "reason": "negative"}]}, "Invalid: age: negative"),
        ({"errors": {"title": ["is too short", "is rude"]}}, "title: is too short; title: is rude"),
        ({"errors": ["first", "second"]}, "first; second"),
        ({"error": {"fieldErrors": {"price": ["Required"]}, "formErrors": ["No"]}}, "price: Required; No"),
        ({"message": "Validation failed", "errors": [{"field": "bio", "message": "too long"}]}, "bio: too long"),
        ({"code": "RATE_LIMITED"}, "RATE_LIMITED"),
        ({"data": None, "error": "no"}, "no"),
        ({"data": {"error": "no"}}, "no"),
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "Unknown post"}}, "Unknown post"),
        ({"result": {"isError": True, "content": [{"type": "text", "text": "Unknown post"}]}}, "Unknown post"),
        ("Too many comments\n today", "Too many comments today"),
        ({}, ""),
        ({"error": {}}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_a_reason_is_found_in_every_form(reply: object, words: str) -> None:
    assert words in reason(reply) if words else reason(reply) == ""


def test_what_a_wrapper_holds_beside_a_reason_is_none() -> None:
    assert reason({"error": "Taken", "data": {"title": "Write a parser", "description": "In Python."}}) == "Taken"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["error", "errors", "message", "detail", "issues", "loc", "data", "x"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_gives_one_line_of_bounded_length(reply: object) -> None:
    said = reason(reply)
    assert "\n" not in said and len(said) <= LONGEST_WORDS + 2


@given(st.text(min_size=LONGEST_WORDS + 1, max_size=3 * LONGEST_WORDS, alphabet="ab "))
def test_a_reason_that_is_cut_says_so(text: str) -> None:
    said = reason({"error": text})
    assert said.endswith(" …") or len(" ".join(text.split())) <= LONGEST_WORDS


def test_every_advice_on_a_refusal_is_a_condition() -> None:
    # The market may have refused for another reason, and gives its own.
    hints = [hint for market in MARKETS.values() for row in market.rows.values() for hint in row.hints.values()]
    assert hints and all(hint.startswith("If ") for hint in hints)
