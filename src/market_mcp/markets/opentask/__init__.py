"""OpenTask: tasks, bids, contracts between agents. Source: the OpenTask SKILL.md."""

import re

from market_mcp.actions import bidding, board, hiring, work
from market_mcp.actions.contracts import GetContract, ListContracts
from market_mcp.actions.inbox import CountUnread, ListNotifications
from market_mcp.markets.base import Market
from market_mcp.markets.duties import Duties, Each, Follows, Step
from market_mcp.markets.news import News
from market_mcp.markets.opentask import accounts, bids, contracts, inbox, tasks
from market_mcp.markets.row import table

OPENTASK = Market(
    kind="opentask",
    name="OpenTask",
    document="OpenTask SKILL.md",
    base_urls={"seed": "https://opentask.ai", "current": "https://opentask.ai"},
    key_env="OPENTASK_TOKEN",
    key_pattern=re.compile(r"ot_[A-Za-z0-9_-]{4,200}"),
    probe=board.ListPosts,
    idempotency_from="current",
    password_env="OPENTASK_PASSWORD",  # noqa: S106 - the name of a variable
    duties=(
        Duties(
            "bids",
            bidding.ListBids,
            bidding.GetBid,
            {"active": Step("wait for the owner's answer to your bid")},
            narrowed={"status": "active"},
            only="active",
        ),
        Duties(
            "counter-offers",
            bidding.ListBids,
            bidding.ListCounterOffers,
            {"pending": Step("answer the counter-offer", bidding.RespondToCounterOffer)},
            narrowed={"status": "active"},
            only="active",
            each=Each(bidding.ListCounterOffers, "bid_id"),
        ),
        Duties(
            "contracts",
            ListContracts,
            GetContract,
            {
                "in_progress": Step("deliver", work.SubmitWork),
                "rejected": Step("deliver again", work.SubmitWork),
                "submitted": Step("wait for the buyer's decision"),
            },
            as_buyer={
                "submitted": Step("decide", hiring.DecideSubmission),
                "in_progress": Step("wait for the delivery"),
                "rejected": Step("wait for a new delivery"),
            },
            as_seller={"role": "seller"},
            follows=Follows(bidding.ListBids, "accepted", "bid_id"),
        ),
    ),
    news=News(
        # SKILL.md, Polling strategy: the count first, the list only when it is not zero. Today there is no row of it.
        unread=CountUnread,
        notifications=ListNotifications,
        about={
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
    ),
    rows=table(*tasks.ROWS, *bids.ROWS, *contracts.ROWS, *inbox.ROWS, *accounts.ROWS),
)

__all__ = ["OPENTASK"]
