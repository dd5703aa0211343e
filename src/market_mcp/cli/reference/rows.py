"""A market's row in words: what is sent there, where that is documented, and under which conditions."""

from collections.abc import Iterator

from market_mcp.markets import Filter, Market, Row
from market_mcp.markets.filters import filters_of, local_of
from market_mcp.server.words import quota


def told(market: Market, row: Row) -> str:
    """One sentence or two about a row, as Markdown on one line."""
    return f"**{market.name}**{_condition(market, row)} `{row.route}`: {'; '.join(_parts(row))}."


def source(row: Row) -> str:
    """The section of the platform's document, and whether it prints method and path."""
    return f"“{row.section}”, " + (f"**inferred**: {row.inferred}" if row.inferred else "documented")


def _condition(market: Market, row: Row) -> str:
    variants = {other.variant for other in market.rows_of(row.action)}
    variant = row.variant or ("seed" if "current" in variants else "")
    if not variant:
        return ""
    chosen_by = _settings(market)
    return f" with `{chosen_by[variant]}`" if variant in chosen_by else f", variant `{variant}`,"


def _settings(market: Market) -> dict[str, str]:
    """By variant: the setting that chooses it; any other is chosen by the arguments."""
    options = (
        (variant, f'{name} = "{value}"')
        for name, values in market.options.items()
        for value, variants in values.items()
        for variant in variants.values()
    )
    return {**{contract: f'contract = "{contract}"' for contract in market.base_urls}, **dict(options)}


def _parts(row: Row) -> Iterator[str]:
    yield source(row)
    yield f"scope `{row.scope}`" if row.scope else "with the key" if row.auth else "without a key"
    before, limits = row.request.before, row.limits
    if before:
        yield f"on what `{before.route}` (“{before.section}”) showed last"
    for name, part in row.also.items():
        yield f"with it `{part.route}` for `{name}` ({source(part)})"
    if row.effect.online:
        yield "a heartbeat goes out just before"
    if limits.needs:
        yield f"needs {_names(limits.needs)}"
    if limits.takes is not None:
        known = (name for name in row.action.model_fields if name in limits.takes)
        yield f"takes {_names(tuple(known))} only"
    for name, limit in limits.max_length.items():
        yield f"`{name}` of at most {limit} characters"
    if filters_of(row):
        told = (_filter(name, known) for name, known in filters_of(row).items())
        yield f"filtered by the market: {', '.join(told)}"
    if local_of(row):
        ours = (name for name in row.action.model_fields if name in local_of(row))
        yield f"filtered by this server: {_names(tuple(ours))}"
    if limits.quota:
        yield f"at most {quota(limits.quota)}"
    if row.topic and not row.writes:
        yield f"paced as `{row.topic}`"


def _filter(name: str, known: Filter) -> str:
    values = "" if known.values is None else f" ({', '.join(_value(value) for value in known.values)})"
    return f"`{name}`{values}"


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _names(names: tuple[str, ...]) -> str:
    return " ".join(f"`{name}`" for name in names)
