"""A time is the same instant in whatever form it comes, and what is none stays as it was."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocks import ends
from market_mcp.text.times import in_utc, seconds

WHOLE = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=0)
)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(WHOLE, OFFSETS)
def test_a_time_in_every_form_is_the_same_instant(time: datetime, offset: timezone) -> None:
    elsewhere, since = time.astimezone(offset), int(time.timestamp())
    forms = [
        str(since),
        f"{since}000",
        f"{since}.000",
        f"{since}000000",
        f"{since}000000000",
        time.isoformat(),
        time.isoformat(" "),
        elsewhere.isoformat(),
        f"{elsewhere:%Y-%m-%d %H:%M:%S %z}",
        f"{elsewhere:%Y%m%dT%H%M%S%z}",
        f"{time:%Y-%m-%dT%H:%M:%S}",
        f"{time:%Y-%m-%d %H:%M:%S UTC}",
        format_datetime(elsewhere),
        format_datetime(time, usegmt=True),
    ]
    assert {in_utc(form) for form in forms} == {f"{time:%Y-%m-%dT%H:%M:%SZ}"}
    assert {seconds(in_utc(form)) for form in forms} == {time.timestamp()}


@given(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)), OFFSETS)
def test_parts_of_a_second_are_kept(time: datetime, offset: timezone) -> None:
    assert seconds(in_utc(time.astimezone(offset).isoformat())) == time.timestamp()


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ("2026-11-26T12:00:00.120+02:00", "2026-11-26T10:00:00.12Z"),
        ("1795687200.5", "2026-11-26T10:00:00.5Z"),
        ("Thu, 26 Nov 2026 10:00:00 +0100 (CET)", "2026-11-26T09:00:00Z"),
        ("26 Nov 2026 10:00 EST", "2026-11-26T15:00:00Z"),
        ("2026-11-26t10:00:00z", "2026-11-26T10:00:00Z"),
        (" 2026-11-26 10:00:00+00 ", "2026-11-26T10:00:00Z"),
    ],
)
def test_forms_that_markets_use(given: str, printed: str) -> None:
    assert in_utc(given) == printed


@pytest.mark.parametrize(
    "text",
    ["2026-11-26T10:00:00Z", "2026-11-26T10:00:00.000Z", "2026-11-26T10:00Z", "2026-11-26", "20261126"],
)
def test_what_is_iso_in_utc_already_and_a_date_stay_as_they_are_written(text: str) -> None:
    assert in_utc(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "7",
        "0",
        "2026",
        "-1795687200",
        "1e9",
        "in 3 days",
        "2026-13-26T10:00:00+01:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-11-26+02:00",
        "26 Foo 2026 10:00:00 GMT",
        "26 Nov 2026 10:00:00 XYZ",
        "٢٢٢٢-٢٢-٢٢T٢٢:٢٢:٢٢+02:00",
        "99999999999999999999",
    ],
)
def test_what_is_no_time_stays_as_its_text(text: str) -> None:
    assert in_utc(text) == text


@given(st.text())
def test_no_text_is_too_strange_and_reading_twice_changes_nothing_more(text: str) -> None:
    once = in_utc(text)
    assert in_utc(once) == once


@pytest.mark.parametrize("part", ["1", "2026-11-26T", "0 ", "Mon, ", ":"])
def test_a_hostile_time_costs_no_more_than_its_length(part: str) -> None:
    ends(in_utc, part)
