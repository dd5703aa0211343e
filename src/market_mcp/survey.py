"""Asks all markets several things at once, and lets none of them fail the others."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import anyio

from market_mcp.accounts import Account, Accounts
from market_mcp.actions import Action
from market_mcp.errors import CallError

S = TypeVar("S")
T = TypeVar("T")


class Part(NamedTuple, Generic[T]):
    """One thing to ask of every market that supports `needs`, with a key where it is `keyed`."""

    name: str
    needs: type[Action]
    keyed: bool
    ask: Callable[[Account], Awaitable[list[T]]]


async def together(ask: Callable[[S], Awaitable[T]], about: Sequence[S]) -> list[T]:
    """What `ask` brings for each, in order, asked at once. Raises the first CallError, when all have been tried."""
    found: dict[int, T] = {}
    errors: list[CallError] = []

    async def one(place: int, what: S) -> None:
        try:
            found[place] = await ask(what)
        except CallError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        for place, what in enumerate(about):
            group.start_soon(one, place, what)
    if errors:
        raise errors[0]
    return [found[place] for place in range(len(about))]


async def survey(accounts: Accounts, market: str | None, parts: Sequence[Part[T]]) -> tuple[list[T], dict[str, str]]:
    """What the parts bring, in the order of accounts and parts, and by name why some brought nothing.

    With a `market` only that one is asked. Raises BadCall when there is none of that name.
    """
    found: dict[str, list[T]] = {}
    skipped: dict[str, str] = {}

    async def ask(account: Account, part: Part[T]) -> None:
        name = f"{account.name} {part.name}"
        try:
            found[name] = await part.ask(account)
        except CallError as error:
            skipped[name] = error.as_text()

    asked = accounts.all() if market is None else [accounts.named(market)]
    async with anyio.create_task_group() as group:
        for account in asked:
            for part in parts:
                if account.market.supports(part.needs) and (account.key is not None or not part.keyed):
                    group.start_soon(ask, account, part)
    order = [f"{account.name} {part.name}" for account in asked for part in parts]
    return [item for name in order for item in found.get(name, ())], skipped
