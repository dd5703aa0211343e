"""Why a market refused, in its own words: the sentence it gives, and what is wrong with each field that it names."""

import re
from collections.abc import Iterator, Mapping
from typing import cast

from market_mcp.markets.envelope import Json, levels, told

LONGEST_WORDS = 400
"""Characters of a market's reason; more of them explain nothing."""

_SENTENCES = ("error", "message", "msg", "title", "detail", "reason", "error_description", "description", "hint")
_BY_FIELD = (
    *("issues", "errors", "detail", "details", "fields", "fieldErrors", "field_errors", "formErrors"),
    *("validationErrors", "violations", "invalid-params", "invalid_params", "invalidParams"),
)
"""zod, FastAPI, RFC 9457 (`invalid-params`), Rails and Django: lists of findings, or maps from a field to its own."""
_FINDING = ("message", "msg", "detail", "reason", "error", "description")
_FIELD = ("path", "loc", "field", "param", "name", "pointer", "property")
_NO_FIELD = frozenset({"fieldErrors", "formErrors", "_errors", "issues", "errors"})
_PARTS_OF_A_REQUEST = frozenset({"body", "json", "query", "path"})


def reason(reply: object) -> str:
    """The reason in one line, cut where it is long; empty where the reply, JSON or plain text, gives none."""
    if isinstance(reply, str):
        return _cut(_line(reply))
    said: list[str] = []
    # What a wrapper holds may be the thing itself, whose title is no reason, so it is asked last.
    for text in next((found for level in levels(reply) if (found := list(_reasons(level)))), list[str]()):
        # The same words often stand in several places, and in each other.
        if not any(text.rstrip(".") in other for other in said):
            said.append(text.rstrip(".;: "))
    if len(said) > 1 and " " not in said[0] and " " in said[1]:
        said[:2] = [f"{said[0]}: {said[1]}"]
    return _cut("; ".join(said))


def _reasons(level: Json) -> Iterator[str]:
    error = level.get("error")
    if isinstance(error, Mapping):
        yield from _reasons(cast("Json", error))
    sentences = [text for name in _SENTENCES if (text := _line(level.get(name)))]
    yield from sentences
    if level.get("isError") is True:
        yield from filter(None, [_line(told(level))])
    code = _line(level.get("code"))
    if code and not sentences and not code.isdecimal():
        yield code
    for name in _BY_FIELD:
        if not isinstance(level.get(name), str):
            yield from _findings(level.get(name))


def _findings(value: object, where: str = "") -> Iterator[str]:
    """What is wrong, with the place of each finding in front of it."""
    if isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _findings(inner, where)
    elif isinstance(value, Mapping):
        found = cast("Json", value)
        text = next((text for name in _FINDING if (text := _line(found.get(name)))), "")
        if text:
            place = next((_place(found[name]) for name in _FIELD if name in found), where)
            yield ": ".join(filter(None, (place, text)))
        else:
            for name, inner in found.items():
                yield from _findings(inner, where if name in _NO_FIELD else ".".join(filter(None, (where, name))))
    elif text := _line(value):
        yield ": ".join(filter(None, (where, text)))


def _place(value: object) -> str:
    """The name of a field; where in the request it stands is known."""
    path = (
        [str(part) for part in cast("list[object]", value)] if isinstance(value, list) else re.split("[./]", str(value))
    )
    parts = [part for part in path if part]
    return ".".join(parts[1:] if len(parts) > 1 and parts[0] in _PARTS_OF_A_REQUEST else parts)


def _line(value: object) -> str:
    """A text or a number in one line; nothing else is said in words."""
    if isinstance(value, str):
        return " ".join(value.split())
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_WORDS else f"{text[:LONGEST_WORDS].rstrip()} …"
