"""Bids and counter-offers, from both sides."""

from collections.abc import Mapping
from typing import Any

from market_mcp.actions import bidding, hiring, work
from market_mcp.errors import BadCall
from market_mcp.markets.domain import Bid, CounterOffer, Result, pay, present
from market_mcp.markets.opentask.tasks import CURSOR, PUBLIC_TASK, instead_of_bids
from market_mcp.markets.reply import Fields
from market_mcp.markets.row import Filter, Listing, Proof, Request, Row, sends

COUNTER_OFFERS = "/api/agent/bids/{bid_id}/counter-offers"
COUNTER_OFFER_RULES = "6b) Counter-offers"


def bid(f: Fields) -> Bid:
    f = f.unwrap("bid")
    about = f.object("task")
    contract = f.object("contract")
    return present(
        Bid(
            id=f.required_handle("id"),
            task_id=f.handle("taskId") or (about.handle("id") if about else None),
            task_title=about.text("title") if about else None,
            bidder=f.person("bidder", "profile"),
            bidder_id=_profile_id(f),
            status=f.text("status"),
            price=pay(f.text("priceText")),
            eta_days=f.whole("etaDays"),
            approach=f.text("approach"),
            reason=f.text("rejectionReason", "reason"),
            contract_id=f.handle("contractId") or (contract.handle("id") if contract else None),
            created_at=f.time("createdAt"),
            updated_at=f.time("updatedAt"),
        )
    )


def _profile_id(f: Fields) -> str | None:
    bidder = f.object("bidder", "profile")
    return (bidder.handle("id") if bidder else None) or f.handle("bidderId")


def counter_offer(f: Fields) -> CounterOffer:
    f = f.unwrap("counterOffer")
    return present(
        CounterOffer(
            id=f.required_handle("id"),
            bid_id=f.handle("bidId"),
            status=f.text("status"),
            price=pay(f.text("priceText")),
            eta_days=f.whole("etaDays"),
            approach=f.text("approach"),
            message=f.text("message"),
            reason=f.text("rejectionReason", "reason"),
            created_at=f.time("createdAt"),
        )
    )


def placed(f: Fields) -> Result:
    inner = f.shown("bid")
    message = "Bid placed. If the owner hires you, list_bids shows it accepted."
    return present({"bid": inner and bid(inner), "message": message})


def withdrawn(f: Fields) -> Result:
    return bid_changed(f, "Bid withdrawn.")


def rejected(f: Fields) -> Result:
    return bid_changed(f, "Bid rejected.")


def bid_changed(f: Fields, message: str) -> Result:
    inner = f.shown("bid")
    return present({"bid": inner and bid(inner), "message": message})


def offered(f: Fields) -> Result:
    """A counter-offer as a call left it, and the bid beside it where the reply shows that too."""
    offer, about = f.shown("counterOffer"), f.unwrap("data").object("bid")
    if offer is not None and about is not None and offer.value is f.unwrap("data").value:
        offer = None
    return present({"counter_offer": offer and counter_offer(offer), "bid": about and bid(about), "message": "Done."})


def left(state: str, same: Mapping[str, str]) -> Proof:
    """A counter-offer that the call leaves in this state."""
    return Proof("counter_offer", same=same, state="counter_offer.status", states=frozenset({state}))


TERMS = sends(priceText="price", etaDays="eta_days", approach="approach", message="message")


def dated_terms(a: bidding.PlaceBid, seen: Mapping[str, Any]) -> Mapping[str, Any]:
    """Today's platform takes a bid only on the task as the bidder saw it, and only where the task takes any.

    Raises BadCall.
    """
    if "takes" in seen:
        raise BadCall(f"This task of mode {seen['execution_mode']} takes {seen['takes']}.")
    return present({**TERMS(a, seen), "expectedTaskUpdatedAt": seen.get("as_given")})


def bid_on(f: Fields) -> Result:
    """What a bid depends on: what the task takes in place of bids, and when it was changed last.

    The time is in the platform's own form, in which it has to be quoted.
    """
    f = f.unwrap("task")
    mode = f.text("executionMode")
    return present({"execution_mode": mode, "takes": instead_of_bids(mode), "as_given": f.first("updatedAt")})


BID_HINTS = {
    409: "If you have an active bid on it, list_bids shows it; if it changed since you read it, get_task shows how.",
    403: "If the task is your own, you cannot bid on it; else the token may lack the scope bids:write.",
}
PLACED = Proof("bid", same={"bid.task_id": "task_id"}, state="bid.status", states=frozenset({"active"}))
SAME_BID = {"bid.id": "bid_id"}
ON_THIS_BID = {"counter_offer.bid_id": "bid_id"}
THIS_OFFER = {"counter_offer.id": "counter_offer_id", **ON_THIS_BID}
BID_CLEARS = ("bids", "tasks/{task_id}", "tasks/{task_id}/bids")

ROWS = (
    Row(
        bidding.PlaceBid,
        "POST /api/agent/tasks/{task_id}/bids",
        placed,
        "4) Create a bid",
        scope="bids:write",
        request=Request(body=TERMS),
        clears=BID_CLEARS,
        proof=PLACED,
        hints=BID_HINTS,
    ),
    Row(
        bidding.PlaceBid,
        "POST /api/agent/tasks/{task_id}/bids",
        placed,
        "4) Create a bid",
        variant="current",
        scope="bids:write",
        request=Request(
            before=Row(
                work.GetTask,
                "GET /api/agent/tasks/{task_id}",
                bid_on,
                PUBLIC_TASK,
                scope="tasks:read",
                topic="tasks/{task_id}",
            ),
            body=dated_terms,
        ),
        clears=BID_CLEARS,
        proof=PLACED,
        hints=BID_HINTS,
    ),
    Row(
        bidding.ListBids,
        "GET /api/agent/bids",
        bid,
        "4b) Manage your bids",
        scope="bids:read",
        listing=Listing("bids", CURSOR, filters={"status": Filter("status"), "task_id": Filter("taskId")}),
        topic="bids",
    ),
    Row(
        bidding.GetBid,
        "GET /api/agent/bids/{bid_id}",
        bid,
        "4b) Manage your bids",
        scope="bids:read",
        topic="bids/{bid_id}",
    ),
    Row(
        bidding.WithdrawBid,
        "PATCH /api/agent/bids/{bid_id}",
        withdrawn,
        "6) Withdraw or reject a bid",
        scope="bids:write",
        request=Request(body=sends({"action": "withdraw"})),
        clears=(*BID_CLEARS, "bids/{bid_id}"),
        proof=Proof("bid", same=SAME_BID, state="bid.status", states=frozenset({"withdrawn"})),
        hints={409: "If it is not active any more, there is nothing to withdraw; list_bids shows it."},
    ),
    Row(
        hiring.RejectBid,
        "PATCH /api/agent/bids/{bid_id}",
        rejected,
        "6) Withdraw or reject a bid",
        scope="bids:write",
        request=Request(body=sends({"action": "reject"}, reason="reason")),
        clears=("bids/{bid_id}", "tasks/{task_id}", "tasks/{task_id}/bids", "own-tasks"),
        proof=Proof("bid", same=SAME_BID, state="bid.status", states=frozenset({"rejected"})),
        hints={409: "If it is not active any more, there is nothing to reject; list_task_bids shows it."},
    ),
    Row(
        hiring.ListTaskBids,
        "GET /api/agent/tasks/{task_id}/bids",
        bid,
        "5) List bids on a task",
        scope="bids:read",
        listing=Listing("bids", CURSOR),
        topic="tasks/{task_id}/bids",
        hints={403: "If the task is somebody else's, only its owner can list its bids."},
    ),
    Row(
        bidding.ListCounterOffers,
        f"GET {COUNTER_OFFERS}",
        counter_offer,
        COUNTER_OFFER_RULES,
        scope="bids:read",
        listing=Listing("counterOffers", CURSOR),
        topic="bids/{bid_id}/counter-offers",
    ),
    Row(
        hiring.CreateCounterOffer,
        f"POST {COUNTER_OFFERS}",
        offered,
        COUNTER_OFFER_RULES,
        scope="bids:write",
        request=Request(body=TERMS),
        clears=("bids/{bid_id}/counter-offers",),
        proof=left("pending", ON_THIS_BID),
        hints={409: "If a counter-offer on it is pending already, list_counter_offers shows it."},
    ),
    Row(
        hiring.WithdrawCounterOffer,
        f"PATCH {COUNTER_OFFERS}/{{counter_offer_id}}",
        offered,
        COUNTER_OFFER_RULES,
        scope="bids:write",
        request=Request(body=sends({"action": "withdraw"})),
        clears=("bids/{bid_id}/counter-offers",),
        proof=left("withdrawn", THIS_OFFER),
        hints={409: "If it is not pending any more, list_counter_offers shows what became of it."},
    ),
    Row(
        bidding.RespondToCounterOffer,
        f"POST {COUNTER_OFFERS}/{{counter_offer_id}}/accept",
        offered,
        COUNTER_OFFER_RULES,
        variant="accept",
        scope="bids:write",
        clears=("bids", "bids/{bid_id}", "bids/{bid_id}/counter-offers"),
        proof=left("accepted", THIS_OFFER),
        hints={409: "If it is not pending any more, list_counter_offers shows what became of it."},
    ),
    Row(
        bidding.RespondToCounterOffer,
        f"POST {COUNTER_OFFERS}/{{counter_offer_id}}/reject",
        offered,
        COUNTER_OFFER_RULES,
        variant="reject",
        scope="bids:write",
        request=Request(body=sends(reason="reason")),
        clears=("bids", "bids/{bid_id}", "bids/{bid_id}/counter-offers"),
        proof=left("rejected", THIS_OFFER),
        hints={409: "If it is not pending any more, list_counter_offers shows what became of it."},
    ),
)
