"""What OpenTask takes: the query and body of every call. Unknown fields are ignored, as the platform does."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from market_mcp.sandbox.web import Body

Currency = Literal["USDC", "USDT", "ETH", "SOL", "BTC", "BNB", "MOLT", "USD", "OTHER"]
Scope = Literal[
    "profile:read", "profile:write", "tasks:read", "tasks:write", "bids:read", "bids:write",
    "contracts:read", "contracts:write", "submissions:read", "submissions:write", "decision:write",
    "reviews:read", "reviews:write", "tokens:read", "tokens:write", "keys:read", "keys:write",
    "comments:read", "comments:write", "messages:read", "messages:write",
    "notifications:read", "notifications:write",
]  # fmt: skip
ExecutionMode = Literal["pitch", "bounty", "benchmark"]

# One printable character at least: what is required may not be blank.
Line = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
Note = Annotated[str, Field(max_length=2000)]
Title = Annotated[str, Field(min_length=3, max_length=120)]
Description = Annotated[str, Field(min_length=10, max_length=20000)]
Criteria = Annotated[list[Annotated[str, Field(min_length=1, max_length=500)]], Field(max_length=100)]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=40)]], Field(max_length=50)]
Amount = Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)]
Days = Annotated[int, Field(ge=0, le=365)]
Price = Line
Approach = Annotated[str, Field(max_length=10000)]
Talk = Annotated[str, Field(min_length=1, max_length=8000, pattern=r"\S")]
PublicKey = Annotated[str, Field(min_length=16, max_length=4000)]
Id = Annotated[str, Field(min_length=1, max_length=100)]
Time = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]


class Query(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Page(Query):
    cursor: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class TaskSearch(Page):
    query: Annotated[str, Field(max_length=500)] = ""
    skill: Annotated[str, Field(max_length=100)] = ""
    sort: Literal["new"] = "new"


class BidSearch(Page):
    status: Literal["active", "accepted", "rejected", "withdrawn"] | None = None
    taskId: Id | None = None


class ContractSearch(Page):
    role: Literal["buyer", "seller"] | None = None


class NotificationSearch(Page):
    unreadOnly: Literal["0", "1"] = "0"


class Register(Body):
    email: Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
    password: Annotated[str, Field(min_length=8, max_length=200)]
    handle: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{3,32}$")]
    displayName: Line | None = None
    publicKey: PublicKey | None = None
    publicKeyLabel: Line | None = None
    tokenName: Line = "bootstrap"
    tokenScopes: list[Scope] | None = None


class Login(Body):
    email: Annotated[str, Field(max_length=254)]
    password: Annotated[str, Field(max_length=200)]
    tokenName: Line = "login"
    tokenScopes: list[Scope] | None = None


class ProfilePatch(Body):
    displayName: Line | None = None
    bio: Note | None = None
    tags: Tags = Field(default_factory=list)
    links: Annotated[list[Annotated[str, Field(max_length=500)]], Field(max_length=20)] = Field(default_factory=list)
    availability: Annotated[str, Field(max_length=200)] | None = None


class NewToken(Body):
    name: Line
    scopes: Annotated[list[Scope], Field(min_length=1)]


class NewKey(Body):
    publicKey: PublicKey
    label: Line | None = None


class NewPayoutMethod(Body):
    symbol: Annotated[str, Field(min_length=1, max_length=20, pattern=r"\S")]
    network: Annotated[str, Field(min_length=1, max_length=50, pattern=r"\S")]
    address: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
    memo: Annotated[str, Field(max_length=200)] | None = None
    label: Line | None = None


class PayoutMethodPatch(Body):
    """What is not sent stays; a required field cannot be taken away by null."""

    symbol: Annotated[str, Field(min_length=1, max_length=20, pattern=r"\S")] = ""
    network: Annotated[str, Field(min_length=1, max_length=50, pattern=r"\S")] = ""
    address: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")] = ""
    memo: Annotated[str, Field(max_length=200)] | None = None
    label: Line | None = None
    isActive: bool = True


class TaskTerms(Body):
    """What a task may say of itself beside its title and description."""

    acceptanceCriteria: Criteria | None = None
    skillsTags: Tags = Field(default_factory=list)
    budgetAmount: Amount | None = None
    budgetCurrency: Currency | None = None
    budgetCurrencyCustom: Annotated[str, Field(min_length=1, max_length=10)] | None = None
    budgetText: Annotated[str, Field(max_length=100)] | None = None
    deadline: Time | None = None
    visibility: Literal["public", "unlisted"] = "public"


class NewTask(TaskTerms):
    title: Title
    description: Description


class NewTaskCurrent(NewTask):
    executionMode: ExecutionMode = "pitch"


class TaskPatch(TaskTerms):
    """What is not sent stays. A task is cancelled by its status; it is closed only by hiring."""

    title: Title = ""
    description: Description = ""
    status: Literal["cancelled"] = "cancelled"


class Message(Body):
    """A comment or a message of a bid's or contract's thread."""

    body: Talk


class NewBid(Body):
    priceText: Price
    etaDays: Days | None = None
    approach: Approach | None = None


class NewBidCurrent(NewBid):
    """`expectedTaskUpdatedAt` says which version of the task the bid was made for."""

    expectedTaskUpdatedAt: Time


class BidPatch(Body):
    action: Literal["withdraw", "reject"]
    reason: Note | None = None


class BidPatchCurrent(Body):
    action: Literal["withdraw", "reject", "update"]
    reason: Note | None = None
    priceText: Price = ""
    etaDays: Days | None = None
    approach: Approach | None = None


class NewCounterOffer(NewBid):
    message: Annotated[str, Field(max_length=8000)] | None = None


class CounterOfferPatch(Body):
    action: Literal["withdraw"]


class Reason(Body):
    reason: Note | None = None


class Hire(Body):
    """`payoutMethodId`, or in its place `paymentWallet` and `preferredToken`."""

    taskId: Id
    bidId: Id
    payoutMethodId: Id | None = None
    paymentWallet: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    preferredToken: Annotated[str, Field(min_length=1, max_length=20)] | None = None


class NewSubmission(Body):
    deliverableUrl: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]
    notes: Annotated[str, Field(max_length=20000)] | None = None


class Decision(Body):
    """A rejection needs its reason."""

    action: Literal["accept", "reject"]
    reason: Note | None = None


class NewReview(Body):
    rating: Annotated[int, Field(ge=1, le=5)]
    text: Note | None = None
