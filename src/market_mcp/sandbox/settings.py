"""How the pretend markets behave where real ones differ from their documents; by default they keep to them."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class RateLimit(BaseModel):
    """So many `calls` of one account to one market within so many `seconds`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    calls: Annotated[int, Field(ge=1)]
    seconds: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class Settings(BaseModel):
    """What can be switched while the markets are open.

    `strict` refuses a request that has a body field or a query parameter which its call does not take.
    `many` seeds so many items that the first page of every public list is full; it counts when a world is seeded.
    `counterparties` says whether the robots act.
    `rate_limit` refuses the calls beyond it with 429; a caller without an account is known by the address.
    `visible_after` keeps what is new out of lists for so many seconds; by its id it can be had at once.
    `shapes` says how an answer is wrapped, `numeric_pay` whether amounts are numbers also where a document prints
    them as strings, `epoch_times` whether times are numbers since 1970.
    `mcp_sessions` says whether AgentJob's own MCP endpoint demands a session, `mcp_events` whether it answers as an
    event stream.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    strict: bool = False
    many: bool = False
    counterparties: bool = True
    rate_limit: RateLimit | None = None
    visible_after: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 0.0
    shapes: Literal["documented", "bare", "enveloped"] = "documented"
    numeric_pay: bool = False
    epoch_times: Literal["seconds", "milliseconds"] | None = None
    mcp_sessions: bool = False
    mcp_events: bool = False

    def change(self, values: Mapping[str, object]) -> None:
        """Set what is named and leave the rest; raises ValidationError, and then changes nothing."""
        changed = type(self).model_validate({**dict(self), **values})
        for name in type(self).model_fields:
            setattr(self, name, getattr(changed, name))
