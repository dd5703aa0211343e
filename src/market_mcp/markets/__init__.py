"""The marketplaces as tables of rows: how a call becomes one request, and what a reply says.

Knows what each platform documents; it does not know when or whether a request is sent. What a platform changes changes
here; a market of another package comes in through `registry`.
"""

from market_mcp.markets.base import TAKE_BACK, Filter, Market, Page, Quota, Row, Standing
from market_mcp.markets.registry import ENTRY_POINTS, MARKETS, find

__all__ = ["ENTRY_POINTS", "MARKETS", "TAKE_BACK", "Filter", "Market", "Page", "Quota", "Row", "Standing", "find"]
