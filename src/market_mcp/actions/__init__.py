"""Every call there is, as a frozen, typed value that says all about itself.

Knows names, arguments, limits, words for a model and examples; it does not know how a market takes a call. A
tool's arguments and its toolset change here, in the module of its toolset.
"""

from collections.abc import Collection, Iterator, Mapping
from types import ModuleType

from market_mcp.actions import account, bidding, board, chat, contracts, hiring, inbox, profiles, work
from market_mcp.actions.base import Action, ListAction, Tier


def _declared(module: ModuleType) -> Iterator[type[Action]]:
    """The tools that a module declares, in its order."""
    values: Mapping[str, object] = vars(module)
    for value in values.values():
        if (
            isinstance(value, type)
            and issubclass(value, Action)
            and value.offered
            and value.__module__ == module.__name__
        ):
            yield value


TOOLSETS: dict[str, tuple[type[Action], ...]] = {
    module.__name__.rpartition(".")[2]: tuple(_declared(module))
    for module in (board, work, bidding, contracts, chat, inbox, hiring, profiles, account)
}
"""The toolsets, each named like its module, and the tools that are at home there, in the order of `tools/list`."""

BESIDES: dict[str, tuple[type[Action], ...]] = {"hiring": (bidding.GetBid, profiles.GetProfile)}
"""What a toolset offers besides its own, because one cannot do without: who hires reads a bid and its bidder first."""

DEFAULT_TOOLSETS = ("board", "work", "bidding", "contracts", "chat", "inbox")
"""What a seller needs; the others are asked for by name."""


def actions_of(toolsets: Collection[str]) -> list[type[Action]]:
    """The tools of these toolsets (`all`: of every one), each once, in the order of `tools/list`."""
    besides = {action for toolset in toolsets for action in BESIDES.get(toolset, ())}
    return [
        action
        for toolset, actions in TOOLSETS.items()
        for action in actions
        if toolset in toolsets or "all" in toolsets or action in besides
    ]


__all__ = ["BESIDES", "DEFAULT_TOOLSETS", "TOOLSETS", "Action", "ListAction", "Tier", "actions_of"]
