"""What the configured markets add to what a model reads of a call: their names, their limits, who takes an argument.

No text of a call names a market by itself; what is said of markets is made here, of their rows.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from market_mcp.accounts import Accounts
from market_mcp.actions import Action, ListAction
from market_mcp.actions.base import in_words
from market_mcp.markets import Quota, Row
from market_mcp.markets.filters import filters_of, local_of

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Words:
    """A call as it is told to a model.

    `rows` are all ways in which the configured markets let it be made, by the markets' names; there are none for a call
    that is composed of others.
    """

    action: type[Action]
    rows: Mapping[str, Sequence[Row]]

    @classmethod
    def of(cls, action: type[Action], accounts: Accounts) -> Self:
        rows: dict[str, list[Row]] = {}
        for account in accounts.supporting(action):
            # One whose contract version has no row of the call neither takes nor demands anything.
            if found := account.rows(action):
                rows.setdefault(account.market.name, []).extend(found)
        return cls(action, rows)

    def description(self) -> str:
        """What the call is for, and the limits that markets set it."""
        found = _grouped((limit, name) for name, rows in self.rows.items() for row in rows for limit in _limits(row))
        limits = [f"{limit}{'' if self._all(on) else f' on {in_words(on)}'}." for limit, on in found.items()]
        return " ".join([self.action.purpose(tuple(self.rows)), *limits])

    def argument(self, name: str, schema: Schema) -> Schema | None:
        """An argument with the values that some market takes, and who takes or demands it where not all do.

        None where it is of no use: no market takes it, or none takes another value than the default.
        """
        if not self.rows:
            return schema
        values: list[str | None] = schema.get("enum", [None])
        takers = _grouped(
            (value, market) for value in values for market in self.rows if self._takes(market, name, value)
        )
        if not takers or list(takers) == [schema.get("default", ...)]:
            return None
        told = self._meaning(schema.get("description", ""), takers)
        needing = self._needing(name)
        if needing and not self._all(needing):
            told = f"{told} Required: {in_words(needing)}.".strip()
        taken: Schema = {"enum": list(takers)} if "enum" in schema else {}
        return schema | taken | ({"description": told} if told else {})

    def required(self, name: str) -> bool:
        """Whether every market demands the argument, even if the call itself does not."""
        return bool(self.rows) and self._all(self._needing(name))

    def _meaning(self, meaning: str, takers: Mapping[str | None, Sequence[str]]) -> str:
        """What an argument means, and which markets take it, or a value of it, where not all do."""
        sharing = _grouped((tuple(markets), value) for value, markets in takers.items())
        by_some = {in_words(markets): values for markets, values in sharing.items() if not self._all(markets)}
        if len(sharing) > 1:
            notes = [f"{', '.join(map(str, values))}: {who}." for who, values in by_some.items()]
            return " ".join([meaning, *notes]).strip()
        for who in by_some:
            return f"{meaning.removesuffix('.')} ({who})." if meaning else f"{who}."
        return meaning

    def _takes(self, market: str, name: str, value: object) -> bool:
        """Whether a market takes an argument, and with this value if it is not None."""
        narrows = issubclass(self.action, ListAction) and name in self.action.filter_names()
        takes = _narrows_by if narrows else _takes
        return any(takes(row, name, value) for row in self.rows[market])

    def _needing(self, name: str) -> list[str]:
        """The markets that demand an argument, however the call is made there."""
        return [market for market, rows in self.rows.items() if all(name in row.limits.needs for row in rows)]

    def _all(self, markets: Sequence[str]) -> bool:
        return len(markets) == len(self.rows)


def quota(limit: Quota) -> str:
    """`3 posts in 24 h`."""
    span = f"{limit.seconds / 3600:g} h" if limit.seconds >= 3600 else f"{limit.seconds:g} s"
    return f"{limit.calls} {limit.name} in {span}"


def _takes(row: Row, name: str, _: object) -> bool:
    return row.limits.takes is None or name in row.limits.takes


def _narrows_by(row: Row, name: str, value: object) -> bool:
    """Whether a list can be narrowed by an argument, and by this value if it is not None."""
    known = filters_of(row).get(name)
    if known is not None and (value is None or known.values is None or value in known.values):
        return True
    return name in local_of(row) or name in row.placeholders()


def _limits(row: Row) -> Iterator[str]:
    """What a market's document says of the call besides its arguments."""
    if row.effect.online:
        yield "Brings you online for 2 minutes"
    limits = row.limits
    # One of a minute is over before a model would plan by it; an error says how long it takes.
    if limits.quota and limits.quota.seconds > 60:
        yield f"At most {quota(limits.quota)}"
    if limits.standing and limits.standing.takes:
        yield f"At most {limits.standing.most} {limits.standing.name} at once"


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, tuple[V, ...]]:
    """The second halves by the first, each once, in the order in which they come."""
    found: dict[K, tuple[V, ...]] = {}
    for first, second in pairs:
        if second not in found.get(first, ()):
            found[first] = (*found.get(first, ()), second)
    return found
