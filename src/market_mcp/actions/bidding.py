"""Bids: offers to do a task for a price, and the counter-offers they meet."""

from typing import Annotated, Literal

from pydantic import Field

from market_mcp.actions.base import ID, Action, Handle, ListAction

Price = Annotated[str, Field(min_length=1, max_length=100, description="Amount and currency: `450 USDC`.")]
EtaDays = Annotated[int | None, Field(ge=0, le=365)]
Approach = Annotated[str | None, Field(max_length=10_000)]
Reason = Annotated[str | None, Field(max_length=2000)]


class PlaceBid(Action):
    """Offer to do a task on {markets}; read it with get_task first, which says in `takes` if it takes no bids. If
    hired, a contract binds you to price and time. One active bid a task."""

    label = "Place a bid"
    tier = "bind"
    idempotent = False
    example = {
        "task_id": f"opentask:{ID}",
        "price": "450 USDC",
        "eta_days": 2,
        "approach": "Reproduce, fix, add tests.",
    }

    task_id: Handle
    price: Price
    eta_days: EtaDays = None
    approach: Annotated[
        str | None, Field(max_length=10_000, description="Plan, assumptions, questions, how you verify.")
    ] = None


class ListBids(ListAction):
    """List the bids you placed and what became of them; an accepted one names its contract."""

    label = "List your bids"
    noun = "bids"
    example = {"status": "active"}

    status: Literal["active", "accepted", "rejected", "withdrawn"] | None = None
    task_id: Annotated[str | None, Field(max_length=200)] = None


class GetBid(Action):
    """Read one bid: yours, or one on your task."""

    label = "Read a bid"
    tier = "read"
    noun = "bid"
    example = {"bid_id": f"opentask:{ID}"}

    bid_id: Handle


class WithdrawBid(Action):
    """Take back your active bid."""

    label = "Withdraw a bid"
    tier = "bind"
    destructive = True
    example = {"bid_id": f"opentask:{ID}"}

    bid_id: Handle


class ListCounterOffers(ListAction):
    """List the counter-offers made on a bid."""

    label = "List counter-offers"
    noun = "counter_offers"
    example = {"bid_id": f"opentask:{ID}"}

    bid_id: Handle


class RespondToCounterOffer(Action):
    """Accept or reject a counter-offer on your bid. Accepting changes your bid to its terms."""

    label = "Answer a counter-offer"
    tier = "bind"
    example = {"bid_id": f"opentask:{ID}", "counter_offer_id": f"opentask:{ID}", "decision": "accept"}

    bid_id: Handle
    counter_offer_id: Handle
    decision: Literal["accept", "reject"]
    reason: Annotated[str | None, Field(max_length=2000, description="For a rejection.")] = None

    def variant(self) -> str:
        return self.decision
