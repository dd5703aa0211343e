"""The reading of JSON that somebody else wrote."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NoReturn, TypeVar, cast

from market_mcp.errors import MalformedReply

Method = Literal["GET", "POST", "PATCH", "DELETE"]
T = TypeVar("T")
Value = object
"""A JSON value, under a name that the class below does not use for something else."""

MAX_BODY = 2 * 1024 * 1024
"""Bytes of a decoded answer; a longer one is not read."""


MAX_DEPTH = 64
"""Levels of nesting in a reply: more than any market needs, and few enough for whatever walks it later."""


def parse_json(body: bytes) -> object:
    """Strict JSON: UTF-8, no NaN, no number that a float cannot hold, no nesting beyond MAX_DEPTH.

    Of a name that stands twice in an object, the last value counts. Raises MalformedReply.
    """
    try:
        value: object = json.loads(body.decode("utf-8"), parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
    except (ValueError, OverflowError, RecursionError) as error:
        raise MalformedReply(f"not JSON ({type(error).__name__})") from None
    _check_depth(value)
    return value


def as_utf8(body: bytes, content_type: str = "") -> bytes:
    return body


def last_event(body: bytes) -> bytes:
    """The data of the last event of an event stream that has any: where an MCP server puts the answer to a call."""
    last, data = b"", list[bytes]()
    for line in (*body.splitlines(), b""):
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif not line:
            last, data = b"\n".join(data) or last, []
    return last


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _whole(digits: str) -> int:
    number = int(digits)
    float(number)
    return number


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for holder in level:
            if isinstance(holder, dict):
                inner.extend(cast("dict[str, object]", holder).values())
            elif isinstance(holder, list):
                inner.extend(cast("list[object]", holder))
        if not inner:
            return
        level = inner
    raise MalformedReply("nested too deeply")


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object from a market, read field by field.

    The methods of documented, required fields raise MalformedReply when the field is missing or of another
    type; those with a default forgive, because platforms leave out what is empty. `where` names the place for
    the error.
    """

    value: Mapping[str, Value]
    market: str = field(default="")
    where: str = field(default="reply")

    @classmethod
    def of(cls, value: Value, market: str, where: str = "reply") -> "Fields":
        if isinstance(value, list):
            value = {"items": cast("list[Value]", value)}
        if not isinstance(value, Mapping):
            raise MalformedReply(f"{where} is not an object")
        return cls(cast("Mapping[str, Value]", value), market, where)

    def has(self, name: str) -> bool:
        return self.value.get(name) is not None

    def text(self, *names: str) -> str | None:
        """The first of these fields that holds a non-empty string (numbers count as text), else None."""
        for name in names:
            found = self.value.get(name)
            if isinstance(found, str) and found:
                return found
            if isinstance(found, int | float) and not isinstance(found, bool):
                return str(found)
        return None

    def string(self, name: str) -> str | None:
        """The field's text, where it is one and not empty: a number is no secret."""
        found = self.value.get(name)
        return found if isinstance(found, str) and found else None

    def required_text(self, *names: str) -> str:
        found = self.text(*names)
        if found is None:
            raise MalformedReply(f"{self.where}.{names[0]} is missing")
        return found

    def number(self, *names: str) -> int | float | None:
        for name in names:
            found = self.value.get(name)
            if isinstance(found, int | float) and not isinstance(found, bool):
                return found
        return None

    def whole(self, *names: str) -> int | None:
        found = self.number(*names)
        return None if found is None else int(found)

    def person(self, *names: str) -> str | None:
        """Somebody's name, which platforms give as a string or as an object with a handle."""
        inner = self.object(*names)
        known_as = ("handle", "username", "displayName", "display_name", "name", "id")
        return (inner.text(*known_as) if inner else None) or self.text(*names)

    def flag(self, name: str) -> bool | None:
        found = self.value.get(name)
        return found if isinstance(found, bool) else None

    def texts(self, name: str) -> list[str]:
        """A list of strings; what is not a string in it is left out."""
        return [v for v in self._list(name) if isinstance(v, str)]

    def handle(self, *names: str) -> str | None:
        """An id of the market as a handle, such as `polt:550e…`."""
        found = self.text(*names)
        return None if found is None else f"{self.market}:{found}"

    def required_handle(self, *names: str) -> str:
        return f"{self.market}:{self.required_text(*names)}"

    def object(self, *names: str) -> "Fields | None":
        for name in names:
            found = self.value.get(name)
            if isinstance(found, Mapping):
                return Fields(cast("Mapping[str, Value]", found), self.market, f"{self.where}.{name}")
        return None

    def required_object(self, *names: str) -> "Fields":
        found = self.object(*names)
        if found is None:
            raise MalformedReply(f"{self.where}.{names[0]} is missing")
        return found

    def each(self, name: str, read: "Callable[[Fields], T]") -> list[T]:
        """What `read` makes of every object of a list that may be missing."""
        where = f"{self.where}.{name}"
        return [read(Fields.of(v, self.market, f"{where}[{i}]")) for i, v in enumerate(self._list(name))]

    def required_each(self, name: str, read: "Callable[[Fields], T]") -> list[T]:
        """As `each`, of a list that must be there: under its name, or under the usual wrappers for it."""
        holder, found_as = self._holding(name)
        return holder.each(found_as, read)

    def readable_each(self, name: str, read: "Callable[[Fields], T]") -> tuple[list[T], int]:
        """As `required_each`, without the items that cannot be read, and how many they are.

        Raises MalformedReply where there are items and none can be read.
        """
        holder, found_as = self._holding(name)
        found: list[T] = []
        failures: list[MalformedReply] = []
        for place, item in enumerate(holder._list(found_as)):
            try:
                found.append(read(Fields.of(item, self.market, f"{holder.where}.{found_as}[{place}]")))
            except MalformedReply as failure:
                failures.append(failure)
        if failures and not found:
            raise failures[0]
        return found, len(failures)

    def unwrap(self, *names: str) -> "Fields":
        """The object itself where the market wraps it (`{"task": {…}}`), else this one."""
        inner = self.object(*names)
        return self if inner is None else inner

    def shown(self, *names: str) -> "Fields | None":
        """The thing that a reply to a write shows: under one of these names, or as itself; None where it shows none."""
        for holder in (self, self.object("data", "result")):
            if holder is not None:
                inner = holder.object(*names)
                if inner is not None or holder.has("id"):
                    return inner or holder
        return None

    def _holding(self, name: str) -> "tuple[Fields, str]":
        """What holds a list that must be there, and under which name."""
        for holder in (self, self.object("data")):
            for candidate in (name, "data", "items"):
                if holder is not None and isinstance(holder.value.get(candidate), list):
                    return holder, candidate
        raise MalformedReply(f"{self.where}.{name} is missing")

    def _list(self, name: str) -> Sequence[Value]:
        found = self.value.get(name)
        return cast("Sequence[Value]", found) if isinstance(found, list) else ()
