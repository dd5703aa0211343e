"""The reading of JSON that somebody else wrote, and the writing of it where every digit counts."""

import codecs
import contextlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NoReturn, TypeVar, cast

from market_mcp.errors import MalformedReply
from market_mcp.text.times import in_utc

Method = Literal["GET", "POST", "PATCH", "DELETE"]
T = TypeVar("T")
Value = object
"""A JSON value, under a name that the class below does not use for something else."""

MAX_BODY = 2 * 1024 * 1024
"""Bytes of a decoded answer; a longer one is not read."""


MAX_DEPTH = 64
"""Levels of nesting in a reply: more than any market needs, and few enough for whatever walks it later."""


ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
"""The form of ids where a market names no other."""

LABELS = ("name", "title", "label", "text")
"""The fields of an object that say in words what it is, the plainest first."""

COUNTS = ("count", "total", "unread")
"""The fields of an object that say how many there are."""

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE | re.ASCII)
_MISLEADING = re.compile(r"utf-(?:16|32).*|idna|punycode|(?:raw-)?unicode-escape")
"""Declarations that do not count: what the first bytes would have shown, and what only Python takes for a charset."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?", re.ASCII)


class Exact(float):
    """A number that prints in the digits it was written in, more of them than a float holds included."""

    __slots__ = ("_digits",)

    def __new__(cls, digits: str) -> "Exact":
        number = super().__new__(cls, digits)
        number._digits = digits
        return number

    def __str__(self) -> str:
        return self._digits


def parse_json(body: bytes) -> object:
    """Strict JSON: no NaN, no number beyond the largest float, no nesting beyond MAX_DEPTH.

    Numbers with a fraction or an exponent are `Exact`. Of a name that stands twice in an object, the last value counts.
    Raises MalformedReply.
    """
    try:
        text = as_utf8(body).decode("utf-8")
        value: object = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
    except (ValueError, OverflowError, RecursionError) as error:
        raise MalformedReply(f"not JSON ({type(error).__name__})") from None
    _check_depth(value)
    return value


def as_json(value: object) -> str:
    """JSON without blanks, in which `Exact` numbers keep their digits. Raises ValueError or TypeError."""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value).items()
        return "{" + ",".join(f"{as_json(name)}:{as_json(inner)}" for name, inner in fields) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(as_json, cast("Iterable[object]", value))) + "]"
    if isinstance(value, Exact) and math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def as_utf8(body: bytes, content_type: str = "") -> bytes:
    """A text in UTF-8 and without a byte order mark.

    It is read in the encoding that its first bytes show (RFC 4627, section 3, for JSON), else in the charset that the
    content type declares, else in UTF-8. Raises MalformedReply where it is in none of them.
    """
    shown = json.detect_encoding(body)
    declared = _CHARSET.search(content_type) if shown == "utf-8" else None
    for charset in (declared.group(1) if declared else shown, "utf-8"):
        with contextlib.suppress(LookupError, ValueError):
            codec = codecs.lookup(charset).name
            if shown != "utf-8" or not _MISLEADING.fullmatch(codec):
                text = body.decode(codec)
                return body if codec == "utf-8" else text.removeprefix("\ufeff").encode()
    raise MalformedReply("not JSON in the encoding that it shows or declares")


def answer_among(events: bytes) -> bytes:
    """The data of the event that answers a call of an MCP server: the last one that is a response of JSON-RPC.

    Beside it stand notifications and requests of the server's own. Where none is a response, it is the last with data.
    """
    found, data = list[bytes](), list[bytes]()
    for line in (*events.splitlines(), b""):
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif not line:
            found, data = [*found, b"\n".join(data)] if any(data) else found, []
    return next((event for event in reversed(found) if _responds(event)), found[-1] if found else b"")


def _responds(event: bytes) -> bool:
    try:
        message = parse_json(event)
    except MalformedReply:
        return False
    return isinstance(message, Mapping) and ("result" in message or "error" in message)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(digits: str) -> Exact:
    number = Exact(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _whole(digits: str) -> int:
    number = int(digits)
    float(number)
    return number


def in_words(value: object, labels: Sequence[str] = LABELS) -> str:
    """A JSON value where a text is expected, "" where it says nothing.

    An object is what it has under the first of `labels`, or in its only field, else it is left as JSON.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        return "\n".join(filter(None, (in_words(inner, labels) for inner in cast("list[object]", value))))
    if not isinstance(value, Mapping) or not value:
        return ""
    fields = cast("Mapping[str, object]", value)
    label = next((found for name in labels if isinstance(found := fields.get(name), str) and found), None)
    if label is None and len(fields) == 1:
        return in_words(next(iter(fields.values())), labels)
    return label or as_json(fields)


def _as_object(value: Value, bare: str) -> Value:
    """A value that is no object, as one which holds it under this name."""
    return cast("Value", value) if isinstance(value, Mapping) else {bare: value}


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
    type; those with a default forgive, because platforms leave out what is empty. A field that is null is one that is
    missing. `where` names the place for the error; `ids` is the form of the market's ids.
    """

    value: Mapping[str, Value]
    market: str = field(default="")
    where: str = field(default="reply")
    ids: re.Pattern[str] = field(default=ID)

    @classmethod
    def of(cls, value: Value, market: str, where: str = "reply", ids: re.Pattern[str] = ID) -> "Fields":
        if isinstance(value, list):
            value = {"items": cast("list[Value]", value)}
        if not isinstance(value, Mapping):
            raise MalformedReply(f"{where} is not an object")
        return cls(cast("Mapping[str, Value]", value), market, where, ids)

    def has(self, name: str) -> bool:
        return self.value.get(name) is not None

    def first(self, *names: str) -> Value:
        """The first of these fields that is there, as the market gave it."""
        there = (self.value.get(name) for name in names)
        return next((found for found in there if found is not None and found != ""), None)

    def text(self, *names: str) -> str | None:
        """The first of these fields that says something, in words (see `in_words`), else None."""
        for name in names:
            value = self.value.get(name)
            # Most are texts already, or not there.
            found = value if value is None or isinstance(value, str) else in_words(value)
            if found:
                return found
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

    def time(self, *names: str) -> str | None:
        """The first of these fields that says something: a time as ISO 8601 in UTC, anything else as it is."""
        found = self.text(*names)
        return None if found is None else in_utc(found)

    def number(self, *names: str) -> int | float | None:
        """The first of these fields that holds a number, be it written as a text."""
        for name in names:
            found = self.value.get(name)
            if isinstance(found, str) and _NUMBER.fullmatch(found.strip()):
                return float(found) if "." in found else int(found)
            if isinstance(found, int | float) and not isinstance(found, bool):
                return float(found) if isinstance(found, float) else found
        return None

    def whole(self, *names: str) -> int | None:
        found = self.number(*names)
        return None if found is None else int(found)

    def count(self, *names: str) -> int | None:
        """The first of these fields that holds a number, or an object with one: `{"count": {"unread": 2}}`."""
        for name in names:
            inner = self.object(name)
            found = self.whole(name) if inner is None else inner.whole(*names, *COUNTS)
            if found is not None:
                return found
        return None

    def person(self, *names: str) -> str | None:
        """Somebody's name, which platforms give as a string or as an object with a handle."""
        inner = self.object(*names)
        known_as = ("handle", "username", "displayName", "display_name", "name", "id")
        plain = [name for name in names if not isinstance(self.value.get(name), list | Mapping)]
        return (inner.text(*known_as) if inner else None) or self.text(*plain)

    def flag(self, name: str) -> bool | None:
        found = self.value.get(name)
        return found if isinstance(found, bool) else None

    def texts(self, name: str, *labels: str) -> list[str]:
        """A list of texts, in which an object stands for its words; a text alone is a list of one."""
        found = self.value.get(name)
        items = cast("list[Value]", found) if isinstance(found, list) else [found]
        return [words for item in items if (words := in_words(item, (*labels, *LABELS)))]

    def tags(self, *names: str) -> list[str]:
        """The first of these fields that lists any tags, be it in one text with commas between them."""
        for name in names:
            found = self.value.get(name)
            tags = found.split(",") if isinstance(found, str) else self.texts(name)
            if kept := [tag.strip() for tag in tags if tag.strip()]:
                return kept
        return []

    def handle(self, *names: str) -> str | None:
        """The first of these fields that holds an id of the market, as a handle such as `polt:550e…`.

        What is no id by the market's form of them leads nowhere, and is none.
        """
        found = (self.text(name) for name in names)
        return next((f"{self.market}:{text}" for text in found if text and self.ids.fullmatch(text)), None)

    def required_handle(self, *names: str) -> str:
        found = self.handle(*names)
        if found is None:
            self.required_text(*names)
            raise MalformedReply(f"{self.where}.{names[0]} is no id")
        return found

    def object(self, *names: str) -> "Fields | None":
        for name in names:
            found = self.value.get(name)
            if found is not None and isinstance(found, Mapping):
                return self._inside(cast("Mapping[str, Value]", found), name)
        return None

    def required_object(self, *names: str) -> "Fields":
        found = self.object(*names)
        if found is None:
            raise MalformedReply(f"{self.where}.{names[0]} is missing")
        return found

    def each(self, name: str, read: "Callable[[Fields], T]", *, bare: str = "") -> list[T]:
        """What `read` makes of every object of a list that may be missing.

        `bare` is the field for which an item stands that is no object; without it there may be none.
        """
        items = self._list(name)
        things = (_as_object(item, bare) if bare else item for item in items)
        return [read(self._inside(thing, f"{name}[{place}]")) for place, thing in enumerate(things)]

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
                found.append(read(holder._inside(item, f"{found_as}[{place}]")))
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

    def _inside(self, value: Value, name: str) -> "Fields":
        return Fields.of(value, self.market, f"{self.where}.{name}", self.ids)

    def _holding(self, name: str) -> "tuple[Fields, str]":
        """What holds a list that must be there, and under which name; where it is null, it is empty."""
        holders = [holder for holder in (self, self.object("data")) if holder is not None]
        places = [(holder, candidate) for holder in holders for candidate in (name, "data", "items")]
        lists = [(holder, found_as) for holder, found_as in places if isinstance(holder.value.get(found_as), list)]
        nulls = [(holder, found_as) for holder, found_as in places if holder.value.get(found_as, ...) is None]
        if not (lists or nulls):
            raise MalformedReply(f"{self.where}.{name} is missing")
        return (*lists, *nulls)[0]

    def _list(self, name: str) -> Sequence[Value]:
        found = self.value.get(name)
        return cast("Sequence[Value]", found) if isinstance(found, list) else ()
