"""For how long a market wants to be left alone is understood in every way it has of saying so."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_mcp.gateway.messages import HttpReply
from market_mcp.gateway.waiting import LONGEST, UNNAMED, asked_for, named

NOW = 1_795_687_200.0  # 2026-11-26T10:00:00Z
LATE = {"date": "Thu, 26 Nov 2026 11:00:00 GMT"}
"""The market's clock is an hour ahead of ours."""


def wait(headers: dict[str, str] | None = None, body: object = None, status: int = 429) -> float | None:
    return named(HttpReply(status, headers or {}, b""), body, NOW)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "Thu, 26 Nov 2026 10:05:00 GMT"}, 300),
        (LATE | {"retry-after": "Thu, 26 Nov 2026 11:05:00 GMT"}, 300),
        ({"ratelimit-reset": "30"}, 30),
        ({"ratelimit": "limit=100, remaining=0, reset=50"}, 50),
        ({"ratelimit": '"default";r=0;t=50'}, 50),
        ({"x-ratelimit-reset": "1795687230"}, 30),
        ({"x-ratelimit-reset": "1795687230000"}, 30),
        (LATE | {"x-rate-limit-reset": "1795690830"}, 30),
        ({"x-ratelimit-reset-after": "12.5"}, 12.5),
        ({"x-ratelimit-reset": "6m0s"}, 360),
        ({"retry-after": "10", "x-ratelimit-reset": "99"}, 10),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_headers_name_a_time(headers: dict[str, str], seconds: float | None) -> None:
    assert wait(headers) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"retry_after": 45}, 45),
        ({"error": {"message": "Slow down", "retryAfterSeconds": "45"}}, 45),
        ({"data": {"retry_after_ms": 2_500}}, 2.5),
        ({"retryAfterMinutes": 10}, 600),
        ({"retry_after": "2 minutes"}, 120),
        ({"wait_seconds": 90}, 90),
        ({"retryAt": "2026-11-26T10:01:00Z"}, 60),
        ({"reset_at": 1795687260}, 60),
        ({"error": "Banned", "banned_until": "2026-11-26T12:00:00+01:00"}, 3600),
        ({"retry_after": True}, None),
        ({"retry_after": "soon"}, None),
        ({"retry": 5, "waiting": "x"}, None),
        (["retry_after", 5], None),
    ],
)
def test_bodies_name_a_time(body: object, seconds: float | None) -> None:
    assert wait(body=body) == seconds


def test_a_time_that_is_past_is_a_second_and_one_beyond_a_day_is_a_day() -> None:
    assert wait({"retry-after": "Thu, 26 Nov 2026 09:00:00 GMT"}) == 1.0
    assert wait({"retry-after": "9" * 12}) == LONGEST


def test_a_429_is_waited_for_without_a_time_and_no_other_status() -> None:
    assert asked_for(HttpReply(429, {}, b""), None, NOW) == UNNAMED
    assert asked_for(HttpReply(503, {}, b""), None, NOW) is None
    assert asked_for(HttpReply(503, {"retry-after": "9"}, b""), None, NOW) == 9
    assert asked_for(HttpReply(403, {"retry-after": "9"}, b""), None, NOW) is None


def test_what_is_left_of_a_limit_is_no_wait_of_an_answer_that_was_given() -> None:
    assert wait({"x-ratelimit-reset": "50"}, status=503) is None


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.dictionaries(
        st.sampled_from(["retry_after", "retryAt", "reset_at", "wait_ms", "error", "x"]), inner
    ),
    max_leaves=8,
)


@given(
    body=JSON,
    value=st.text(max_size=30),
    name=st.sampled_from(["retry-after", "x-ratelimit-reset", "ratelimit", "date"]),
)
def test_whatever_is_said_the_wait_is_a_time_of_at_most_a_day_or_none(body: object, value: str, name: str) -> None:
    found = wait({name: value}, body)
    assert found is None or 1 <= found <= LONGEST
