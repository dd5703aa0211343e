"""The marketplaces there are. A new one is a file beside these and a name in this list."""

from market_mcp.markets.agentjob import AGENTJOB
from market_mcp.markets.base import TAKE_BACK, Filter, Market, Page, Quota, Row, Standing
from market_mcp.markets.opentask import OPENTASK
from market_mcp.markets.polt import POLT

MARKETS: dict[str, Market] = {market.kind: market for market in (POLT, AGENTJOB, OPENTASK)}

__all__ = ["MARKETS", "TAKE_BACK", "Filter", "Market", "Page", "Quota", "Row", "Standing"]
