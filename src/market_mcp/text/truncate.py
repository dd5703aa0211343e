"""Keeps a result small enough for a model to take in."""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, cast

MAX_RESULT = 32_000
"""Characters of a result as compact JSON: about 8,000 tokens."""

ROOM = MAX_RESULT * 3 // 4
"""Characters of what a result is about; what does not fit is left for the next page, and not cut away behind it."""

KEPT = 400
"""Characters that are left of a text, however large the rest of a result."""

SHORT = 300
"""Characters up to which a field stands in every part of an object that is read in parts."""

_REMARK = 60
_LEADING_ON = ("next_cursor", "next_offset", "next_replies_offset")
_ENDED = "Too long for one answer: some of it is left out; ask for less at once."


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


def opening(text: str, room: int) -> int:
    """How many characters of a text, as it is sent, there is room for: at least one, if there is any."""
    fitting = bisect_right(range(1, len(text) + 1), room, key=lambda count: len(compact(text[:count])))
    return max(fitting, min(1, len(text)))


def portion(found: Mapping[str, Any], offset: int, room: int = ROOM) -> tuple[dict[str, Any], int | None]:
    """As much of an object as there is room for, from `offset` on, and the offset at which it goes on, if it does.

    Short fields are always there. Long texts and lists come one after the other; a place among them is counted in the
    characters of texts and the items of lists.
    """
    if offset == 0 and len(compact(found)) <= room:
        return dict(found), None
    long = [name for name in found if isinstance(found[name], str | list) and len(compact(found[name])) > SHORT]
    shown = {name: value for name, value in found.items() if name not in long}
    room = max(room - len(compact(shown)), SHORT)
    end, following = 0, None
    for name in long:
        value: str | list[Any] = found[name]
        rest = value[max(offset - end, 0) :]
        end += len(value)
        if rest and room < SHORT:
            following = end - len(rest)
        elif rest:
            count = opening(rest, room) if isinstance(rest, str) else beginning(rest, room)
            shown[name] = rest[:count]
            room -= len(compact(shown[name]))
            following = end - len(rest) + count if count < len(rest) else None
        if following is not None:
            break
    return {name: shown[name] for name in found if name in shown}, following


def fit(result: dict[str, Any], limit: int = MAX_RESULT) -> dict[str, Any]:
    """The result in at most `limit` characters: its longest texts cut, as little as is needed, or else parts left out.

    A text that was cut says so. Fields that lead on, such as `next_cursor`, are never cut. They are dropped when whole
    parts are left out, since following them would skip those parts.
    """
    if len(compact(result)) <= limit:
        return result
    leading = {name: result[name] for name in _LEADING_ON if name in result}
    rest = {name: value for name, value in result.items() if name not in leading}
    lengths = range(KEPT, max(_lengths(rest), default=0))
    fitting = bisect_right(lengths, limit, key=lambda chars: len(compact(_cut(rest, chars) | leading)))
    if fitting:
        return _cut(rest, lengths[fitting - 1]) | leading
    ended = {"cut": _ENDED}
    return _within(_cut(rest, KEPT), limit - len(compact(ended))) | ended


def _cut(value: Any, chars: int) -> Any:
    """A copy of a JSON value without what its texts have too much."""
    if isinstance(value, dict):
        return {name: _cut(inner, chars) for name, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_cut(inner, chars) for inner in cast("list[Any]", value)]
    if isinstance(value, str) and len(value) > chars + _REMARK:
        return f"{value[:chars]}… [cut; {len(value)} characters in all]"
    return value


def _within(value: Any, room: int) -> Any:
    """What there is room for of a JSON object or list: small fields before large ones, items from the first on."""
    room -= 2
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        kept: dict[str, Any] = {}
        for name in sorted(fields, key=lambda name: len(compact(fields[name]))):
            for inner in _if_room(fields[name], room - len(compact(name)) - 2):
                kept[name] = inner
                room -= len(compact(name)) + len(compact(inner)) + 2
        return {name: kept[name] for name in fields if name in kept}
    items = cast("list[Any]", value)
    count = 0
    for item in items:
        room -= len(compact(item)) + 1
        if room < 0:
            break
        count += 1
    return items[:count] or [part for item in items[:1] for part in _if_room(item, room + len(compact(item)))]


def _if_room(value: Any, room: int) -> list[Any]:
    """The value, or what there is room for of it if it has parts, or nothing."""
    if len(compact(value)) <= room:
        return [value]
    return [_within(value, room)] if isinstance(value, dict | list) and room > SHORT else []


def _lengths(value: Any) -> list[int]:
    """How long the texts in a JSON value are."""
    if isinstance(value, str):
        return [len(value)]
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = list(cast("dict[str, Any]", value).values())
    elif isinstance(value, list):
        inner = cast("list[Any]", value)
    return [length for each in inner for length in _lengths(each)]
