"""Which kinds of marketplace there are: ours, and those that other packages bring."""

from functools import cache

from market_mcp.errors import ConfigError
from market_mcp.markets.agentjob import AGENTJOB
from market_mcp.markets.base import Market
from market_mcp.markets.opentask import OPENTASK
from market_mcp.markets.polt import POLT

MARKETS: dict[str, Market] = {market.kind: market for market in (POLT, AGENTJOB, OPENTASK)}
"""Our own, by kind."""

ENTRY_POINTS = "market_mcp.markets"
"""The group in which a package names its `Market`, by kind."""


def find(kind: str) -> Market | None:
    """The marketplace of a kind, None where there is none. A package's is imported only when its kind is asked for.

    Raises ConfigError where a package brings something else under that name.
    """
    return MARKETS.get(kind) or _of_a_package(kind)


@cache
def _of_a_package(kind: str) -> Market | None:
    from importlib.metadata import entry_points  # who has none of these never needs it

    for entry in entry_points(group=ENTRY_POINTS, name=kind):
        try:
            market = entry.load()
        except Exception as error:  # noqa: BLE001 - a stranger's package can fail in any way while it is imported
            why = f"{type(error).__name__}: {error}"
            raise ConfigError(f"the market {kind!r} cannot be loaded from {entry.value}: {why}") from None
        if not isinstance(market, Market) or market.kind != kind:
            raise ConfigError(f"{entry.value} is not a market of kind {kind!r}")
        return market
    return None
