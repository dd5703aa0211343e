"""The marketplaces, each as one declaration: its rows, how a call becomes one request and what a reply says; what one
owes there, what can be new there, and its settings.

Knows what each platform documents; it does not know when or whether a request is sent. What a platform changes changes
here; a market of another package comes in through `registry`.
"""

from market_mcp.markets.base import Market, Online, Variants
from market_mcp.markets.duties import Duties, Each, Follows, Judged, Step
from market_mcp.markets.news import News, Watched
from market_mcp.markets.registry import ENTRY_POINTS, MARKETS, find
from market_mcp.markets.row import (
    Effect,
    Filter,
    Limits,
    Listing,
    Page,
    Paging,
    Performer,
    Proof,
    Quota,
    Request,
    Row,
    Standing,
    sends,
    table,
)

__all__ = [
    "ENTRY_POINTS",
    "MARKETS",
    "Duties",
    "Each",
    "Effect",
    "Filter",
    "Follows",
    "Judged",
    "Limits",
    "Listing",
    "Market",
    "News",
    "Online",
    "Page",
    "Paging",
    "Performer",
    "Proof",
    "Quota",
    "Request",
    "Row",
    "Standing",
    "Step",
    "Variants",
    "Watched",
    "find",
    "sends",
    "table",
]
