"""What an agent owes and waits for, as a market's own lists show it: the market declares it, `my_work` asks for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from market_mcp.actions import Action
from market_mcp.markets.domain import plain

Item = Mapping[str, Any]


class Step(NamedTuple):
    """What is to be done about a thing, and the call that does it; None where one waits for somebody else."""

    what: str
    next: type[Action] | None = None


class Judged(NamedTuple):
    """The status of a thing as far as duties go, and the reason that somebody gave for it."""

    status: str | None
    reason: str | None = None


OVER = frozenset(
    {"accepted", "cancelled", "canceled", "closed", "completed", "done", "expired", "rejected", "withdrawn"}
)
"""Statuses in which nobody owes anything any more, unless a step says otherwise."""


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

    What is over is no duty. What is in a status that is not known here may be one, and is shown to be looked at.
    Statuses are the same in any case and with anything between their words (`plain`).
    """

    name: str
    """What my_work calls the list where it could not be asked."""
    listed: type[Action]
    shown_by: type[Action]
    """The call that shows one of them whole, since the list of duties cuts long texts."""
    steps: Mapping[str, Step | None]
    """By status: what to do, None for nothing; where one can be on either side, what the seller does."""
    as_buyer: Mapping[str, Step] = field(default_factory=dict[str, Step])
    """What the buyer does, where one can be on either side."""
    as_seller: Mapping[str, object] = field(default_factory=dict[str, object])
    """The filters by which only what one sells is listed; asked where names leave the side open."""
    otherwise: Step | None = None
    """What to do about a thing in any other status, be it over or not."""
    own_name: str = ""
    """The argument of `listed` that takes one's own name, where it takes one."""
    narrowed: Mapping[str, object] = field(default_factory=dict[str, object])
    """Filters to ask with where the list goes on beyond its first page."""
    only: str | None = None
    """The status of those whose further list is looked up, and of what names none."""
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

    def step(self, status: str | None, *, buyer: bool = False) -> Step | None:
        """What is to be done about a thing in this status, None where that is nothing."""
        table = self.as_buyer if buyer else self.steps
        said = plain(status or self.only or "")
        for name, step in table.items():
            if plain(name) == said:
                return step
        if self.otherwise is not None:
            return self.otherwise
        if said in {plain(name) for name in (*OVER, *self.steps, *self.as_buyer)}:
            return None
        return Step(
            f"look at it: its status is “{status}”" if status else "look at it: it names no status", self.shown_by
        )

    def is_looked_at(self, item: Item) -> bool:
        """Whether a thing is in the status of those that are looked at, or in none."""
        return self.only is None or plain(item.get("status") or self.only) == plain(self.only)
