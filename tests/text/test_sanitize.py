"""What strangers wrote keeps what people see and loses what only machines do."""

import json
import sys
import unicodedata
from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clocks import ends
from market_mcp.text.sanitize import scrub, scrub_text

ANY_TEXT = st.text(st.characters())
"""Every code point, lone surrogates included."""

NASTY = st.text(
    st.sampled_from(
        "\x1b\x9b\x9d\x90\x9c\x07\\[]0;mHa \t\r\n\x85\u2028\u200b\u200c\u200d\ufe0f\ufe0e\ud800\udc00😀❤1"
        "بक\u094dᠠ\u180b\u180e葛\ufe00\U000e0100🏴\U000e0067\U000e0062\U000e007f"
    )
)
"""The same few troublemakers in every order."""

INVISIBLE = [
    *range(0x09), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0),  # controls
    0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810),
    *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070),  # zero-width and bidi
    0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFFC),
    *range(0x13430, 0x13440), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE1000),  # tags
]  # fmt: skip
"""Unicode's Default_Ignorable_Code_Point, the controls, and the format characters that draw nothing."""

BREAKS = [0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029]


def test_every_code_point_is_kept_or_becomes_what_a_person_sees_of_it() -> None:
    becomes = (
        dict.fromkeys(INVISIBLE, "") | dict.fromkeys(BREAKS, "\n") | dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
    )
    points = range(sys.maxunicode + 1)
    found = scrub_text("".join(f"{chr(point)}é" for point in points)).split("é")
    expected = "".join(f"{becomes.get(point, chr(point))}é" for point in points).split("é")
    assert [(a, b) for a, b in zip(found, expected, strict=True) if a != b] == []


def test_no_character_of_unicodes_invisible_categories_survives_anywhere() -> None:
    visible_marks = {0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    hostile = "".join(map(chr, range(sys.maxunicode + 1)))
    left = {ord(char) for char in scrub_text(hostile) if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    assert left - visible_marks <= {0x09, 0x0A}


@pytest.mark.parametrize(
    "text",
    [
        "Plain English, with tabs\tand\nlines.",
        "👩‍💻 👩🏽‍🚀 🏳️‍🌈 🏴‍☠️ ❤️‍🔥 👁️‍🗨️ 👨‍👩‍👧‍👦 🐦‍⬛",
        "1️⃣ #️⃣ ™️ ☎︎ ❤︎ ©️",
        "🇩🇪🇯🇵",
        "مرحبا بالعالم، كَيْفَ حَالُكَ؟",
        "שָׁלוֹם עוֹלָם",
        "สวัสดีครับ ทำงานนี้ได้",
        "안녕하세요 한국어 \u1112\u1161\u11ab",
        "नमस्ते दुनिया",
        "日本語、中文、かな",
        "e\u0301 n\u0303 Z\u0351\u036b\u0343a\u0363lgo",
        "∑ √ → ½ €5 №",
        "\ufffd",
        "می\u200cخواهم کتاب\u200cها",  # noqa: RUF001 - Persian
        "مُ\u200cن ب\u200dب",
        "क्\u200dष क्\u200cष क्\u200c",
        "ന്\u200d ශ්\u200dරී র\u200d্য",
        "ᠠ\u180b ᠠ\u180eᠠ",
        "葛\U000e0100城 ∩\ufe00 က\ufe00",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ],
)
def test_what_people_see_is_kept_to_the_last_mark(text: str) -> None:
    assert scrub_text(text) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Htop", "top"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07shown", "shown"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9d0;title\x9cshown", "shown"),
        ("\x1bP1$tpayload\x1b\\shown", "shown"),
        ("\x1b(Bshown", "shown"),
        ("\x1bcshown", "shown"),
        ("ends in \x1b", "ends in "),
        ("pay \u202e001\u202c", "pay 001"),
        ("\u2066isolated\u2069", "isolated"),
        ("zero\u200bwidth\u2060\ufeff", "zerowidth"),
        ("flag\U000e0067\U000e0062\U000e007f", "flag"),
        ("a\ufe00b\U000e0100", "ab"),
        ("two\r\nlines\rthree", "two\nlines\nthree"),
        ("next\x85line\u2028and\u2029page\x0c", "next\nline\nand\npage\n"),
        ("half \ud83d a smile", "half \ufffd a smile"),
        ("bell\x07 null\x00", "bell null"),
    ],
)
def test_what_only_machines_see_goes(text: str, seen: str) -> None:
    assert scrub_text(text) == seen


@pytest.mark.parametrize("opening", ["\x1b]", "\x1bP", "\x9d", "\x90", "\x9f"])
def test_a_terminal_string_without_an_end_hides_nothing_of_what_follows(opening: str) -> None:
    assert (
        scrub_text(f"{opening}what a person reads\nand the next line\x07") == "what a person reads\nand the next line"
    )


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\u200db", "ab"),
        ("😀\u200d", "😀"),
        ("\u200d😀", "😀"),
        ("😀\u200d\u200d😀", "😀😀"),
        ("a\ufe0f\u200d😀", "a😀"),
        ("a\ufe0f\ufe0e\ufe0f", "a"),
        ("😀\ufe0f\ufe0e\ufe0f", "😀\ufe0f"),
        ("Ig\u200cnore", "Ignore"),
        ("😀\u200c😀", "😀😀"),
        ("ب\u200ca", "بa"),
        ("a\u200cب", "aب"),
        ("ب\u200c \u200cب", "ب ب"),
        ("می\u200c\u200d\u200cخ", "می\u200cخ"),
        ("क्\u200c\u200d\u200c", "क्\u200c"),
        ("葛\U000e0100\U000e0101\ufe00", "葛\U000e0100"),
        ("ᠠ\u180b\u180c", "ᠠ\u180b"),
        ("🏴\U000e0067\U000e0062", "🏴"),
        ("🏴" + "\U000e0067" * 7 + "\U000e007f", "🏴"),
        ("\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", ""),
    ],
)
def test_joiners_selectors_and_tags_stay_only_where_they_shape_what_is_seen_so_that_they_hide_nothing(
    text: str, seen: str
) -> None:
    assert scrub_text(text) == seen


ARABIC = st.text(st.sampled_from("ابپتخدرکگلمنوهیء"), min_size=1, max_size=6)
LATIN = st.text(st.sampled_from("abcXYZ àß"), min_size=1, max_size=6)
JOINERS = st.text(st.sampled_from("\u200c\u200d"), min_size=1, max_size=3)


@given(st.lists(ARABIC, min_size=2, max_size=5), st.sampled_from("\u200c\u200d"))
def test_a_joiner_between_letters_that_need_one_is_spelling_and_stays(parts: list[str], joiner: str) -> None:
    assert scrub_text(joiner.join(parts)) == joiner.join(parts)


@given(st.lists(st.tuples(JOINERS, LATIN)), st.one_of(ARABIC, LATIN))
def test_a_joiner_anywhere_beside_other_letters_goes(parts: list[tuple[str, str]], first: str) -> None:
    hidden = first + "".join(joiner + word for joiner, word in parts)
    assert scrub_text(hidden) == first + "".join(word for _, word in parts)


@settings(max_examples=500)
@given(st.one_of(ANY_TEXT, NASTY))
@example("😀\x1b]x\u200d😀\x07\u200d😀")
@example("\x1b\u200b[31m")
@example("\r\u200b\n")
def test_scrubbing_twice_changes_nothing_more(text: str) -> None:
    once = scrub_text(text)
    assert scrub_text(once) == once


@given(st.one_of(ANY_TEXT, NASTY))
def test_what_is_left_can_always_be_written_as_utf_8(text: str) -> None:
    assert scrub_text(text).encode().decode() == scrub_text(text)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), ANY_TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(ANY_TEXT, inner, max_size=4)),
    max_leaves=20,
)


@given(JSON)
def test_a_whole_json_value_is_scrubbed_and_can_be_sent(value: object) -> None:
    clean = scrub(value)
    assert json.loads(json.dumps(clean, ensure_ascii=False).encode()) == clean
    assert scrub(clean) == clean


def test_keys_are_scrubbed_as_values_are() -> None:
    assert scrub({"na\u200bme\ud800": ["\x1b[1mx", {"\u202ek": 1}]}) == {"name\ufffd": ["x", {"k": 1}]}


@pytest.mark.parametrize("pairs", [{"id": "real", "id\u200b": "fake"}, {"id\u200b": "fake", "id": "real"}])
def test_a_key_in_disguise_does_not_displace_the_real_one(pairs: Mapping[str, str]) -> None:
    assert scrub(pairs) == {"id": "real"}


def test_numbers_truth_and_nothing_stay_as_they_are() -> None:
    assert scrub([1, 1.5, True, None]) == [1, 1.5, True, None]


HOSTILE = [
    "\x1b]",
    "\x9d",
    "\x1b[",
    "\x9b1",
    "\x9b;;;   ",
    "\x1b   ",
    "\x1bP\x1b",
    "\u200d",
    "😀\u200d",
    "😀\ufe0f\u200d",
    "\r",
    "\ud800",
    "a\x9d0;",
    "ب\u200c",
    "\u200c\u200d",
    "क्\u200c\u200c",
    "🏴\U000e0067",
    "葛\U000e0100",
    "\x1b]0;a",
]


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_repetition_costs_no_more_than_its_length(part: str) -> None:
    ends(scrub_text, part)


def test_one_endless_sequence_costs_no_more_than_its_length() -> None:
    ends(lambda text: scrub_text("\x1b[" + text), "0;")
    ends(lambda text: scrub_text("\x1b]" + text), "x")
    ends(lambda text: scrub_text("ب" + text), "\u200c")
    ends(lambda text: scrub_text("क्" + text + "क"), "\u200d")
