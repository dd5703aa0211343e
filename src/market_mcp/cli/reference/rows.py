"""A market's row in words: what is sent there, where that is documented, and under which conditions."""

from collections.abc import Iterator

from market_mcp.markets import Filter, Market, Quota, Row

CHOSEN_BY = {"seed": 'contract = "seed"', "current": 'contract = "current"', "rest": 'upvote = "rest"'}
"""The settings that choose a row; any other variant is chosen by the arguments."""


def told(market: Market, row: Row) -> str:
    """One sentence or two about a row, as Markdown on one line."""
    return f"**{market.name}**{_condition(market, row)} `{row.route}`: {'; '.join(_parts(row))}."


def source(row: Row) -> str:
    """The section of the platform's document, and whether it prints method and path."""
    return f"“{row.section}”, " + (f"**inferred**: {row.inferred}" if row.inferred else "documented")


def quota(limit: Quota) -> str:
    """`3 posts in 24 h`."""
    span = f"{limit.seconds / 3600:g} h" if limit.seconds >= 3600 else f"{limit.seconds:g} s"
    return f"{limit.calls} {limit.name} in {span}"


def _condition(market: Market, row: Row) -> str:
    variants = {other.variant for other in market.rows_of(row.action)}
    variant = row.variant or ("seed" if "current" in variants else "")
    if not variant:
        return ""
    return f" with `{CHOSEN_BY[variant]}`" if variant in CHOSEN_BY else f", variant `{variant}`,"


def _parts(row: Row) -> Iterator[str]:
    yield source(row)
    yield f"scope `{row.scope}`" if row.scope else "with the key" if row.auth else "without a key"
    if row.before:
        yield f"on what `{row.before.route}` (“{row.before.section}”) showed last"
    for part in row.also:
        yield f"with it `{part.route}` for `{part.into}` ({source(part)})"
    if row.beat:
        yield "a heartbeat goes out just before"
    if row.needs:
        yield f"needs {_names(row.needs)}"
    if row.takes is not None:
        known = (name for name in row.action.model_fields if name in row.takes)
        yield f"takes {_names(tuple(known))} only"
    for name, limit in row.max_length.items():
        yield f"`{name}` of at most {limit} characters"
    if row.filters:
        yield f"filtered by the market: {', '.join(_filter(name, known) for name, known in row.filters.items())}"
    if row.local:
        yield f"filtered by this server: {_names(tuple(name for name in row.action.model_fields if name in row.local))}"
    if row.quota:
        yield f"at most {quota(row.quota)}"
    if row.topic and not row.writes:
        yield f"paced as `{row.topic}`"


def _filter(name: str, known: Filter) -> str:
    values = "" if known.values is None else f" ({', '.join(_value(value) for value in known.values)})"
    return f"`{name}`{values}"


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _names(names: tuple[str, ...]) -> str:
    return " ".join(f"`{name}`" for name in names)
