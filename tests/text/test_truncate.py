"""However much a market answers, a result is small enough for a model, and says what it lost."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clocks import ends
from market_mcp.text.truncate import KEPT, MAX_RESULT, ROOM, beginning, compact, fit, opening, portion

Result = dict[str, Any]


def test_a_result_that_fits_is_not_touched() -> None:
    result = {"posts": [{"body": "x" * 9_000}], "next_cursor": "abc"}
    assert fit(result) is result


def test_a_long_text_is_cut_just_so_that_the_result_fits() -> None:
    result = {"post": {"id": "polt:1", "body": "x" * 100_000}}
    found = fit(result)
    assert MAX_RESULT - 100 < len(compact(found)) <= MAX_RESULT
    assert found["post"]["id"] == "polt:1"
    assert found["post"]["body"].endswith("… [cut; 100000 characters in all]")
    assert len(result["post"]["body"]) == 100_000


def test_the_longest_texts_are_cut_and_the_others_stay() -> None:
    found = fit({"replies": [{"body": "x" * 50_000}, {"body": "y" * 9_000}, {"body": "z" * 50_000}]})
    first, second, third = (reply["body"] for reply in found["replies"])
    assert second == "y" * 9_000
    assert 9_000 < len(first) < 15_000
    assert abs(len(first) - len(third)) <= 1


def test_what_is_escaped_is_counted_as_it_is_sent() -> None:
    found = fit({"body": '"\n\\\x01' * 20_000})
    assert len(compact(found)) <= MAX_RESULT
    assert json.loads(compact(found)) == found


def test_lists_end_early_only_when_texts_cannot_give_more_and_say_so() -> None:
    found = fit({"replies": [{"id": f"polt:{i}", "body": "x" * 700} for i in range(200)]})
    assert len(compact(found)) <= MAX_RESULT
    assert "left out" in found["cut"]
    assert 40 < len(found["replies"]) < 80
    assert all(reply["body"].startswith("x" * KEPT) for reply in found["replies"])


def test_a_cursor_is_never_cut_like_a_text() -> None:
    cursor = "c" * 3_000
    found = fit({"next_cursor": cursor, "post": {"body": "x" * 60_000}})
    assert found["next_cursor"] == cursor
    assert len(compact(found)) <= MAX_RESULT


@pytest.mark.parametrize("leads_on", [{"next_cursor": "abc"}, {"next_replies_offset": 500}])
def test_what_would_lead_past_lost_items_is_not_given(leads_on: Result) -> None:
    found = fit(leads_on | {"posts": [{"title": "x" * 300} for _ in range(500)]})
    assert set(found) == {"posts", "cut"}


@pytest.mark.parametrize(("room", "count"), [(0, 1), (5, 1), (10, 1), (14, 2), (15, 2), (22, 3), (1_000, 3)])
def test_as_many_items_begin_a_list_as_there_is_room_for_but_one_always(room: int, count: int) -> None:
    # Each takes 6 characters and a comma.
    assert beginning(["aaaa", "bbbb", "cccc"], room) == count


def test_an_empty_list_begins_with_nothing() -> None:
    assert beginning([], 100) == 0


RESULTS = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(max_size=30), st.text("xé\n", min_size=500, max_size=3_000)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=30), st.dictionaries(st.sampled_from(["id", "body", "posts"]), inner, max_size=3)
    ),
    max_leaves=60,
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["posts", "post", "market"]), RESULTS), st.integers(3_000, 12_000))
def test_whatever_the_result_it_fits_or_has_little_left_to_lose(result: Result, limit: int) -> None:
    before = compact(result)
    found = fit(result, limit)
    assert compact(result) == before
    assert len(compact(found)) <= limit
    if len(before) <= limit:
        assert found == result


@pytest.mark.parametrize("key", ["k", "k" * 5_000])
def test_an_object_without_end_is_ended_and_what_stands_beside_it_stays(key: str) -> None:
    stats = {f"{key}{number}": number for number in range(60_000 // len(key))}
    found = fit({"profile": {"id": "opentask:me", "bio": "x" * 300, "stats": stats}, "untrusted": "Words of others."})
    assert 20_000 < len(compact(found)) <= MAX_RESULT and "left out" in found["cut"]
    assert found["profile"]["id"] == "opentask:me" and found["profile"]["bio"] == "x" * 300
    assert found["untrusted"] == "Words of others." and found["profile"]["stats"][f"{key}0"] == 0


def test_the_first_item_of_a_list_stays_as_far_as_there_is_room_and_the_others_stay_whole_or_go() -> None:
    found = fit({"posts": [{"id": "polt:1", "tasks": [str(n) for n in range(9_000)]}, {"id": "polt:2"}]})
    (post,) = found["posts"]
    assert post["id"] == "polt:1" and 3_000 < len(post["tasks"]) < 9_000


# --- objects that are read in parts -------------------------------------------------------------------------

LONG = {
    "id": "opentask:1",
    "title": "A task",
    "description": "".join(f"{n:06d}\n" for n in range(9_000)),
    "criteria": [f"{n} " + "c" * 480 for n in range(50)],
    "approach": "short",
    "submissions": [{"id": f"opentask:{n}", "content": "s" * 3_000} for n in range(30)],
}


def test_following_the_offset_gives_every_character_and_every_item_once() -> None:
    text, criteria, submissions = "", list[str](), list[Any]()
    parts: list[Result] = []
    offset: int | None = 0
    while offset is not None:
        part, offset = portion(LONG, offset)
        parts.append(part)
        assert len(compact(part)) <= ROOM + 3_100 and len(parts) < 12
        text += part.get("description", "")
        criteria += part.get("criteria", [])
        submissions += part.get("submissions", [])
    assert (text, criteria, submissions) == (LONG["description"], LONG["criteria"], LONG["submissions"])
    assert all(part["title"] == "A task" and part["approach"] == "short" for part in parts)


@given(st.dictionaries(st.sampled_from("abc"), st.one_of(st.text(), st.lists(st.text()), st.none())), st.integers(0, 9))
def test_what_has_room_is_one_part(found: Result, offset: int) -> None:
    part, following = portion(found, 0)
    assert (part, following) == (found, None) and list(part) == list(found)
    assert portion(found, 10_000 + offset)[1] is None


@pytest.mark.parametrize(("room", "count"), [(0, 1), (3, 1), (4, 1), (6, 2), (100, 5)])
def test_a_text_opens_with_as_many_characters_as_there_is_room_for_but_one_always(room: int, count: int) -> None:
    # A line break takes two characters, and so do the quotation marks.
    assert opening("\n" * 5, room) == count


def test_compact_json_has_no_blanks_and_no_escapes_that_nobody_needs() -> None:
    assert compact({"a": [1, "é 😀"], "b": None}) == '{"a":[1,"é 😀"],"b":null}'


@pytest.mark.parametrize("size", [10, 470, 5_000])
def test_many_texts_cost_no_more_than_their_length(size: int) -> None:
    def work(text: str) -> object:
        return fit({"replies": [{"body": text[i : i + size]} for i in range(0, len(text), size)]}, 3_000)

    ends(work, "x" * 100)
