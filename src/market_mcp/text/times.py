"""Times as they are printed and read."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SINCE_EPOCH = re.compile(r"[0-9]{9,19}(?:\.[0-9]{1,9})?")
_TOO_MANY_SECONDS = 10**11
"""As seconds these lie beyond the year 5000; as milliseconds in 1973, and what is more in micro- or nanoseconds."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}")
_ISO = re.compile(rf"(?:{_DATE.pattern})[T ][0-9:.,]+(?: ?(?P<zone>Z|UTC|GMT|[+-][0-9:]{{2,8}}))?")
_IN_UTC = re.compile(rf"(?:{_DATE.pattern})T[0-9:.]+Z")
_MAIL = re.compile(
    # RFC 2822, section 3.3, with the zones that section 4.3 gives names.
    r"(?:[A-Z]{3}, *)?[0-9]{1,2} [A-Z]{3} [0-9]{4} [0-9]{2}:[0-9]{2}(?::[0-9]{2})? "
    r"(?:[+-][0-9]{4}|UT|UTC|GMT|Z|[ECMP][SD]T)(?: \([A-Z ]+\))?"
)
_LONGEST = 60


def iso(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC: `2026-03-14T10:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 date or time, in UTC where it names no zone; None for anything else."""
    try:
        return _at_zero(datetime.fromisoformat(text.strip())).timestamp()
    except (ValueError, OverflowError):
        return None


def in_utc(text: str) -> str:
    """A time as ISO 8601 in UTC; what already is one, is a date alone or is no time at all stays as it is.

    Read are ISO 8601 (in UTC where it names no zone), RFC 2822, and seconds, milli-, micro- or nanoseconds since 1970.
    """
    written = text.strip()
    instant = None if _DATE.fullmatch(written) or _IN_UTC.fullmatch(written) else _instant(written.upper())
    if instant is None:
        return text
    plain = instant.replace(tzinfo=None).isoformat()
    return (plain.rstrip("0") if "." in plain else plain) + "Z"


def _instant(written: str) -> datetime | None:
    """A time in capitals, in UTC."""
    if len(written) > _LONGEST:
        return None
    try:
        if _SINCE_EPOCH.fullmatch(written):
            number = Decimal(written)
            while number >= _TOO_MANY_SECONDS:
                number /= 1000
            return _EPOCH + timedelta(microseconds=round(number * 10**6))
        if _MAIL.fullmatch(written):
            return _at_zero(parsedate_to_datetime(written))
        if found := _ISO.fullmatch(written):
            zone = found["zone"] or "Z"
            bare = written[: found.start("zone")].rstrip() if found["zone"] else written
            return _at_zero(datetime.fromisoformat(bare + ("Z" if zone in {"UTC", "GMT"} else zone)))
    except (ValueError, OverflowError):
        pass
    return None


def _at_zero(time: datetime) -> datetime:
    """A time in UTC, which it is in if it names no zone."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
