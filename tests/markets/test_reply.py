"""Replies are strict JSON, and whatever shape they have, reading them fails in one way only."""

import contextlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocks import ends
from market_mcp.errors import MalformedReply
from market_mcp.markets.reply import MAX_DEPTH, Fields, parse_json
from market_mcp.text.sanitize import scrub


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"<html>502</html>",
        b'{"a": 1',
        b"{'a': 1}",
        b'{"a": 1} trailing',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"[-Infinity]",
        b'{"a": 1e999}',
        b'{"a": -1e999}',
        b"9" * 400,
        b"9" * 5000,
        b"-" + b"9" * 5000,
        b'"\xff\xfe"',
        b"\xed\xa0\x80",
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        b'"\n"',
        b'"\\u12"',
        b"01",
    ],
)
def test_what_is_not_strict_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedReply):
        parse_json(body)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 100_000])
def test_deep_nesting_is_malformed_however_deep(opening: bytes, depth: int) -> None:
    closing = {b"[": b"]", b'{"a":': b"}", b'[{"a":': b"}]"}[opening]
    for body in (opening * depth + b"1" + closing * depth, opening * depth):
        with pytest.raises(MalformedReply):
            parse_json(body)


def test_nesting_that_a_market_may_need_is_read() -> None:
    depth = MAX_DEPTH - 1
    value = parse_json(b"[" * depth + b"1" + b"]" * depth)
    assert scrub(value) == value


def test_the_complaint_does_not_quote_the_reply() -> None:
    with pytest.raises(MalformedReply) as caught:
        parse_json(b'{"key": "polt_secret", "n": NaN}')
    assert "polt_secret" not in str(caught.value)


def test_of_a_name_that_stands_twice_the_last_value_counts() -> None:
    assert parse_json(b'{"id": 1, "id": 2}') == {"id": 2}


def test_half_characters_are_read_so_that_they_can_be_scrubbed() -> None:
    assert scrub(parse_json(b'{"a\\ud800": "\\udfff x \\ud83d\\ude00"}')) == {"a\ufffd": "\ufffd x 😀"}


def test_whole_numbers_keep_every_digit() -> None:
    assert parse_json(b"[9007199254740993, 12345678901234567890]") == [9007199254740993, 12345678901234567890]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=20,
)


@given(JSON)
def test_every_json_value_is_read_as_it_was_written(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_no_bytes_bring_anything_but_a_value_or_a_malformed_reply(body: bytes) -> None:
    with contextlib.suppress(MalformedReply):
        json.dumps(parse_json(body), allow_nan=False)


@pytest.mark.parametrize("part", ["[", "[],", "{},", '"\\', "1,", '{"a":', "1e", "-"])
def test_a_hostile_reply_costs_no_more_than_its_length(part: str) -> None:
    def read(text: str) -> None:
        for body in (text, f"[{text}0]"):
            with contextlib.suppress(MalformedReply):
                parse_json(body.encode())

    ends(read, part)


NAMES = ("id", "task", "items", "data", "name", "handle")

READERS: list[Callable[[Fields], object]] = [
    lambda f: f.has("id"),
    lambda f: f.text("id", "name"),
    lambda f: f.required_text("id", "name"),
    lambda f: f.number("id", "name"),
    lambda f: f.whole("id", "name"),
    lambda f: f.person("name", "task"),
    lambda f: f.flag("id"),
    lambda f: f.texts("items"),
    lambda f: f.handle("id"),
    lambda f: f.required_handle("id"),
    lambda f: f.object("task", "data"),
    lambda f: f.required_object("task").required_text("id"),
    lambda f: f.each("items", lambda item: item.text("id")),
    lambda f: f.required_each("items", lambda item: item.required_handle("id")),
    lambda f: f.unwrap("data").unwrap("task").text("id"),
    lambda f: f.readable_each("items", lambda item: item.required_handle("id"))[0],
]

NUMBERS = st.one_of(st.integers(-(10**308), 10**308), st.floats(allow_nan=False, allow_infinity=False))
REPLIES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)),
    max_leaves=12,
)


@given(REPLIES)
def test_fields_of_any_type_anywhere_are_read_or_malformed_and_nothing_else(value: object) -> None:
    reply = parse_json(json.dumps(value).encode())
    for read in READERS:
        try:
            found = read(Fields.of(reply, "polt"))
        except MalformedReply as error:
            assert str(error).startswith("reply")
        else:
            assert isinstance(found, str | int | float | list | Fields | None)


def test_a_list_that_is_the_whole_reply_is_found_under_the_usual_name() -> None:
    assert Fields.of([{"id": "1"}], "polt").required_each("tasks", lambda f: f.required_handle("id")) == ["polt:1"]


@pytest.mark.parametrize("wrapped", [{"tasks": []}, {"data": []}, {"items": []}, {"data": {"tasks": []}}])
def test_a_list_is_found_under_its_name_or_the_usual_wrappers(wrapped: dict[str, object]) -> None:
    assert Fields.of(wrapped, "polt").required_each("tasks", lambda f: f.text("id")) == []


def test_what_cannot_be_read_in_a_list_is_left_out_and_counted() -> None:
    fields = Fields.of({"tasks": [{"id": "1"}, {"id": None}, 7, {"id": "4"}]}, "polt")
    assert fields.readable_each("tasks", lambda f: f.required_handle("id")) == (["polt:1", "polt:4"], 2)
    assert Fields.of([], "polt").readable_each("tasks", lambda f: f.required_handle("id")) == ([], 0)


def test_a_list_of_which_nothing_can_be_read_is_malformed() -> None:
    with pytest.raises(MalformedReply, match=r"^reply\.tasks\[0\]\.id is missing$"):
        Fields.of({"tasks": [{"name": "x"}, 7]}, "polt").readable_each("tasks", lambda f: f.required_handle("id"))


def test_an_error_names_the_place() -> None:
    fields = Fields.of({"task": {"submissions": [{"id": "1"}, 7]}}, "polt")
    with pytest.raises(MalformedReply, match=r"^reply\.task\.submissions\[1\] is not an object$"):
        fields.required_object("task").each("submissions", lambda f: f.text("id"))
    with pytest.raises(MalformedReply, match=r"^reply\.task\.title is missing$"):
        fields.required_object("task").required_text("title")


@pytest.mark.parametrize("reply", [None, True, 7, 1.5, "text"])
def test_a_reply_that_is_no_object_is_malformed(reply: object) -> None:
    with pytest.raises(MalformedReply):
        Fields.of(reply, "polt")


def test_truth_is_no_number_and_no_text() -> None:
    fields = Fields.of({"n": True}, "polt")
    assert (fields.number("n"), fields.whole("n"), fields.text("n"), fields.flag("n")) == (None, None, None, True)


def test_the_first_field_that_says_something_counts() -> None:
    fields = Fields.of({"a": "", "b": None, "c": 7, "d": "x"}, "polt")
    assert fields.text("a", "b", "c", "d") == "7"


@pytest.mark.parametrize(
    ("author", "name"),
    [({"handle": "ada", "id": "1"}, "ada"), ({"id": "1"}, "1"), ("ada", "ada"), ({}, None), (None, None), ([], None)],
)
def test_a_person_is_a_string_or_an_object_with_a_name(author: object, name: str | None) -> None:
    assert Fields.of({"author": author}, "polt").person("author") == name
