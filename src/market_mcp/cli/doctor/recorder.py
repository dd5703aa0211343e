"""Notes what a decoder looks for in a reply and what the reply has, by place; for `doctor --contract` alone."""

import contextlib
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from inspect import isfunction
from typing import Any, NamedTuple, cast

from market_mcp.errors import MalformedReply
from market_mcp.markets import Row
from market_mcp.markets.reply import Fields, Value

PROBES = frozenset({"has", "unwrap", "shown"})
"""Methods of Fields that ask whether something is there; where it is not, nothing is missing."""

Look = dict[str, Value]
"""The names that one method of Fields tries, and what stands under those that are there."""


@dataclass
class Place:
    """All objects at one place of a reply, such as `reply.tasks[]`."""

    types: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """By name of a field: the types of what stands there."""
    sought: set[str] = field(default_factory=set[str])
    vain: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]])
    """The alternatives of which an object had none."""
    unfit: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """By name: the types of what is there and could not be read."""


class Odd(NamedTuple):
    """A field of a reply that is not as our decoders know it; its name is the market's."""

    where: str
    name: str
    types: set[str]


class Record:
    """What one row's decoder did with one reply."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forgets what was read before."""
        self.places: dict[str, Place] = {}
        self.items = 0
        """The objects of lists that it read, or tried to."""
        self.failures: list[str] = []
        """Where those, or the whole, could not be read."""

    def unknown(self) -> list[Odd]:
        """The fields that were never looked at."""
        return [
            Odd(where, name, types)
            for where, place in self.places.items()
            for name, types in place.types.items()
            if name not in place.sought
        ]

    def unfit(self) -> list[Odd]:
        """The fields that were looked at and could not be read."""
        return [Odd(where, *odd) for where, place in self.places.items() for odd in place.unfit.items()]

    def missing(self) -> list[str]:
        """The places of fields that were looked for and that no object there had; alternatives are joined by `|`."""
        return [
            f"{where}.{'|'.join(names)}"
            for where, place in self.places.items()
            for names in sorted(place.vain)
            if not place.types.keys() & set(names)
        ]

    def read_elsewhere(self, other: "Record") -> None:
        """Notes what another decoder looks at."""
        for where, place in self.places.items():
            place.sought |= other.places[where].sought if where in other.places else set()

    def failed(self, error: MalformedReply) -> None:
        said = _without_indexes(str(error))
        # Ours are a place and a few words; anything else may quote the reply.
        self.failures.append(said if re.fullmatch(r"[\w.\[\]]+ [a-z ]{1,40}", said, re.ASCII) else "at no named place")


class _Noted(Mapping[str, Value]):
    """A JSON object that notes which of its fields are asked for."""

    def __init__(self, value: Mapping[str, Value], record: Record, where: str) -> None:
        self._value = value
        self.record = record
        self.place = record.places.setdefault(_without_indexes(where), Place())
        self.look: Look | None = None
        for name, inner in value.items():
            self.place.types.setdefault(name, set()).add(json_type(inner))

    def __getitem__(self, name: str) -> Value:
        self.place.sought.add(name)
        if self.look is not None:
            self.look[name] = self._value.get(name)
        return self._value[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._value)

    def __len__(self) -> int:
        return len(self._value)


class _Recorded(Fields):
    """Fields whose every reading method is noted as one look; of each, the names it tries are alternatives."""

    __slots__ = ()


def _recorded(found: Fields, record: Record) -> Fields:
    if isinstance(found, _Recorded):
        return found
    parts: dict[str, Any] = {part.name: getattr(found, part.name) for part in fields(found)}
    parts["value"] = _Noted(found.value, record, found.where)
    return _Recorded(**parts)


def _looking(method: Callable[..., Any], probes: bool) -> Callable[..., Any]:
    """A reading method of Fields that notes what it looks for; what it hands out and on is recorded too."""

    @functools.wraps(method)
    def look(self: Fields, *arguments: object, **options: object) -> Any:
        noted = cast("_Noted", self.value)
        outermost = noted.look is None
        tried = noted.look = {} if noted.look is None else noted.look
        found: object = None
        try:
            found = method(self, *(_reading(a, noted.record) if callable(a) else a for a in arguments), **options)
        finally:
            if outermost:
                noted.look = None
                if not probes:
                    _note(noted.place, tried, found)
        return _recorded(found, noted.record) if isinstance(found, Fields) else found

    return look


def _reading(read: Callable[[Fields], object], record: Record) -> Callable[[Fields], object]:
    """Reads one item of a list, and notes where that fails."""

    def each(item: Fields) -> object:
        record.items += 1
        try:
            return read(_recorded(item, record))
        except MalformedReply as error:
            record.failed(error)
            raise

    return each


def _note(place: Place, tried: Look, found: object) -> None:
    if not tried.keys() & place.types.keys():
        place.vain.add(tuple(tried))
    elif found is None or found == []:
        for name, value in tried.items():
            if value not in (None, "", [], {}):
                place.unfit.setdefault(name, set()).add(json_type(value))


for _name, _method in vars(Fields).items():
    if isfunction(_method) and not _name.startswith("_"):
        setattr(_Recorded, _name, _looking(_method, _name in PROBES))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRow(Row):
    """A row that notes what its decoder does with a reply.

    `alike` are the rows of the same route: what any of them looks at is not unknown.
    """

    record: Record
    alike: tuple[Row, ...]

    @classmethod
    def of(cls, row: Row, alike: Iterable[Row]) -> "RecordedRow":
        parts = {part.name: getattr(row, part.name) for part in fields(row)}
        return cls(**parts, record=Record(), alike=tuple(alike))

    def read(self, reply: Fields, cursor: str | None) -> Any:
        record = self.record
        record.begin()
        try:
            found = Row.read(self, _recorded(reply, record), cursor)
        except MalformedReply as error:
            if not record.failures:
                record.failed(error)
            raise
        if self.listing is not None:
            # What holds the list may lack only what leads to the next page, as it does on the last one.
            record.places[reply.where].vain.clear()
        for other in self.alike:
            with contextlib.suppress(MalformedReply):
                elsewhere = Record()
                other.read(_recorded(reply, elsewhere), cursor)
                record.read_elsewhere(elsewhere)
        return found


def json_type(value: object) -> str:
    """What a JSON value is called in JSON."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"


def _without_indexes(where: str) -> str:
    return re.sub(r"\[\d+\]", "[]", where)
