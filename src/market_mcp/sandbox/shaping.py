"""An answer on its way out, where a market's answers are to differ from those of its document."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import cast

from market_mcp.sandbox.settings import Settings
from market_mcp.sandbox.store import iso

Named = Mapping[str, object]

PAY = frozenset({"payout", "total_earned", "amount_usdc"})
"""What the documents print as a decimal in a string."""

LAST = 253_402_300_799
"""The end of the year 9999, in seconds since 1970."""

_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def without(value: object, hidden: Collection[str]) -> object:
    """A JSON value without those items of its lists whose `id` is hidden, however deep a list lies."""
    if isinstance(value, dict):
        return {name: without(inner, hidden) for name, inner in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [without(item, hidden) for item in cast("list[object]", value) if _id(item) not in hidden]
    return value


def _id(item: object) -> object:
    return cast("dict[str, object]", item).get("id") if isinstance(item, dict) else None


def shaped(value: object, settings: Settings, *, read: bool) -> object:
    """The JSON of a good answer in the shape that the settings want; `read` says whether it answers a read.

    Bare, a list that stands beside nothing but numbers and texts (page, total, cursor) goes alone. Enveloped, all
    stands in `data`, once. Pay becomes a number where it is a decimal in a string, a time what `epoch_times` says.
    """
    lively = settings.numeric_pay or settings.epoch_times
    told = _each(value, lambda name, inner: _value(name, inner, settings)) if lively else value
    if settings.shapes == "bare" and read:
        return _bare(told)
    return {"data": told} if settings.shapes == "enveloped" and not _in_envelope(told) else told


def _in_envelope(value: object) -> bool:
    return isinstance(value, dict) and set(cast("Named", value)) == {"data"}


def _bare(value: object) -> object:
    if not isinstance(value, dict):
        return value
    whole = cast("Named", value)
    lists = [name for name, inner in whole.items() if isinstance(inner, list)]
    return whole[lists[0]] if len(lists) == 1 else whole


def _each(value: object, change: Callable[[str, object], object]) -> object:
    """A JSON value with every member of every object in it changed, by its name."""
    if isinstance(value, dict):
        return {name: change(name, _each(inner, change)) for name, inner in cast("Named", value).items()}
    if isinstance(value, list):
        return [_each(item, change) for item in cast("list[object]", value)]
    return value


def restored(value: object, settings: Settings) -> object:
    """The JSON of a request with its times as a document has them: a market takes back the form that it gives."""
    if not settings.epoch_times:
        return value
    unit = 1 if settings.epoch_times == "seconds" else 1000

    def back(name: str, inner: object) -> object:
        if not _is_time(name) or not isinstance(inner, int) or isinstance(inner, bool):
            return inner
        return iso(inner / unit) if 0 <= inner <= LAST * unit else inner

    return _each(value, back)


def _is_time(name: str) -> bool:
    return name == "deadline" or name.endswith(("At", "_at"))


def _value(name: str, value: object, settings: Settings) -> object:
    if not isinstance(value, str):
        return value
    if settings.numeric_pay and name in PAY and _DECIMAL.fullmatch(value):
        amount = float(value)
        return int(amount) if amount.is_integer() else amount
    if settings.epoch_times and _is_time(name) and _ISO.fullmatch(value):
        seconds = int(datetime.fromisoformat(value).timestamp())
        return seconds if settings.epoch_times == "seconds" else seconds * 1000
    return value
