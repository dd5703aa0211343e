"""The upstream contracts as an independent witness: what each marketplace documents, written down by hand.

The three TOML files beside this module were transcribed from what the marketplaces publish about their HTTP
APIs and from nothing else. The adapters and the sandbox were written from the same documents by other hands;
where all three agree, the agreement is evidence. This module reads the files into frozen values and answers
three questions: which documented call is this request (`match`), is it one that must never be sent
(`forbidden`), and does a request or a reply keep to what is documented (`complaints`, `missing_keys`).
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

MARKETS = ("polt", "agentjob", "opentask")
METHODS = ("GET", "POST", "PATCH", "DELETE")

_Row = TypeVar("_Row", "Field", "WitnessCall", "Forbidden", "Market")
_Object = dict[str, object]

_PLACEHOLDER = re.compile(r"\{[a-z]+(?:_[a-z]+)*\}")
_PYTHON_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "any": object,
}


class WitnessError(Exception):
    """A witness file says something this module does not understand, or a question has no single answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One body field or query parameter. Lengths count characters, or an array's items, ends included."""

    name: str  # a dotted name is a field of a nested object: "params.name"
    type: str  # a key of _PYTHON_TYPES
    required: bool = False
    nullable: bool = False
    min_length: int | None = None
    max_length: int | None = None
    min: float | None = None
    max: float | None = None
    more_than: float | None = None
    pattern: str | None = None
    enum: tuple[str | int, ...] = ()
    item_type: str | None = None
    item_max_length: int | None = None
    default: str | int | bool | None = None
    note: str = ""

    @property
    def constant(self) -> str | int | None:
        """The only value the field may have, where there is only one: such a field tells variants apart."""
        return self.enum[0] if self.required and len(self.enum) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessCall:
    """One documented call; polt.toml explains the fields."""

    market: str
    name: str
    method: str
    path: str  # empty where the document lost it
    variant: str = ""  # tells two actions apart that share a method and a path
    auth: str  # none | bearer | session
    scope: str = ""
    query: tuple[str, ...]
    query_limits: tuple[Field, ...] = ()
    body_kind: str  # none | fields | undocumented
    body: tuple[Field, ...] = ()
    body_inferred_why: str = ""
    content_type: str
    statuses: tuple[int, ...]
    reply: str
    reply_keys: tuple[str, ...] = ()  # dotted, "[]" after an array: "tasks[].id"
    rules: tuple[str, ...]
    source: str
    status: str  # documented | inferred
    inferred_why: str = ""
    tools: tuple[str, ...]
    no_tool_reason: str = ""
    current: tuple[str, ...] = ()

    def __str__(self) -> str:
        variant = f" ({self.variant})" if self.variant else ""
        return f"{self.market}: {self.method} {self.path or '(path lost)'}{variant}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """A route that exists upstream and must be impossible to send."""

    market: str
    method: str
    path: str
    why: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What holds for all calls of one marketplace."""

    name: str
    title: str
    document: str
    base_url: str
    base_url_current: str
    key_prefix: str
    auth_header: str
    envelope: str
    error_shape: str
    statuses: Mapping[int, str] = field(hash=False)
    header_rules: tuple[str, ...]
    rules: tuple[str, ...]
    states: tuple[str, ...]
    unsaid: tuple[str, ...]
    current: tuple[str, ...]
    tools: Mapping[str, tuple[str, ...]] = field(hash=False)  # by toolset


# --- reading the files ------------------------------------------------------------------------------------


def _build(kind: type[_Row], where: str, content: Mapping[str, Any]) -> _Row:
    """A row from a TOML table, lists as tuples. Unknown, missing and mistyped keys are errors."""
    values: dict[str, Any] = {
        key: tuple(cast("list[object]", value)) if isinstance(value, list) else value for key, value in content.items()
    }
    try:
        row = kind(**values)
    except TypeError as error:
        raise WitnessError(f"{where}: {error}") from error
    for spec in fields(row):
        value = getattr(row, spec.name)
        items = cast("tuple[object, ...]", value if isinstance(value, tuple) else ())
        if (
            (spec.type is str and not isinstance(value, str))
            or (spec.type == tuple[str, ...] and not isinstance(value, tuple))
            or (spec.type == tuple[str, ...] and not all(isinstance(item, str) for item in items))
        ):
            raise WitnessError(f"{where}: {spec.name} has the wrong type")
    return row


def _fields(where: str, tables: Mapping[str, Mapping[str, Any]]) -> tuple[Field, ...]:
    return tuple(_build(Field, f"{where}, {name}", {**table, "name": name}) for name, table in tables.items())


def _call(market: str, content: Mapping[str, Any]) -> WitnessCall:
    where = f"{market} {content.get('name', '(a call without a name)')}"
    body: object = content.get("body")
    if not isinstance(body, dict) and body not in ("none", "undocumented"):
        raise WitnessError(f"{where}: body must be 'none', 'undocumented' or a table of fields")
    return _build(
        WitnessCall,
        where,
        {
            **content,
            "market": market,
            "query_limits": _fields(where, content.get("query_limits", {})),
            "body_kind": "fields" if isinstance(body, dict) else body,
            "body": _fields(where, content["body"]) if isinstance(body, dict) else (),
        },
    )


@cache
def _document(market: str) -> dict[str, Any]:
    if market not in MARKETS:
        raise WitnessError(f"no witness for {market!r}; there is one for each of {', '.join(MARKETS)}")
    return tomllib.loads(Path(__file__).with_name(f"{market}.toml").read_text(encoding="utf-8"))


@cache
def load(market: str) -> tuple[WitnessCall, ...]:
    """Every documented call of a market, in the order of its document."""
    return tuple(_call(market, content) for content in _document(market)["call"])


def load_all() -> tuple[WitnessCall, ...]:
    """The calls of all markets."""
    return tuple(call for market in MARKETS for call in load(market))


@cache
def load_forbidden(market: str) -> tuple[Forbidden, ...]:
    """The routes of a market that must never be sent."""
    bans = _document(market).get("forbidden", [])
    return tuple(_build(Forbidden, f"{market} forbidden", {**ban, "market": market}) for ban in bans)


@cache
def load_market(market: str) -> Market:
    """The header of a market's file: what holds for all its calls."""
    header = _document(market)["market"]
    statuses = {int(code): meaning for code, meaning in header["statuses"].items()}
    tools = {toolset: tuple(names) for toolset, names in header["tools"].items()}
    return _build(Market, f"{market} market", {**header, "statuses": statuses, "tools": tools})


# --- asking -----------------------------------------------------------------------------------------------


def _fits(pattern: str, path: str) -> bool:
    wanted, given = pattern.split("/"), path.split("/")
    return (
        pattern != ""
        and len(wanted) == len(given)
        and all(
            segment not in {"", ".", ".."} if _PLACEHOLDER.fullmatch(part) else segment == part
            for part, segment in zip(wanted, given, strict=True)
        )
    )


def candidates(market: str, method: str, path: str) -> tuple[WitnessCall, ...]:
    """The calls that a concrete path (without query) may be: all variants of the most literal pattern."""
    fitting = [call for call in load(market) if call.method == method and _fits(call.path, path)]
    fewest = min((call.path.count("{") for call in fitting), default=0)
    return tuple(call for call in fitting if call.path.count("{") == fewest)


def match(market: str, method: str, path: str, body: object = None) -> WitnessCall | None:
    """The one call that a concrete request is, or None where none is documented.

    `body` is the decoded JSON. It is looked at only where variants share the path: the one whose constant
    fields it carries is the call, and None comes back where it carries those of none. Raises `WitnessError`
    where it carries those of several.
    """
    found = candidates(market, method, path)
    if len(found) > 1:
        found = tuple(call for call in found if _carries_constants(call, body))
    if len(found) > 1:
        names = ", ".join(call.variant for call in found)
        raise WitnessError(f"{market}: {method} {path} is {names} alike")
    return found[0] if found else None


def forbidden(market: str, method: str, path: str) -> Forbidden | None:
    """The ban that a concrete request falls under, or None."""
    banned = (ban for ban in load_forbidden(market) if ban.method == method and _fits(ban.path, path))
    return next(banned, None)


def complaints(
    call: WitnessCall, *, query: Mapping[str, str], body: object, headers: Mapping[str, str]
) -> tuple[str, ...]:
    """Every way in which a request departs from its documented call; empty when it keeps to it.

    `body` is the decoded JSON, None where nothing is sent; `query` holds the values as they are sent.
    """
    return (
        *_header_complaints(call, body, headers),
        *_query_complaints(call, query),
        *_body_complaints(call, body),
    )


def missing_keys(call: WitnessCall, reply: object) -> tuple[str, ...]:
    """The documented reply keys that a decoded reply lacks; below null and in empty lists none is missed."""
    return tuple(key for key in call.reply_keys if not _has(reply, key.split(".")))


# --- checking ---------------------------------------------------------------------------------------------


def _header_complaints(call: WitnessCall, body: object, headers: Mapping[str, str]) -> Iterator[str]:
    sent = {name.lower(): value for name, value in headers.items()}
    if call.auth == "bearer" and not sent.get("authorization", "").startswith("Bearer "):
        yield "the call needs a bearer key"
    if body is None and "content-type" in sent:
        yield "there is no body, so there must be no Content-Type"
    if body is not None and sent.get("content-type", "").partition(";")[0] != "application/json":
        yield "a body goes as application/json"


def _query_complaints(call: WitnessCall, query: Mapping[str, str]) -> Iterator[str]:
    limits = {limit.name: limit for limit in call.query_limits}
    for name, text in query.items():
        if name not in call.query:
            yield f"query {name} is not documented"
        elif limit := limits.get(name):
            yield from (f"query {problem}" for problem in _value_complaints(limit, _from_text(limit, text)))


def _body_complaints(call: WitnessCall, body: object) -> Iterator[str]:
    if call.body_kind == "undocumented":
        return
    if call.body_kind == "none":
        if body is not None:
            yield "the call takes no body"
        return
    if body is not None and not isinstance(body, dict):
        yield "the body must be an object"
        return
    content = cast("_Object", body or {})
    for name in _undocumented(content, {spec.name for spec in call.body}):
        yield f"body {name} is not documented"
    for spec in call.body:
        present, value = _dig(content, spec.name)
        if present:
            yield from (f"body {problem}" for problem in _value_complaints(spec, value))
        elif spec.required:
            yield f"body {spec.name} is missing"


def _value_complaints(spec: Field, value: object) -> Iterator[str]:
    if value is None and spec.nullable:
        return
    if value is None or not _is(spec.type, value):
        yield f"{spec.name} must {'not be null' if value is None else f'be {spec.type}'}"
        return
    if spec.enum and value not in spec.enum:
        yield f"{spec.name} must be one of {list(spec.enum)}"
    items = cast("list[object]", value if isinstance(value, list) else [])
    if isinstance(value, str) or items:
        length = len(value) if isinstance(value, str) else len(items)
        if spec.min_length is not None and length < spec.min_length:
            yield f"{spec.name} is shorter than {spec.min_length}"
        if spec.max_length is not None and length > spec.max_length:
            yield f"{spec.name} is longer than {spec.max_length}"
    if isinstance(value, str) and spec.pattern is not None and not re.fullmatch(spec.pattern, value):
        yield f"{spec.name} does not match {spec.pattern}"
    if isinstance(value, int | float):
        if spec.min is not None and value < spec.min:
            yield f"{spec.name} is below {spec.min:g}"
        if spec.max is not None and value > spec.max:
            yield f"{spec.name} is above {spec.max:g}"
        if spec.more_than is not None and value <= spec.more_than:
            yield f"{spec.name} is not above {spec.more_than:g}"
    if spec.item_type is not None and not all(_is(spec.item_type, item) for item in items):
        yield f"{spec.name} has an item that is not {spec.item_type}"
    if spec.item_max_length is not None and any(len(str(item)) > spec.item_max_length for item in items):
        yield f"{spec.name} has an item longer than {spec.item_max_length}"


def _is(kind: str, value: object) -> bool:
    if isinstance(value, bool):  # which Python also counts as an integer
        return kind in {"boolean", "any"}
    return isinstance(value, _PYTHON_TYPES[kind])


def _from_text(limit: Field, text: str) -> object:
    if limit.type == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if limit.type == "boolean" and text in {"true", "false"}:
        return text == "true"
    return text


def _dig(content: _Object, dotted: str) -> tuple[bool, object]:
    name, _, rest = dotted.partition(".")
    value = content.get(name)
    if not rest:
        return name in content, value
    return _dig(cast("_Object", value), rest) if isinstance(value, dict) else (False, None)


def _undocumented(content: _Object, known: set[str], prefix: str = "") -> Iterator[str]:
    """The dotted names in a body that no field documents."""
    for key, value in content.items():
        name = f"{prefix}{key}"
        if name in known:
            continue
        if isinstance(value, dict) and any(other.startswith(f"{name}.") for other in known):
            yield from _undocumented(cast("_Object", value), known, f"{name}.")
        else:
            yield name


def _carries_constants(call: WitnessCall, body: object) -> bool:
    content = cast("_Object", body if isinstance(body, dict) else {})
    constants = [spec for spec in call.body if spec.constant is not None]
    return all(not [*_value_complaints(spec, _dig(content, spec.name)[1])] for spec in constants)


def _has(value: object, keys: list[str]) -> bool:
    if not keys or value is None:
        return True
    key = keys[0].removesuffix("[]")
    if not isinstance(value, dict) or key not in value:
        return False
    below = cast("_Object", value)[key]
    if not keys[0].endswith("[]"):
        return _has(below, keys[1:])
    return isinstance(below, list) and all(_has(item, keys[1:]) for item in cast("list[object]", below))
