"""Keeps a result small enough for a model to take in."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, cast

MAX_RESULT = 32_000
"""Characters of a result as compact JSON: about 8,000 tokens."""

KEPT = 400
"""Characters that are left of a text, however large the rest of a result."""

_REMARK = 60
_LEADING_ON = ("next_cursor", "next_replies_offset")
_ENDED = "Too long for one answer: lists end early; ask for less at once."


def compact(value: object) -> str:
    """JSON without blanks, as results are sent."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def beginning(items: Sequence[object], room: int) -> int:
    """How many of the items, whole and in order, there is room for: at least one, if there is any."""
    count = 0
    for item in items:
        room -= len(compact(item)) + 1
        if room < 0 and count:
            break
        count += 1
    return count


def fit(result: dict[str, Any], limit: int = MAX_RESULT) -> dict[str, Any]:
    """The result, its longest texts cut and then its longest lists ended early, as little as makes it fit.

    What was cut says so. What leads on, such as `next_cursor`, is no text to cut, and goes where it would lead past
    what a list has lost.
    """
    if len(compact(result)) <= limit:
        return result
    cursor = {name: result[name] for name in _LEADING_ON if name in result}
    rest = {name: value for name, value in result.items() if name not in cursor}

    def size(chars: int, items: int | None = None) -> int:
        return len(compact(_cut(rest, chars, items) | cursor))

    lengths = range(KEPT, max(_lengths(rest, str), default=0))
    fitting = bisect_right(lengths, limit, key=size)
    if fitting:
        return _cut(rest, lengths[fitting - 1], None) | cursor
    cursor = {"cut": _ENDED}
    counts = range(1, max(_lengths(rest, list), default=0))
    fitting = bisect_right(counts, limit, key=lambda items: size(KEPT, items))
    return _cut(rest, KEPT, max(fitting, 1)) | cursor


def _cut(value: Any, chars: int, items: int | None) -> Any:
    """A copy of a JSON value without what its texts and lists have too much."""
    if isinstance(value, dict):
        return {name: _cut(inner, chars, items) for name, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_cut(inner, chars, items) for inner in cast("list[Any]", value)[:items]]
    if isinstance(value, str) and len(value) > chars + _REMARK:
        return f"{value[:chars]}… [cut; {len(value)} characters in all]"
    return value


def _lengths(value: Any, kind: type) -> list[int]:
    """How long the texts or lists in a JSON value are."""
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = list(cast("dict[str, Any]", value).values())
    elif isinstance(value, list):
        inner = cast("list[Any]", value)
    found = [length for each in inner for length in _lengths(each, kind)]
    if isinstance(value, kind):
        found.append(len(cast("str | list[Any]", value)))
    return found
