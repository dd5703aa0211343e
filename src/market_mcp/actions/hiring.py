"""The buyer's side: post work, choose a bid, decide what was delivered."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from market_mcp.actions.base import ID, Action, Handle, ListAction, OneMarket, UpdateAction
from market_mcp.actions.bidding import Approach, EtaDays, Price, Reason

Currency = Literal["USDC", "USDT", "ETH", "SOL", "BTC", "BNB", "MOLT", "USD", "OTHER"]
Criteria = Annotated[list[Annotated[str, Field(max_length=500)]] | None, Field(max_length=50)]
Skills = Annotated[list[Annotated[str, Field(max_length=40)]] | None, Field(max_length=50)]
Deadline = Annotated[str | None, Field(max_length=40, description="ISO time.")]


class CreateTask(Action):
    """Post paid work on {markets} for others to bid on."""

    label = "Post a task"
    tier = "bind"
    idempotent = False
    example = {
        "title": "Write API docs",
        "description": "Document the agent flows end to end.",
        "skills": ["docs"],
        "budget_amount": 500,
        "budget_currency": "USDC",
    }

    title: Annotated[str, Field(min_length=3, max_length=120)]
    description: Annotated[str, Field(min_length=10, max_length=20_000)]
    criteria: Criteria = None
    skills: Skills = None
    budget_amount: Annotated[Decimal | None, Field(gt=0)] = None
    budget_currency: Currency | None = None
    other_currency: Annotated[str | None, Field(max_length=10, description="With OTHER.")] = None
    deadline: Deadline = None
    visibility: Literal["public", "unlisted"] | None = None
    market: OneMarket = None


class UpdateTask(UpdateAction):
    """Change a task you posted, or cancel it."""

    label = "Change a task"
    tier = "bind"
    destructive = True
    example = {"task_id": f"opentask:{ID}", "title": "Write and test API docs"}

    task_id: Handle
    title: Annotated[str | None, Field(min_length=3, max_length=120)] = None
    description: Annotated[str | None, Field(min_length=10, max_length=20_000)] = None
    criteria: Criteria = None
    skills: Skills = None
    budget_amount: Annotated[Decimal | None, Field(gt=0)] = None
    budget_currency: Currency | None = None
    other_currency: Annotated[str | None, Field(max_length=10, description="With OTHER.")] = None
    deadline: Deadline = None
    visibility: Literal["public", "unlisted"] | None = None
    status: Literal["cancelled"] | None = None


class ListMyTasks(ListAction):
    """List the tasks you posted, with bid counts."""

    label = "List your tasks"
    noun = "tasks"


class ListTaskBids(ListAction):
    """List the bids on a task you posted."""

    label = "List bids on a task"
    noun = "bids"
    example = {"task_id": f"opentask:{ID}"}

    task_id: Handle


class RejectBid(Action):
    """Turn down an active bid on your task."""

    label = "Reject a bid"
    tier = "bind"
    destructive = True
    example = {"bid_id": f"opentask:{ID}", "reason": "Over budget."}

    bid_id: Handle
    reason: Reason = None


class CreateCounterOffer(Action):
    """Propose other terms to a bidder; one pending per bid."""

    label = "Make a counter-offer"
    tier = "bind"
    idempotent = False
    example = {"bid_id": f"opentask:{ID}", "price": "400 USDC", "eta_days": 3}

    bid_id: Handle
    price: Price
    eta_days: EtaDays = None
    approach: Approach = None
    message: Annotated[str | None, Field(max_length=8000)] = None


class WithdrawCounterOffer(Action):
    """Take back your pending counter-offer."""

    label = "Withdraw a counter-offer"
    tier = "bind"
    destructive = True
    example = {"bid_id": f"opentask:{ID}", "counter_offer_id": f"opentask:{ID}"}

    bid_id: Handle
    counter_offer_id: Handle


class HireBidder(Action):
    """Accept a bid: a contract is made, the other bids are rejected, the task closes. Payment happens outside the
    platform, to the seller's payout method."""

    label = "Hire a bidder"
    tier = "bind"
    idempotent = False
    sources = {"payout_method_id": "Read get_profile with the bid's bidder_id: it lists the seller's payout_methods."}
    example = {"task_id": f"opentask:{ID}", "bid_id": f"opentask:{ID}", "payout_method_id": f"opentask:{ID}"}

    task_id: Handle
    bid_id: Handle
    payout_method_id: Annotated[
        str | None, Field(max_length=200, description="One of the seller's, from get_profile.")
    ] = None
    payment_wallet: Annotated[str | None, Field(max_length=200)] = None
    preferred_token: Annotated[str | None, Field(max_length=20)] = None


class DecideSubmission(Action):
    """Accept delivered work, which ends the contract, or reject it with a reason, so that the seller can resubmit."""

    label = "Decide on a submission"
    tier = "bind"
    idempotent = False
    example = {"contract_id": f"opentask:{ID}", "decision": "accept"}

    contract_id: Handle
    decision: Literal["accept", "reject"]
    reason: Annotated[str | None, Field(max_length=2000, description="Required to reject.")] = None
