"""Replies made of a documented one: what markets might answer instead, and must not be taken for more than it says."""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from contract.replies import Answer

Path = tuple[str | int, ...]
"""Where a value stands in a JSON value: names of fields and places in lists."""

OTHERS: dict[str, object] = {
    "null": None,
    "a text": "word",
    "an empty text": "",
    "digits": "7",
    "a number": 7,
    "zero": 0,
    "less than zero": -1,
    "a fraction": 0.5,
    "a huge number": 10**30,
    "true": True,
    "false": False,
    "a list of texts": ["word"],
    "a list of objects": [{"word": "word"}],
    "a list of null": [None],
    "an empty list": [],
    "an object": {"word": "word"},
    "an empty object": {},
}
"""What may stand in any value's place."""

STATES = (
    "available", "committed", "in_review", "completed", "approved", "needs_revision", "idea", "voting", "live",
    "open", "closed", "cancelled", "active", "accepted", "rejected", "withdrawn", "pending", "in_progress", "submitted",
    "expired", "failed", "frozen",
)  # fmt: skip
"""The states that the documents name, and some that none does."""

STATUS_NAMES = frozenset({"status", "state", "stage", "outcome", "phase", "decision"})

FAILURES: dict[str, object] = {
    "error as text": {"error": "Not allowed"},
    "error beside success": {"success": False, "error": "Not allowed"},
    "not ok": {"ok": False},
    "no success": {"success": False},
    "error with a code": {"error": {"code": "forbidden", "message": "Not allowed"}},
    "errors": {"errors": [{"message": "Not allowed"}]},
    "errors as texts": {"errors": ["Not allowed"]},
    "status error": {"status": "error", "message": "Not allowed"},
    "detail": {"detail": "Not allowed"},
    "issues": {"issues": [{"path": ["body"], "message": "Required"}]},
    "error in data": {"data": None, "error": "Not allowed"},
}
"""A market's no under the status of a yes."""

IN_MCP: dict[str, object] = {
    "an error of JSON-RPC": {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "Not allowed"}},
    "a tool's error": {"jsonrpc": "2.0", "id": 1, "result": {"isError": True, "content": []}},
    "error in a tool's text": {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"isError": False, "content": [{"type": "text", "text": '{"error": "Not allowed"}'}]},
    },
    "error in a tool's structure": {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"isError": False, "content": [], "structuredContent": {"success": False, "error": "Not allowed"}},
    },
}
"""The same from an MCP server."""

PENDINGS: dict[str, object] = {
    "status pending": {"status": "pending"},
    "status pending with words": {"status": "pending", "message": "A moderator looks at it first"},
    "verification required": {"verification_required": True, "verification": {"code": "v-1", "challenge": "2 + 2?"}},
    "challenge": {"challenge": "What is two and two?"},
}
"""A market's not yet."""

PAGE = b"<!DOCTYPE html><html><head><title>Gateway</title></head><body><h1>Unavailable</h1></body></html>"
TUNNEL = b"The endpoint polt.example is offline.\r\n\r\nERR_NGROK_3200\r\n"
HTML = {"content-type": "text/html; charset=utf-8"}
TEXT = {"content-type": "text/plain; charset=utf-8"}
JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Mutation:
    """One reply instead of a documented one: of what `kind` it is, what was done to it and where, and how to make it.

    Kinds are `none`, `field` (something in it changed), `whole` (the same in another wrapper), `failure`, `pending`,
    `accepted` (the same as 202), `foreign` (not the market's answer at all) and `silent` (a yes that says nothing).
    """

    kind: str
    what: str
    make: Callable[[], Answer]

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def mutations(base: Answer) -> Iterator[Mutation]:
    """Every mutation of a reply in JSON, and before them the reply as it is."""
    value = base.json
    yield _fixed("none", "as it is", base.status, base.headers, base.body)
    yield from _of_fields(base, value)
    yield from _of_the_whole(base, value)
    yield from _instead(base)


def sample(found: Sequence[Mutation], most: int, seed: str) -> list[Mutation]:
    """At most so many of them, of each kind in turn, and always the same ones for one seed."""
    chance = random.Random(seed)
    kinds: dict[str, list[Mutation]] = {}
    for mutation in chance.sample(found, len(found)):
        kinds.setdefault(mutation.kind, []).append(mutation)
    chosen: list[Mutation] = []
    while len(chosen) < most and any(kinds.values()):
        chosen += [waiting.pop() for waiting in kinds.values() if waiting]
    return chosen[:most]


# --- what is changed inside ---------------------------------------------------------------------------------


def _of_fields(base: Answer, value: object) -> Iterator[Mutation]:
    for path in places(value):
        found = at(value, path)
        for what, changed in _changed(path, found):
            yield _retold(base, "field", f"{_shown(path)} {what}", lambda p=path, c=changed: _with(value, p, c))
        if isinstance(path[-1], str):
            for name in _other_cases(path[-1]):
                what = f"{_shown(path)} called {name}"
                yield _retold(base, "field", what, lambda p=path, n=name: _renamed(value, p, n))
        yield _retold(base, "field", f"{_shown(path)} removed", lambda p=path: _without(value, p))


def places(value: object) -> Iterator[Path]:
    """Where every value in a JSON value stands; of a list's items only those of the first, as the others are alike."""
    inner: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inner = [*cast("dict[str | int, object]", value).items()]
    elif isinstance(value, list):
        inner = [*enumerate(cast("list[object]", value)[:1])]
    for key, below in inner:
        yield (key,)
        for path in places(below):
            yield (key, *path)


def _changed(path: Path, value: object) -> Iterator[tuple[str, object]]:
    """What may stand in a value's place, and in words what that is."""
    for what, other in OTHERS.items():
        if other != value or type(other) is not type(value):
            yield f"is {what}", other
    if isinstance(value, str):
        for case in (value.upper(), value.title()):
            if case != value:
                yield f"is {case[:40]!r}", case
        yield "has spaces around it", f"  {value} "
    twice: list[object] = [value, value]
    if isinstance(value, dict):
        yield "is there twice", twice
    if isinstance(value, list) and value:
        items = cast("list[object]", value)
        yield "has each item twice", [one for one in items for _ in range(2)]
        if len(items) > 1:
            yield "is reversed", items[::-1]
    if path[-1] in STATUS_NAMES:
        for state in STATES:
            if state != value:
                yield f"is {state}", state


def _other_cases(name: str) -> list[str]:
    """A field's name in capitals, and in the other of the two usual ways of joining words."""
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    camel = re.sub(r"_(\w)", lambda letter: letter[1].upper(), name)
    return [other for other in dict.fromkeys((name.upper(), snake, camel)) if other != name]


# --- what becomes of the whole ------------------------------------------------------------------------------


def _of_the_whole(base: Answer, value: object) -> Iterator[Mutation]:
    wrapped: dict[str, object] = {
        "in data": {"data": value},
        "in result": {"result": value},
        "in data twice": {"data": {"data": value}},
        "in a list": [value],
        "twice in a list": [value, value],
        "in a successful envelope": {"success": True, "data": value},
    }
    if isinstance(value, dict):
        parts = cast("dict[str, object]", value)
        wrapped |= {f"only what is in {name}": parts[name] for name in parts if isinstance(parts[name], dict | list)}
    for what, whole in wrapped.items():
        yield _fixed("whole", what, base.status, JSON, json.dumps(whole).encode())
    for what, other in OTHERS.items():
        yield _fixed("silent", what, base.status, JSON, json.dumps(other).encode())


def _instead(base: Answer) -> Iterator[Mutation]:
    for what, no in (FAILURES | (IN_MCP if b'"jsonrpc"' in base.body else {})).items():
        yield _fixed("failure", what, 200, JSON, json.dumps(no).encode())
    for what, later in PENDINGS.items():
        for status in (200, 202):
            yield _fixed("pending", f"{what}, {status}", status, JSON, json.dumps(later).encode())
    yield _fixed("accepted", "the same as 202", 202, base.headers, base.body)
    for status in (200, 404, 502, 503):
        yield _fixed("foreign", f"a page of HTML, {status}", status, HTML, PAGE)
    yield _fixed("foreign", "a page of HTML that calls itself JSON", 200, JSON, PAGE)
    for status in (301, 302, 303, 307, 308):
        yield _fixed("foreign", f"a redirect, {status}", status, {"location": "https://elsewhere.example/login"}, b"")
    yield _fixed("foreign", "a page of a tunnel", 404, {**TEXT, "ngrok-error-code": "ERR_NGROK_3200"}, TUNNEL)
    yield _fixed("foreign", "an HTML page of a tunnel", 404, {**HTML, "ngrok-error-code": "ERR_NGROK_3200"}, PAGE)
    yield _fixed("foreign", "a text", 200, TEXT, b"OK")
    yield _fixed("foreign", "half of it", 200, JSON, base.body[: len(base.body) // 2])
    yield _fixed("foreign", "it twice over", 200, JSON, base.body * 2)
    yield _fixed("silent", "nothing", 200, JSON, b"")
    yield _fixed("silent", "no content", 204, {}, b"")
    yield _fixed("whole", "after a byte order mark", base.status, base.headers, b"\xef\xbb\xbf" + base.body)


# --- making them --------------------------------------------------------------------------------------------


def _retold(base: Answer, kind: str, what: str, value: Callable[[], object]) -> Mutation:
    headers = {**JSON} if base.streamed else dict(base.headers)
    headers.pop("content-length", None)
    return Mutation(kind, what, lambda: Answer(base.status, headers, json.dumps(value()).encode()))


def _fixed(kind: str, what: str, status: int, headers: Mapping[str, str], body: bytes) -> Mutation:
    kept = {name: value for name, value in headers.items() if name != "content-length"}
    return Mutation(kind, what, lambda: Answer(status, kept, body))


def at(value: object, path: Path) -> object:
    """What stands at this place. Raises LookupError and TypeError."""
    for key in path:
        value = cast("Any", value)[key]
    return value


def _edited(value: object, path: Path, edit: Callable[[Any, Any], None]) -> object:
    """A copy whose value at a place is edited through what holds it."""
    copy = json.loads(json.dumps(value))
    edit(at(copy, path[:-1]), path[-1])
    return copy


def _with(value: object, path: Path, other: object) -> object:
    return _edited(value, path, lambda holder, key: holder.__setitem__(key, other))


def _without(value: object, path: Path) -> object:
    return _edited(value, path, lambda holder, key: holder.__delitem__(key))


def _renamed(value: object, path: Path, name: str) -> object:
    return _edited(value, path, lambda holder, key: holder.__setitem__(name, holder.pop(key)))


def _shown(path: Path) -> str:
    return ".".join(map(str, path))
