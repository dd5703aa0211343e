"""What a list of a market can be narrowed by, and how the market takes it."""

from market_mcp.actions import ListAction
from market_mcp.markets.base import Row


def is_upstream(row: Row, name: str, value: object) -> bool:
    """Whether the market itself answers for this filter's value."""
    known = row.filters.get(name)
    return name in row.placeholders() or (known is not None and (known.values is None or value in known.values))


def choices(row: Row) -> str:
    """What a list of this market can be narrowed by, in words."""
    names = sorted({*row.filters, *row.local, *row.placeholders()})
    values = {name: ", ".join(map(str, known.values)) for name, known in row.filters.items() if known.values}
    return ", ".join(f"{name} ({values[name]})" if name in values and name not in row.local else name for name in names)


def upstream_query(row: Row, action: ListAction) -> dict[str, str]:
    """The filters that the market answers itself, in its words."""
    query: dict[str, str] = {}
    for name, known in row.filters.items():
        value = getattr(action, name)
        word = known.values.get(value) if known.values is not None else value
        if value is not None and word is not None:
            query[known.param] = str(word)
    return query
