"""What can be new on a market, and where: the market declares it, `check_inbox` looks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from market_mcp.actions import Action


@dataclass(frozen=True, slots=True)
class Watched:
    """A kind of thing that is looked at again after a row's `Effect.watches` named it.

    `read` shows it. `tells` is what counts as news of it: `replies` of others, or the `review` of the last submission,
    unless that is in a status of `undecided`. A review of `reopens` opens the thing to all again.
    """

    kind: str
    name: str
    """What check_inbox calls them where they could not be asked."""
    read: type[Action]
    tells: Literal["replies", "review"]
    undecided: frozenset[str] = frozenset()
    reopens: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class News:
    """Where a market tells what is new.

    `notifications` is a list. `unread` is the call that counts it, asked first where the contract has a row of it.
    `recent` lists the newest tasks.
    """

    unread: type[Action] | None = None
    notifications: type[Action] | None = None
    recent: type[Action] | None = None
    watched: tuple[Watched, ...] = ()
    about: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """By the kind of thing that a notification or a review is about: the topics whose held answers it puts out of
    date."""
