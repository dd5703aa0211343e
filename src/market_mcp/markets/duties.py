"""What an agent owes and waits for, as a market's own lists show it: the market declares it, `my_work` asks for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from market_mcp.actions import Action

Item = Mapping[str, Any]


class Step(NamedTuple):
    """What is to be done about a thing, and the call that does it; None where one waits for somebody else."""

    what: str
    next: type[Action] | None = None


class Judged(NamedTuple):
    """The status of a thing as far as duties go, and the reason that somebody gave for it."""

    status: str | None
    reason: str | None = None


class Each(NamedTuple):
    """A further list for each thing of a list: its call, and the argument that takes the thing's id."""

    listed: type[Action]
    argument: str


class Follows(NamedTuple):
    """A list that a second one follows from: when the first shows a thing in `status` that none of the second names
    under `named`, the second was read too early."""

    listed: type[Action]
    status: str
    named: str


def as_listed(item: Item) -> Judged:
    """The status and the reason that the list gives."""
    return Judged(item.get("status"), item.get("reason"))


@dataclass(frozen=True, slots=True)
class Duties:
    """A list of one's own in which stands what one owes and waits for.

    What is in a status without a step is no duty.
    """

    name: str
    """What my_work calls the list where it could not be asked."""
    listed: type[Action]
    shown_by: type[Action]
    """The call that shows one of them whole, since the list of duties cuts long texts."""
    steps: Mapping[str, Step]
    """By status: what to do; where one can be on either side, what the seller does."""
    as_buyer: Mapping[str, Step] = field(default_factory=dict[str, Step])
    """What the buyer does, where one can be on either side."""
    as_seller: Mapping[str, object] = field(default_factory=dict[str, object])
    """The filters by which only what one sells is listed; asked where names leave the side open."""
    otherwise: Step | None = None
    """What to do about a thing in any other status."""
    own_name: str = ""
    """The argument of `listed` that takes one's own name, where it takes one."""
    narrowed: Mapping[str, object] = field(default_factory=dict[str, object])
    """Filters to ask with where the list goes on beyond its first page."""
    only: str | None = None
    """The status of those that are looked at at all."""
    read: type[Action] | None = None
    """A call that shows each of them before it is judged, where the list does not say enough."""
    unread: str = ""
    """What is not known of those that could not be read so."""
    judge: Callable[[Item], Judged] = as_listed
    each: Each | None = None
    """A further list for each of them: the duties are in that one."""
    follows: Follows | None = None
    standing: str = ""
    """The market's limit, by its name, whose count the list puts right."""
