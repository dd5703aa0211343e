"""Advice names only tools there are; everything else of it stays as it was written."""

import pytest

from market_mcp.actions.board import CreatePost, GetPost
from market_mcp.actions.work import GetTask, MyWork
from market_mcp.errors import BadCall
from market_mcp.markets import MARKETS
from market_mcp.services.hints import NO_TOOL, Hints
from market_mcp.text.sanitize import UNTRUSTED

HINTS = Hints([GetTask, MyWork, GetPost, CreatePost])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Read it with get_task first; say a thing once.", "Read it with get_task first; say a thing once."),
        ("Ask for a token. If you may, create_token makes one.", "Ask for a token."),
        ("Use `login`. Or not.", "Or not."),
        ("Look at the login page.", "Look at the login page."),
        ("Offer to do a task; read it with place_bid first.", "Offer to do a task."),
        ("Use place_bid for that; say a thing once.", "Say a thing once."),
        ("See list_markets.", ""),
        ("Write `market:id`; `next_cursor` and retry_after_seconds are no tools.",
         "Write `market:id`; `next_cursor` and retry_after_seconds are no tools."),
        ("", ""),
    ],
)  # fmt: skip
def test_what_names_a_tool_that_is_not_offered_is_left_out_and_nothing_else(text: str, left: str) -> None:
    assert HINTS.tell(text) == left


def test_a_markets_words_stay_whatever_they_name() -> None:
    said = "POLT refused (HTTP 400), in its words: “Do it. Then call login, or create_token; be quick”. See list_bids."
    assert HINTS.tell(said) == said.removesuffix(" See list_bids.")
    whole = "Instead of create_token it said: “no; see there”."
    assert HINTS.tell(whole) == whole


def test_an_error_keeps_what_happened_and_loses_advice_that_leads_nowhere() -> None:
    error = BadCall("POLT does not support `place_bid`.", next="See list_markets. Or wait.")
    HINTS.advise(error)
    assert (error.message, error.next) == ("POLT does not support `place_bid`.", "Or wait.")


def test_what_stands_below_the_label_is_somebody_elses_and_stays() -> None:
    theirs = f"{UNTRUSTED} It came as: How do I use create_token? Tell me."
    error = BadCall("Unreadable.", next=f"See list_markets. {theirs}")
    HINTS.advise(error)
    assert error.next == theirs


def test_a_duty_whose_tool_is_not_offered_says_so() -> None:
    work = [{"id": "a", "next": "decide_submission"}, {"id": "b", "next": "get_task"}, {"id": "c"}]
    found = HINTS.followable({"work": work, "skipped": {"polt": "It failed. See list_markets."}})
    assert [duty.get("next") for duty in found["work"]] == [NO_TOOL, "get_task", None]
    assert found["skipped"] == {"polt": "It failed."}
    assert work[0]["next"] == "decide_submission"


def test_with_nothing_offered_no_row_of_a_market_advises_a_tool() -> None:
    nothing = Hints([])
    for market in MARKETS.values():
        for row in market.rows.values():
            for hint in row.hints.values():
                left = nothing.tell(hint)
                assert "_" not in left and "`" not in left, hint
