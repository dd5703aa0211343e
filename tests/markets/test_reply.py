"""Replies are strict JSON, and whatever shape they have, reading them fails in one way only."""

import contextlib
import json
import re
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocks import ends
from market_mcp.errors import MalformedReply
from market_mcp.markets.reply import MAX_DEPTH, Exact, Fields, as_json, as_utf8, parse_json
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
        b'\xff\xfe{"a": 1}',
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


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_is_read_in_every_encoding_that_its_first_bytes_show(encoding: str) -> None:
    assert parse_json('{"title": "Prüfen, 検査"}'.encode(encoding)) == {"title": "Prüfen, 検査"}


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("iso-8859-1", '{"a": "Prüfen"}'),
        ('"windows-1252"', '{"a": "“Prüfen”"}'),
        ("Shift_JIS", '{"a": "検査"}'),
        ("gb18030", '{"a": "检查"}'),
        ("UTF-16LE", '{"a": "検"}'),
        ("utf-8", '{"a": "Prüfen"}'),
        ("no-such-charset", '{"a": "Prüfen"}'),
    ],
)
def test_a_text_is_read_in_the_charset_that_is_declared_and_else_in_utf_8(charset: str, text: str) -> None:
    name = charset.strip('"') if "such" not in charset else "utf-8"
    body = text.encode(name)
    for content_type in (f"application/json; charset={charset}", f"application/json;Charset = {charset} ; v=1"):
        assert as_utf8(body, content_type) == text.encode()


@pytest.mark.parametrize("charset", ["us-ascii", "utf-16", "UTF-16LE", "utf-32", "punycode", "unicode_escape", "zip"])
def test_what_is_in_utf_8_is_read_so_even_if_it_is_declared_otherwise(charset: str) -> None:
    assert as_utf8("[Prüfen]".encode(), f"text/plain; charset={charset}") == "[Prüfen]".encode()


@pytest.mark.parametrize(
    "charset", ["", "utf-8", "ascii", "punycode", "idna", "hex", "unicode_escape", "utf-16", "utf-32-le"]
)
def test_what_is_in_no_encoding_is_malformed(charset: str) -> None:
    with pytest.raises(MalformedReply):
        as_utf8(b'{"a": "\xff\xfe\xfa"}', f"application/json; charset={charset}")


@given(st.text(), st.sampled_from(ENCODINGS[1:3] + ENCODINGS[5:6]))
def test_whatever_has_a_byte_order_mark_is_read_and_loses_it(text: str, encoding: str) -> None:
    text = f"[{text}"
    assert as_utf8(text.encode(encoding)) == text.encode()


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "cp1252", "hz"])
def test_a_hostile_charset_costs_no_more_than_the_length(charset: str) -> None:
    def read(text: str) -> None:
        with contextlib.suppress(MalformedReply):
            as_utf8(text.encode(), f"charset={charset}")

    ends(read, "a-b9")


DIGITS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,30})?", fullmatch=True).filter(lambda digits: digits != "-0")


@given(DIGITS)
def test_a_number_keeps_every_digit_from_reading_to_writing(digits: str) -> None:
    value = parse_json(f'{{"n": [{digits}]}}'.encode())
    assert as_json(value) == f'{{"n":[{digits}]}}'
    assert Fields.of(cast("dict[str, list[object]]", value)["n"], "polt").texts("items") == [digits]


@given(JSON)
def test_every_json_value_is_written_so_that_it_can_be_read(value: object) -> None:
    assert parse_json(as_json(value).encode()) == json.loads(as_json(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Exact("1e999"), Exact("nan"), [{1}], {"a": object()}])
def test_what_is_no_json_is_not_written(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        as_json(value)


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
    lambda f: f.time("id", "name"),
    lambda f: f.count("id", "items"),
    lambda f: f.tags("name", "items"),
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


def of(**fields: object) -> Fields:
    return Fields.of(fields, "polt")


@pytest.mark.parametrize("answer", [{"tasks": None}, {"data": None}, {"data": {"tasks": None}}, []])
def test_a_list_that_is_null_is_empty_and_so_is_an_answer_of_nothing_else(answer: object) -> None:
    assert Fields.of(answer, "polt").readable_each("tasks", lambda f: f.text("id")) == ([], 0)


def test_a_list_that_is_there_counts_more_than_a_null() -> None:
    assert of(tasks=None, data=[{"id": "1"}]).required_each("tasks", lambda f: f.text("id")) == ["1"]


def test_a_list_that_is_missing_among_other_fields_is_malformed() -> None:
    with pytest.raises(MalformedReply, match=r"^reply\.tasks is missing$"):
        of(page=1).required_each("tasks", lambda f: f.text("id"))


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_field_gives_way_to_its_other_names(empty: object) -> None:
    f = of(a=empty, b="7")
    assert (f.first("a", "b"), f.text("a", "b"), f.number("a", "b"), f.count("a", "b")) == ("7", "7", 7, 7)
    assert (f.time("a", "b"), f.tags("a", "b"), f.handle("a", "b"), f.person("a", "b")) == ("7", ["7"], "polt:7", "7")


@pytest.mark.parametrize("given", [1795687200, 1795687200.0, "1795687200", 1795687200000, "2026-11-26T12:00:00+02:00"])
def test_a_time_is_printed_in_utc_in_whatever_form_it_comes(given: object) -> None:
    reply = parse_json(json.dumps({"deadline": None, "due": given}).encode())
    assert Fields.of(reply, "polt").time("deadline", "due") == "2026-11-26T10:00:00Z"


@pytest.mark.parametrize(
    "given",
    [2, 2.0, "2", " 2 ", {"unread": 2}, {"count": "2"}, {"total": 2}],
)
def test_a_count_is_read_in_whatever_form_it_comes(given: object) -> None:
    assert of(count=given).count("unread", "count") == 2


@pytest.mark.parametrize("given", [None, "", "many", "٢", True, [], {}, {"count": "many"}, "2 of 3", "1e3"])
def test_what_is_no_count_is_none(given: object) -> None:
    assert of(count=given).count("count") is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "python"}, "python"),
        ({"id": 7, "label": "Python"}, "Python"),
        ({"text": "It runs.", "required": True}, "It runs."),
        ({"criterion": "It runs."}, "It runs."),
        ({"tag": {"name": "python"}}, "python"),
        ({"a": 1.10, "b": "x"}, '{"a":1.10,"b":"x"}'),
        (["one", {"text": "two"}, None], "one\ntwo"),
        (1.10, "1.10"),
    ],
)
def test_an_object_where_a_text_is_expected_is_kept_in_its_words(given: object, words: str) -> None:
    reply = parse_json(json.dumps(given).replace("1.1", "1.10").encode())
    assert of(criteria=reply).text("criteria") == words
    assert of(criteria=[reply]).texts("criteria") == [words]


@pytest.mark.parametrize(
    "given",
    ["python, docs", "python,docs,", ["python", "docs"], [{"name": "python"}, {"id": 7, "label": "docs"}]],
)
def test_tags_are_a_list_or_one_text_with_commas(given: object) -> None:
    assert of(skills=None, tags=given).tags("skills", "tags") == ["python", "docs"]


def test_only_tags_are_parted_at_commas() -> None:
    assert of(criteria="It runs, and it is tested.").texts("criteria") == ["It runs, and it is tested."]


NO_IDS = ["a/b", "..", "a b", "-a", "x" * 129, "ünï", "a.b", {"a": 1, "b": 2}]


@pytest.mark.parametrize("given", NO_IDS)
def test_what_no_path_can_carry_is_no_id(given: object) -> None:
    assert of(id=given).handle("id") is None
    assert of(id=given, other="7").required_handle("id", "other") == "polt:7"
    with pytest.raises(MalformedReply, match=r"^reply\.id is no id$"):
        of(id=given).required_handle("id")


def test_what_is_an_id_is_for_the_market_to_say() -> None:
    dotted = Fields.of({"task": {"tags": [{"id": "a.b"}]}}, "polt", ids=re.compile(r"[a-z.]+"))
    assert dotted.required_object("task").each("tags", lambda f: f.handle("id")) == ["polt:a.b"]
