"""What a list of a market can be narrowed by, and how the market takes it."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, get_args

from market_mcp.actions import ListAction
from market_mcp.markets.domain import plain
from market_mcp.markets.duties import OVER
from market_mcp.markets.row import Filter, Row

TAKEN = frozenset(
    {"assigned", "awarded", "claimed", "committed", "hired", "in_progress", "in_review", "submitted", "taken"}
)
"""What work says of itself that is not to be had, and not over either."""
TOLD = ("status", "difficulty")
"""The filters whose value an item itself may tell, under the same name."""


def filters_of(row: Row) -> Mapping[str, Filter]:
    """The filters that the market answers itself."""
    return row.listing.filters if row.listing else {}


def local_of(row: Row) -> frozenset[str]:
    """The filters that are answered here, from the market's page."""
    return row.listing.local if row.listing else frozenset()


def is_upstream(row: Row, name: str, value: object) -> bool:
    """Whether the market itself answers for this filter's value."""
    known = filters_of(row).get(name)
    return name in row.placeholders() or (known is not None and (known.values is None or value in known.values))


def choices(row: Row) -> str:
    """What a list of this market can be narrowed by, in words."""
    names = sorted({*filters_of(row), *local_of(row), *row.placeholders()})
    values = {name: ", ".join(map(str, known.values)) for name, known in filters_of(row).items() if known.values}
    told = values.keys() - local_of(row)
    return ", ".join(f"{name} ({values[name]})" if name in told else name for name in names)


def upstream_query(row: Row, action: ListAction) -> dict[str, str]:
    """The filters that the market answers itself, in its words."""
    query: dict[str, str] = {}
    for name, known in filters_of(row).items():
        value = getattr(action, name)
        word = known.values.get(value) if known.values is not None else value
        if value is not None and word is not None:
            query[known.param] = str(word)
    return query


def contradicts(action: ListAction, item: Mapping[str, Any], row: Row | None = None) -> bool:
    """Whether an item says of itself that it is not what was asked for, as where a market ignores a filter.

    `row` tells which words are one to the market.
    """
    for name in TOLD:
        asked, said = getattr(action, name, None), plain(item.get(name, ""))
        if said in _others(type(action), name, asked) and not (row and _are_one(row, name, plain(asked), said)):
            return True
    return False


def _are_one(row: Row, name: str, asked: str, said: str) -> bool:
    """Whether the market has one word for these two of ours."""
    known = filters_of(row).get(name)
    words = {plain(ours): theirs for ours, theirs in (known.values or {}).items()} if known else {}
    return asked in words and said in words and words[asked] == words[said]


@lru_cache
def _others(action: type[ListAction], name: str, asked: str | None) -> frozenset[str]:
    """The words that contradict what was asked for; a word that is not known here proves nothing."""
    if asked in {None, "any"}:
        return frozenset()
    unavailable = OVER | TAKEN if asked == "available" else frozenset[str]()
    return frozenset(map(plain, {*_words(action.model_fields[name].annotation), *unavailable})) - {plain(asked)}


def _words(annotation: Any) -> Iterator[str]:
    """The words in an annotation such as `Literal["easy", "hard"] | None`."""
    for part in get_args(annotation):
        if isinstance(part, str):
            yield part
        else:
            yield from _words(part)
