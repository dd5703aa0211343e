"""What a list of a market can be narrowed by, and how the market takes it."""

from collections.abc import Mapping

from market_mcp.actions import ListAction
from market_mcp.markets.row import Filter, Row


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
