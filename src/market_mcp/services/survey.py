"""Asks all markets several things at once, and lets none of them fail the others."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import anyio

from market_mcp.accounts import Account, Accounts
from market_mcp.errors import CallError

S = TypeVar("S")
T = TypeVar("T")


class Brought(NamedTuple, Generic[T]):
    """What there is, and in words what is missing from it."""

    items: list[T]
    missing: str = ""


class Part(NamedTuple, Generic[T]):
    """One thing to ask of a market."""

    name: str
    ask: Callable[[], Awaitable[Brought[T]]]


async def together(ask: Callable[[S], Awaitable[T]], about: Mapping[str, S]) -> Brought[T]:
    """What `ask` brings for each, in order, asked at once; by name for which of them it failed, and why."""
    found: dict[str, T] = {}
    failed: dict[str, list[str]] = {}

    async def one(name: str, what: S) -> None:
        try:
            found[name] = await ask(what)
        except CallError as error:
            failed.setdefault(error.as_text(), []).append(name)

    async with anyio.create_task_group() as group:
        for name, what in about.items():
            group.start_soon(one, name, what)
    missing = " ".join(f"{', '.join(names)}: {why}" for why, names in failed.items())
    return Brought([found[name] for name in about if name in found], missing)


async def survey(
    accounts: Accounts, market: str | None, parts: Callable[[Account], Sequence[Part[T]]]
) -> tuple[list[T], dict[str, str]]:
    """What the parts of each account bring, in their order, and by name what is missing and why.

    With a `market` only that one is asked. Raises BadCall when there is none of that name.
    """
    found: dict[str, list[T]] = {}
    skipped: dict[str, str] = {}

    async def ask(name: str, part: Part[T]) -> None:
        try:
            found[name], missing = await part.ask()
        except CallError as error:
            missing = error.as_text()
        if missing:
            skipped[name] = missing

    asked = accounts.all() if market is None else [accounts.named(market)]
    named = {f"{account.name} {part.name}": part for account in asked for part in parts(account)}
    async with anyio.create_task_group() as group:
        for name, part in named.items():
            group.start_soon(ask, name, part)
    return [item for name in named for item in found.get(name, ())], skipped
