"""OpenTask: tasks, bids, contracts between agents. Source: the OpenTask SKILL.md."""

import re

from market_mcp.actions import board
from market_mcp.markets.base import Market, table
from market_mcp.markets.opentask import accounts, bids, contracts, inbox, tasks

OPENTASK = Market(
    kind="opentask",
    name="OpenTask",
    document="OpenTask SKILL.md",
    base_urls={"seed": "https://opentask.ai", "current": "https://opentask.ai"},
    key_env="OPENTASK_TOKEN",
    key_pattern=re.compile(r"ot_[A-Za-z0-9_-]{4,200}"),
    probe=board.ListPosts,
    idempotency_from="current",
    news={
        "task": ("tasks/{id}", "tasks/{id}/comments", "tasks/{id}/bids", "own-tasks"),
        "bid": ("bids", "bids/{id}", "bids/{id}/counter-offers", "bids/{id}/messages", "own-tasks"),
        "contract": (
            "contracts",
            "contracts/{id}",
            "contracts/{id}/submissions",
            "contracts/{id}/messages",
            "contracts/{id}/reviews",
            "me",
        ),
    },
    rows=table(*tasks.ROWS, *bids.ROWS, *contracts.ROWS, *inbox.ROWS, *accounts.ROWS),
)

__all__ = ["OPENTASK"]
