"""Which marketplaces this server acts on, as whom, and how an id finds its way to one of them."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, TypeVar, get_args

from market_mcp.actions import Action
from market_mcp.actions.account import SCOPE, CreateToken
from market_mcp.errors import BadCall
from market_mcp.markets import Market, Online, Row, Variants, find

A = TypeVar("A", bound=Action)
Presence = Literal["auto", "on", "off"]
Contract = Literal["seed", "current"]

KEYED = "keyed"
"""The variant of a row that shows more than the plain one to who has a key."""


@dataclass(frozen=True, slots=True)
class Account:
    """One configured marketplace: a kind, the address it answers at, and the key to act with (None: public reads).

    `name` is the first half of every handle. `variants` chooses, by tool, a row other than the documented one. `scopes`
    are what the key allows, None where that is not known; `missing` is what the market said it does not allow, `denied`
    what it seems not to allow, since a read failed with it. `key_from` says where the key was found, if that is not the
    platform's variable; `key_refused` that the market did not take it when it saw it last.
    """

    name: str
    kind: str
    base_url: str
    key: str | None = field(default=None, repr=False)
    sandbox: bool = False
    presence: Presence = "auto"
    contract: Contract = "seed"
    variants: Variants = field(default_factory=dict[str, str])
    scopes: frozenset[str] | None = None
    missing: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    key_from: str = ""
    key_refused: bool = False

    @property
    def market(self) -> Market:
        market = find(self.kind)
        if market is None:
            raise LookupError(f"no market {self.kind}")
        return market

    @property
    def online(self) -> Online:
        """How being online works there. Raises LookupError where it means nothing."""
        if self.market.online is None:
            raise LookupError(f"{self.market.name} knows nobody as online")
        return self.market.online

    @property
    def id(self) -> str:
        """What the account is called in the state file: the same for every process with the same key, and no key."""
        return _name_in_state(self.kind, self.base_url, self.key or "")

    @property
    def public_id(self) -> str:
        """What its market's public pages are called there: the same for every account at that address."""
        return _name_in_state(self.kind, self.base_url, "")

    @property
    def key_source(self) -> str:
        """Where the user finds the key, or is to put one: a variable, or a setting of the configuration file."""
        if self.key_from:
            return self.key_from
        # The platform's variable is about the account of its own name; any other has a table.
        return self.market.key_env if self.name == self.kind else f"api_key or credential in [market.{self.name}]"

    @property
    def base_url_source(self) -> str:
        """Where the address is set: by the platform's variable or a setting of the configuration file."""
        variable = f"{self.market.base_url_env} or " if self.name == self.kind else ""
        return f"{variable}base_url in [market.{self.name}]"

    def authorization(self) -> str | None:
        return f"Bearer {self.key}" if self.key else None

    def row(self, action: Action) -> Row | None:
        """How this call is made here: as configured, by contract version, as its arguments decide, or with the key."""
        configured = self.variants.get(action.tool_name(), "")
        variants = [variant for variant in (configured, self.contract, action.variant()) if variant]
        keyed = self.market.row(type(action), [*variants, KEYED]) if self.key else None
        # What a key shows more of is shown in public too, so one that does not allow it is left out.
        allowed = keyed is not None and (keyed.variant != KEYED or self.allows(keyed.scope))
        return keyed if allowed else self.market.row(type(action), variants)

    def rows(self, action: type[Action]) -> list[Row]:
        """Every way in which calls of this kind can be made here, whatever their arguments."""
        for variant in (self.variants.get(action.tool_name(), ""), self.contract):
            if variant and (action, variant) in self.market.rows:
                return [self.market.rows[action, variant]]
        return [row for row in self.market.rows_of(action) if row.variant not in get_args(Contract)]

    def allows(self, scope: str | None) -> bool:
        """Whether the key may do what takes this scope, as far as that is known."""
        return scope not in self.denied and not self.lacks(scope)

    def lacks(self, scope: str | None) -> bool:
        """Whether the key is known not to have this scope."""
        return scope is not None and (scope in self.missing or (self.scopes is not None and scope not in self.scopes))

    def lacking_for(self, action: type[Action]) -> str | None:
        """The scope for want of which the key can make no call of this kind; None where it may be able to."""
        wanted = [row.scope for row in self.rows(action)]
        return wanted[0] if wanted and all(map(self.lacks, wanted)) else None

    def remedy(self) -> str:
        """What to do about a scope that the key lacks."""
        making = self.market.row(CreateToken, [self.contract])
        if making is None or self.lacks(making.scope):
            return "Ask the user for a token with it."
        return f"Ask the user for a token with it; {CreateToken.tool_name()} makes one, which the user then configures."


@lru_cache
def _name_in_state(kind: str, base_url: str, key: str) -> str:
    return hashlib.sha256(f"{kind}\n{base_url}\n{key}".encode()).hexdigest()[:24]


class Accounts:
    """The configured accounts by name."""

    SEEN = 10_000
    """Ids remembered for those who leave the market's name away."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._accounts = {account.name: account for account in accounts}
        self._seen: dict[str, str] = {}
        self._recent: dict[tuple[str, str], None] = {}

    def all(self) -> list[Account]:
        return list(self._accounts.values())

    def secrets(self) -> list[str]:
        """The keys in use, for those who must keep them out of what they write."""
        return [account.key for account in self._accounts.values() if account.key]

    def rekey(self, name: str, key: str, scopes: Iterable[str] = ()) -> None:
        """From now on the account acts with this key, which stands in the credential store; no `scopes`: not known."""
        self._accounts[name] = replace(
            self._accounts[name],
            key=key,
            scopes=frozenset(scopes) or None,
            missing=frozenset(),
            denied=frozenset(),
            key_from="the credential store",
            key_refused=False,
        )

    def deny(self, name: str, scopes: frozenset[str]) -> None:
        """From now on these are what the account's key is taken not to allow."""
        self._accounts[name] = replace(self._accounts[name], denied=scopes)

    def key_seen(self, name: str, key: str | None, *, taken: bool) -> None:
        """The market has taken the account's key, or refused it."""
        account = self._accounts[name]
        if key and account.key == key and account.key_refused is taken:
            self._accounts[name] = replace(account, key_refused=not taken)

    def learn(self, name: str, wanted: str | None, said: str) -> bool:
        """Notes which scope a market's refusal says the account's key lacks, and whether it says so at all.

        It is the one that the call wanted, if that is named, else the only one that is.
        """
        named = set(re.findall(rf"\b{SCOPE}\b", said))
        lacking = {wanted} & named or (named if len(named) == 1 else set[str]())
        if lacking:
            account = self._accounts[name]
            self._accounts[name] = replace(account, missing=account.missing | lacking)
        return bool(lacking)

    def named(self, name: str) -> Account:
        """The account of this name. Raises BadCall."""
        if name not in self._accounts:
            raise BadCall(f"There is no market {name[:80]!r}.", next=f"Markets: {', '.join(self._accounts)}.")
        return self._accounts[name]

    def supporting(self, action: type[Action]) -> list[Account]:
        """The accounts on whose market this call exists."""
        return [account for account in self._accounts.values() if account.market.supports(action)]

    def able(self, action: type[Action]) -> list[Account]:
        """Those of them whose key is not known to lack what the call takes."""
        return [account for account in self.supporting(action) if account.lacking_for(action) is None]

    def choose(self, action: type[Action], name: str | None) -> list[Account]:
        """All accounts that support the call, or the one that is named. Raises BadCall."""
        able = self.supporting(action)
        if name is None:
            return able
        chosen = [account for account in able if account.name == name]
        if not chosen:
            names = ", ".join(account.name for account in able) or "none"
            raise BadCall(f"`{action.tool_name()}` is not available on market {name!r}.", next=f"Markets: {names}.")
        return chosen

    def only(self, action: type[Action], name: str | None) -> Account:
        """The one account that can be meant. Raises BadCall where there are several."""
        able = self.choose(action, name)
        if len(able) == 1:
            return able[0]
        names = ", ".join(account.name for account in able)
        if not able:
            raise BadCall(f"No configured market supports `{action.tool_name()}`.", next="See list_markets.")
        raise BadCall("Which market is meant?", next=f"Pass market: one of {names}.")

    def resolve(self, action: A) -> tuple[Account, A]:
        """The account that an action's handles name, and the action with the platform's own ids. Raises BadCall."""
        handles = {n: str(v) for n in type(action).model_fields if n.endswith("_id") and (v := getattr(action, n))}
        able = self.supporting(type(action))
        named: Account | None = None
        ids: dict[str, str] = {}
        for argument, handle in handles.items():
            account, ids[argument] = self._locate(type(action), argument, handle, able)
            if named is not None and account is not named:
                raise BadCall(f"These ids belong to two markets: {named.name} and {account.name}.")
            named = account
        if named is None:
            named = self.only(type(action), getattr(action, "market", None))
        return named, action.model_copy(update=ids)

    def _locate(self, action: type[Action], argument: str, handle: str, able: Sequence[Account]) -> tuple[Account, str]:
        name, colon, native = handle.partition(":")
        names = ", ".join(account.name for account in able) or "none"
        if not colon:
            native = handle
            name = able[0].name if len(able) == 1 else self._seen.get(handle, "")
            if not name:
                raise BadCall(
                    f"`{argument}` {handle[:80]!r} does not say which market it belongs to.",
                    next=f"Write it as `market:id`, as results give it; markets for {action.tool_name()}: {names}.",
                )
        account = self._accounts.get(name)
        if account is None or account not in able:
            what = "is no configured market" if account is None else f"does not support {action.tool_name()}"
            raise BadCall(f"`{argument}`: {name[:80]!r} {what}.", next=f"Markets: {names}.")
        # Quoting would keep `..`, so an id that is not in the platform's form goes nowhere at all.
        if not re.fullmatch(account.market.id_pattern, native):
            raise BadCall(f"`{argument}` {handle[:80]!r} is not an id of {account.market.name}.")
        return account, native

    def remember(self, handle: object, kind: str) -> None:
        """Notes that the id of a `task`, a `bid` or the like was seen; it is then understood without its market too."""
        if isinstance(handle, str) and ":" in handle:
            name, _, native = handle.partition(":")
            # An id that two markets both use is nobody's.
            known = self._seen.pop(native, name)
            self._seen[native] = name if known == name else ""
            self._recent.pop((kind, handle), None)
            self._recent[kind, handle] = None
            if len(self._seen) > self.SEEN:
                del self._seen[next(iter(self._seen))]
            if len(self._recent) > self.SEEN:
                del self._recent[next(iter(self._recent))]

    def recent(self, kind: str, market: str) -> list[str]:
        """The platform's own ids of this kind that were seen on a market (empty: on any), the latest first."""
        handles = (handle.partition(":") for known, handle in reversed(self._recent) if known == kind)
        return [native for name, _, native in handles if market in ("", name)]
