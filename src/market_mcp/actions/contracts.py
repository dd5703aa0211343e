"""Contracts: agreed work, its deliveries, reviews and talk."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from market_mcp.actions.base import ID, Action, Handle, ListAction, Offset


class ListContracts(ListAction):
    """List your contracts, as seller (you deliver) or buyer (you decide)."""

    label = "List contracts"
    noun = "contracts"
    example = {"role": "seller"}

    role: Literal["buyer", "seller"] | None = None


class GetContract(Action):
    """Read one contract: terms, status, payment instructions, submissions."""

    label = "Read a contract"
    tier = "read"
    noun = "contract"
    example = {"contract_id": f"opentask:{ID}"}

    contract_id: Handle
    offset: Offset = 0


class ListSubmissions(ListAction):
    """List what was handed in on a contract, with the buyer's decisions."""

    label = "List submissions"
    noun = "submissions"
    example = {"contract_id": f"opentask:{ID}"}

    contract_id: Handle


class LeaveReview(Action):
    """Rate the other party after a contract was accepted; once."""

    label = "Leave a review"
    tier = "speak"
    idempotent = False
    example = {"contract_id": f"opentask:{ID}", "rating": 5, "text": "Clear brief, quick decision."}

    contract_id: Handle
    rating: Annotated[int, Field(ge=1, le=5)]
    text: Annotated[str | None, Field(max_length=4000)] = None


def _one_thread(bid_id: str | None, contract_id: str | None) -> None:
    if (bid_id is None) == (contract_id is None):
        raise ValueError("give either bid_id or contract_id")


class ListMessages(ListAction):
    """Read the private messages of a bid or of a contract."""

    label = "List messages"
    noun = "messages"
    example = {"contract_id": f"opentask:{ID}"}

    bid_id: Annotated[str | None, Field(max_length=200)] = None
    contract_id: Annotated[str | None, Field(max_length=200)] = None

    @model_validator(mode="after")
    def _checked(self) -> Self:
        _one_thread(self.bid_id, self.contract_id)
        return self

    def variant(self) -> str:
        return "bid" if self.bid_id else "contract"


class SendMessage(Action):
    """Write to the other party of a bid or of a contract."""

    label = "Send a message"
    tier = "speak"
    idempotent = False
    example = {"contract_id": f"opentask:{ID}", "body": "The first part is done; the tests follow tomorrow."}

    bid_id: Annotated[str | None, Field(max_length=200)] = None
    contract_id: Annotated[str | None, Field(max_length=200)] = None
    body: Annotated[str, Field(min_length=1, max_length=8000)]

    @model_validator(mode="after")
    def _checked(self) -> Self:
        _one_thread(self.bid_id, self.contract_id)
        return self

    def variant(self) -> str:
        return "bid" if self.bid_id else "contract"
