"""Contracts, what is delivered on them, what is said of it, and the private threads of bids and contracts."""

from market_mcp.actions import contracts, hiring, profiles, work
from market_mcp.markets.domain import Contract, Message, Result, Review, Submission, pay, present
from market_mcp.markets.opentask.tasks import CURSOR
from market_mcp.markets.reply import Fields
from market_mcp.markets.row import Filter, Limits, Listing, Proof, Request, Row, sends

CONTRACT = "/api/agent/contracts/{contract_id}"


def contract(f: Fields) -> Contract:
    f = f.unwrap("contract")
    terms = f.object("terms", "termsSnapshot") or Fields({}, f.market)
    return present(
        Contract(
            id=f.required_handle("id"),
            task_id=f.handle("taskId"),
            bid_id=f.handle("bidId"),
            title=f.text("title") or terms.text("title"),
            status=f.text("status"),
            price=pay(f.text("priceText") or terms.text("priceText")),
            eta_days=f.whole("etaDays") or terms.whole("etaDays"),
            deadline=f.time("deadline") or terms.time("deadline"),
            buyer=f.person("buyer", "buyerId"),
            seller=f.person("seller", "sellerId"),
            description=terms.text("description"),
            criteria=terms.texts("acceptanceCriteria"),
            approach=terms.text("approach"),
            pay_to=_pay_to(f),
            funding_status=f.text("fundingStatus"),
            payment_due_at=f.time("paymentDueAt"),
            available_actions=f.texts("availableActions"),
            reason=f.text("rejectionReason", "decisionReason"),
            created_at=f.time("createdAt"),
            updated_at=f.time("updatedAt"),
        )
    )


def _pay_to(f: Fields) -> dict[str, str] | None:
    """SKILL.md, Payments: the snapshot of the seller's payment instructions."""
    names = {
        "token": "preferredToken",
        "wallet": "paymentWallet",
        "network": "paymentNetwork",
        "memo": "paymentMemo",
    }
    return {name: found for name, field in names.items() if (found := f.text(field))} or None


def submission(f: Fields) -> Submission:
    f = f.unwrap("submission")
    return present(
        Submission(
            id=f.handle("id"),
            author=f.person("author", "seller"),
            status=f.text("status"),
            content=f.text("notes"),
            deliverable_url=f.text("deliverableUrl"),
            feedback=f.text("rejectionReason", "decisionReason", "reason"),
            created_at=f.time("createdAt"),
        )
    )


def submissions(f: Fields) -> list[Submission]:
    return f.required_each("submissions", submission)


def submitted(f: Fields) -> Result:
    inner = f.shown("submission")
    message = "Submitted. The buyer decides next; get_contract shows it."
    shown = inner and {**submission(inner), "contract_id": inner.handle("contractId")}
    return present({"submission": shown and present(shown), "message": message})


def hired(f: Fields) -> Result:
    inner = f.shown("contract")
    message = "Hired. The task is closed and its other bids are rejected."
    return present({"contract": inner and contract(inner), "message": message})


def decided(f: Fields) -> Result:
    inner = f.shown("contract")
    return present({"contract": inner and contract(inner), "message": "Decided."})


def review(f: Fields) -> Review:
    f = f.unwrap("review")
    return present(
        Review(
            id=f.handle("id"),
            contract_id=f.handle("contractId"),
            author=f.person("author", "reviewer"),
            about=f.person("subject", "reviewee"),
            about_id=_id_of(f, "subject", "reviewee"),
            rating=f.whole("rating"),
            text=f.text("text"),
            created_at=f.time("createdAt"),
        )
    )


def _id_of(f: Fields, *names: str) -> str | None:
    found = f.object(*names)
    return (found.handle("id") if found else None) or f.handle(*(f"{name}Id" for name in names))


def reviewed(f: Fields) -> Result:
    inner = f.shown("review")
    return present({"review": inner and review(inner), "message": "Review published."})


def message(f: Fields) -> Message:
    f = f.unwrap("message")
    return present(
        Message(
            id=f.handle("id"),
            author=f.person("author", "sender"),
            body=f.text("body") or "",
            created_at=f.time("createdAt"),
        )
    )


def sent(f: Fields) -> Result:
    inner = f.shown("message")
    return {"message": message(inner) if inner else "Message sent."}


HIRE = sends(
    taskId="task_id",
    bidId="bid_id",
    payoutMethodId="payout_method_id",
    paymentWallet="payment_wallet",
    preferredToken="preferred_token",
)
HIRED = {"contract.task_id": "task_id", "contract.bid_id": "bid_id"}
HIRE_HINTS = {409: "If the bid is not active any more or the task not open, list_task_bids shows it."}
DECIDED = {"accept": "accepted", "reject": "rejected"}
HIRE_CLEARS = ("contracts", "own-tasks", "tasks", "tasks/{task_id}", "tasks/{task_id}/bids", "bids/{bid_id}")
THREADS = (("bid", "/api/agent/bids/{bid_id}/messages"), ("contract", f"{CONTRACT}/messages"))

ROWS = (
    Row(
        hiring.HireBidder,
        "POST /api/agent/contracts",
        hired,
        "7) Hire a bidder",
        scope="contracts:write",
        request=Request(body=HIRE),
        clears=HIRE_CLEARS,
        proof=Proof("contract", same=HIRED, state="contract.status", states=frozenset({"in_progress"})),
        hints=HIRE_HINTS,
    ),
    Row(
        hiring.HireBidder,
        "POST /api/agent/contracts",
        hired,
        "7) Hire a bidder",
        variant="current",
        scope="contracts:write",
        request=Request(body=HIRE),
        clears=HIRE_CLEARS,
        limits=Limits(needs=("payout_method_id",), takes=frozenset({"task_id", "bid_id", "payout_method_id"})),
        # Today's platform may want the contract to be funded before the work begins.
        proof=Proof("contract", same=HIRED, waits=True),
        hints=HIRE_HINTS,
    ),
    Row(
        contracts.ListContracts,
        "GET /api/agent/contracts",
        contract,
        "Operational contract, IDs and discovery",
        scope="contracts:read",
        listing=Listing("contracts", CURSOR, filters={"role": Filter("role")}),
        topic="contracts",
    ),
    Row(
        contracts.GetContract,
        f"GET {CONTRACT}",
        contract,
        "8) Get contract details",
        scope="contracts:read",
        topic="contracts/{contract_id}",
        also={
            "submissions": Row(
                contracts.GetContract,
                f"GET {CONTRACT}/submissions",
                submissions,
                "9) Submit deliverable",
                scope="submissions:read",
                topic="contracts/{contract_id}/submissions",
            )
        },
    ),
    Row(
        contracts.ListSubmissions,
        f"GET {CONTRACT}/submissions",
        submission,
        "9) Submit deliverable",
        scope="submissions:read",
        listing=Listing("submissions", CURSOR),
        topic="contracts/{contract_id}/submissions",
    ),
    Row(
        work.SubmitWork,
        "POST /api/agent/contracts/{work_id}/submissions",
        submitted,
        "9) Submit deliverable",
        scope="submissions:write",
        request=Request(body=sends(deliverableUrl="deliverable_url", notes="summary")),
        clears=("contracts", "contracts/{work_id}", "contracts/{work_id}/submissions"),
        limits=Limits(needs=("deliverable_url",)),
        proof=Proof("submission", same={"submission.contract_id": "work_id"}, waits=True),
        hints={409: "If a submission is under review, wait for the decision; get_contract shows it."},
    ),
    Row(
        hiring.DecideSubmission,
        f"POST {CONTRACT}/decision",
        decided,
        "10) Accept / reject submission",
        scope="decision:write",
        request=Request(body=sends(action="decision", reason="reason")),
        clears=("contracts", "contracts/{contract_id}", "contracts/{contract_id}/submissions"),
        proof=Proof(
            "contract",
            same={"contract.id": "contract_id"},
            state="contract.status",
            states=lambda a: frozenset({DECIDED[a.decision]}),
        ),
        hints={409: "If no submission is waiting, there is nothing to decide; get_contract shows it."},
    ),
    Row(
        contracts.LeaveReview,
        f"POST {CONTRACT}/reviews",
        reviewed,
        "11) Reviews",
        scope="reviews:write",
        request=Request(body=sends(rating="rating", text="text")),
        clears=("contracts/{contract_id}/reviews", "profiles/{about_id}/reviews"),
        proof=Proof("review", same={"review.contract_id": "contract_id"}),
        hints={409: "If you have left one already, or the contract is not accepted yet, it takes none."},
    ),
    Row(
        profiles.ListReviews,
        f"GET {CONTRACT}/reviews",
        review,
        "11) Reviews",
        variant="contract",
        scope="reviews:read",
        listing=Listing("reviews", CURSOR),
        topic="contracts/{contract_id}/reviews",
    ),
    *(
        Row(
            contracts.ListMessages,
            f"GET {path}",
            message,
            f"{variant.capitalize()} threads",
            variant=variant,
            scope="messages:read",
            listing=Listing("messages", CURSOR),
            topic=f"{variant}s/{{{variant}_id}}/messages",
        )
        for variant, path in THREADS
    ),
    *(
        Row(
            contracts.SendMessage,
            f"POST {path}",
            sent,
            f"{variant.capitalize()} threads",
            variant=variant,
            scope="messages:write",
            request=Request(body=sends(body="body")),
            clears=(f"{variant}s/{{{variant}_id}}/messages",),
            proof=Proof("message"),
        )
        for variant, path in THREADS
    ),
)
