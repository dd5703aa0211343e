"""How long a market wants to be left alone, in whichever way it says so.

Read are `Retry-After` (RFC 9110, section 10.2.3), fields of the body as frameworks and gateways write them, and the
headers of rate limits: those of the IETF draft and the `X-RateLimit-…` forms.
"""

import email.utils
import re
from collections.abc import Iterator, Mapping
from typing import cast

from market_mcp.gateway.messages import HttpReply
from market_mcp.markets import envelope
from market_mcp.markets.domain import plain
from market_mcp.text.times import in_utc, seconds

LONGEST = 86_400.0
"""Seconds; a market that wants more is asked again after a day."""

UNNAMED = 60.0
"""Seconds to wait after a 429 that names no time."""

LEAVE_ALONE = frozenset({429, 503})
"""Statuses by which a market, or what stands in front of it, asks to be left alone."""

_UNITS = {
    "": 1.0,
    **dict.fromkeys(("ms", "millis", "millisecond"), 0.001),
    **dict.fromkeys(("s", "sec", "second"), 1.0),
    **dict.fromkeys(("m", "min", "minute"), 60.0),
    **dict.fromkeys(("h", "hour"), 3600.0),
    **dict.fromkeys(("d", "day"), 86_400.0),
}
"""Seconds in a unit of time; what ends in an s besides is the same."""
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([a-z]{0,12})", re.ASCII)

_SPANS = ("retryafter", "retryin", "wait", "cooldown", "resetafter", "resetin")
"""How names of fields begin that hold a span, written as by `plain`; a unit may follow."""
_INSTANTS = frozenset({"retryat", "resetat", "resetsat", "nextretryat", "availableat", "retryafterdate", "banneduntil"})


def named(reply: HttpReply, body: object, now: float) -> float | None:
    """The seconds for which a reply asks to be left alone, at least one and at most a day; None where it does not say.

    `body` is what it says as JSON, `now` in seconds since 1970. An instant is held against the reply's own `Date`.
    """
    dated = _dated(reply.headers.get("date", ""))
    here = now if dated is None else dated
    found = _retry_after(reply.headers.get("retry-after", ""), here)
    if found is None:
        found = next(_in_body(body, here), None)
    if found is None and reply.status == 429:
        found = _in_headers(reply.headers, here)
    return None if found is None else min(max(1.0, found), LONGEST)


def asked_for(reply: HttpReply, body: object, now: float) -> float | None:
    """The seconds for which nothing is to be sent after this reply: of a 429 in any case, of a 503 if it says so."""
    if reply.status not in LEAVE_ALONE:
        return None
    found = named(reply, body, now)
    return UNNAMED if found is None and reply.status == 429 else found


def _retry_after(value: str, here: float) -> float | None:
    dated = _dated(value)
    return _span(value) if dated is None else dated - here


def _in_body(body: object, here: float) -> Iterator[float]:
    for level in envelope.levels(body):
        for holder in (level, level.get("error")):
            if isinstance(holder, Mapping):
                for name, value in cast("Mapping[str, object]", holder).items():
                    found = _field(plain(name), value, here)
                    if found is not None:
                        yield found


def _field(name: str, value: object, here: float) -> float | None:
    """The span that a field of the body holds, if it is about one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if name in _INSTANTS:
        instant = seconds(in_utc(str(value)))
        return None if instant is None else instant - here
    stem = next((stem for stem in _SPANS if name.startswith(stem)), None)
    unit = None if stem is None else _unit(name.removeprefix(stem))
    amount = None if unit is None else _span(str(value))
    return None if amount is None or unit is None else amount * unit


def _unit(name: str) -> float | None:
    return _UNITS.get(name, _UNITS.get(name.removesuffix("s")))


def _in_headers(headers: Mapping[str, str], here: float) -> float | None:
    """When a used-up rate limit is filled again, by the headers that say so."""
    for name in ("x-ratelimit-reset-after", "ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"):
        found = _reset(headers.get(name, ""), here)
        if found is not None:
            return found
    # `limit=100, remaining=0, reset=50` in the drafts up to the seventh, `"default";r=0;t=50` since.
    told = re.search(r"(?:\breset\s*=\s*|;\s*t\s*=\s*)([0-9]{1,15})", headers.get("ratelimit", ""))
    return None if told is None else _reset(told.group(1), here)


def _reset(value: str, here: float) -> float | None:
    """A span, or an instant in seconds or milliseconds since 1970."""
    amount = _span(value)
    if amount is None or amount < 10**9:
        return amount
    return (amount / 1000 if amount >= 10**12 else amount) - here


def _span(value: str) -> float | None:
    """Seconds in a text such as `30`, `1.5`, `2 minutes` or `6m0s`."""
    text = value.strip().casefold()
    parts = _AMOUNT.findall(text)
    if not parts or re.sub(r"\s", "", text) != "".join(amount + unit for amount, unit in parts):
        return None
    units = [_unit(unit) for _, unit in parts]
    if None in units:
        return None
    return sum(float(amount) * (unit or 0.0) for (amount, _), unit in zip(parts, units, strict=True))


def _dated(value: str) -> float | None:
    """An HTTP date in seconds since 1970."""
    try:
        return email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
