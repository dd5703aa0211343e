"""Which reads of a market there are to ask, and the asking of them, once each."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.cli.doctor.onlooker import Onlooker
from market_mcp.cli.doctor.recorder import RecordedRow
from market_mcp.cli.doctor.report import Report
from market_mcp.clock import Clock
from market_mcp.errors import BadCall, CallError, Refused, StateUnavailable, TooSoon
from market_mcp.gateway.exchange import fill
from market_mcp.gateway.pipeline import Gateway
from market_mcp.markets import Row
from market_mcp.markets.domain import ids_in

NOT_THE_ROUTE = frozenset({401, 403, 429})
"""Statuses by which a market refuses this key or this moment, and says nothing against the row."""

NO_SUCH_ROUTE = frozenset({404, 405, 410, 501})

KNOWN_AS = {"account": "profile", "agent": "profile"}
"""Kinds of things whose ids other calls take under another name."""

SAME = "the same request failed above"

ASKINGS = 3
"""How often the gate is asked for one answer that is not older than the interval."""


class Asked(NamedTuple):
    """A read, and whether it only joins another one: what it lists is not of the kind that its action is about."""

    row: Row
    joins: bool


class Known(NamedTuple):
    """An id of the platform that a reply brought.

    `listed` is whether the reply is about such things and needed no id itself, `keyed` whether it took a key.
    """

    native: str
    listed: bool
    keyed: bool


def reads(account: Account) -> list[Asked]:
    """The reads that can be made with this account, whatever their arguments, and claim nothing; each once."""
    found: dict[tuple[str, object], Asked] = {}
    for action in dict.fromkeys(action for action, _ in account.market.rows):
        for row in account.rows(action):
            for read, joins in (
                (row, False),
                (row.request.before, False),
                *((part, True) for part in row.also.values()),
            ):
                if read is not None and not read.writes and not read.effect.claims:
                    found.setdefault((read.route, read.decode), Asked(read, joins))
    return list(found.values())


def requests(accounts: Iterable[Account]) -> int:
    """How many requests the reads of these accounts are at most: two that ask the same share an answer."""
    return sum(len({_shape(asked.row.route) for asked in reads(account)}) for account in accounts)


def longest_wait(accounts: Iterable[Account], interval: float, budget: int) -> float:
    """Seconds for which the budget of the gate alone holds the reads of these accounts back."""
    total = 0.0
    for account in accounts:
        # What all may see has a budget apart from what the key shows.
        questions = {(asked.row.auth, _shape(asked.row.topic), _shape(asked.row.route)) for asked in reads(account)}
        most = max(Counter(question[:2] for question in questions).values(), default=0)
        total += max(0, most - 1) // (budget + 1) * interval
    return total


class Survey:
    """Asks one account's reads, through the gate, and reports of each what came of it."""

    def __init__(
        self, report: Report, gateway: Gateway, account: Account, clock: Clock, onlooker: Onlooker, interval: float
    ) -> None:
        self._report = report
        self._gateway = gateway
        self._account = account
        self._clock = clock
        self._onlooker = onlooker
        self._interval = interval
        self._known: dict[str, list[Known]] = {}
        self._heard = False
        """Whether anything has answered there; nobody is asked twice who does not at first."""
        self._silent = False
        self._failed: set[str] = set()
        """Methods and paths of requests that failed; who asks the same would have to wait to fail again."""

    async def run(self) -> None:
        """Asks them in an order in which earlier answers bring the ids for later ones."""
        waiting = reads(self._account)
        while waiting:
            ready = next((asked for asked in waiting if not self._lacking(asked.row)), None)
            if ready is None:
                break
            waiting.remove(ready)
            obstacle = self._obstacle(ready.row)
            if obstacle:
                self._report.row(ready.row, "not asked", obstacle)
            else:
                await self._examine(ready)
        for row, _ in waiting:
            lacking = " and no ".join(self._lacking(row))
            self._report.row(row, "not asked", self._obstacle(row) or f"no {lacking} to ask for")

    def _obstacle(self, row: Row) -> str:
        """Why a row cannot be asked with this account, ids aside."""
        account = self._account
        if self._silent:
            return "nothing answers there; `market-mcp doctor` says why"
        if row.auth and account.key is None:
            return "no key"
        if row.auth and not account.sandbox and not account.market.key_pattern.fullmatch(account.key or ""):
            return f"the key does not look like one of {account.market.name}, so it is not sent"
        return "" if account.allows(row.scope) else f"scope {row.scope} missing"

    def _lacking(self, row: Row) -> list[str]:
        """What a row asks for and no reply has brought an id of yet."""
        whose = " of yours" if _owners_only(row) else ""
        kinds = [name.removesuffix("_id") for name in row.placeholders()]
        return [f"{kind}{whose}" for kind in kinds if not self._ids(row, kind)]

    def _ids(self, row: Row, kind: str) -> list[Known]:
        """The ids that a row can be asked with, the likeliest to be answered first."""
        known = [id for id in self._known.get(kind, ()) if not _owners_only(row) or (id.listed and id.keyed)]
        return sorted(known, key=lambda id: (not id.listed, id.keyed != row.auth))

    async def _examine(self, asked: Asked) -> None:
        row = asked.row
        alike = (other for other, _ in reads(self._account) if _shape(other.route) == _shape(row.route))
        recorded = RecordedRow.of(row, alike)
        record = recorded.record
        self._onlooker.seen = None
        action = self._action(row)
        request = fill(row.route, action)
        try:
            answer = await self._read(recorded, action, wait=request not in self._failed)
        except Refused as refusal:
            self._heard = True
            self._failed.add(request)
            status = refusal.status
            refuted = status in NO_SUCH_ROUTE and not refusal.explained
            said = f"HTTP {status}. {row.hints.get(status, '')}".strip()
            self._report.row(
                row, "refused", said, fault=status not in NOT_THE_ROUTE, route="refuted" if refuted else "open"
            )
        except TooSoon as error:
            left_alone = f"it wants to be left alone for {error.retry_after_seconds} s more"
            self._report.row(row, "not asked", SAME if request in self._failed else left_alone)
        except BadCall:
            self._report.row(row, "not asked", "no call can be made of what the lists brought")
        except StateUnavailable:
            self._report.row(row, "not asked", "the state file cannot be used")
        except CallError:
            self._failed.add(request)
            if record.failures:
                self._report.row(row, "unreadable", record.failures[0], fault=True)
            else:
                seen = self._onlooker.seen
                self._silent = seen is None and not self._heard
                refuted = seen is not None and seen.status in NO_SUCH_ROUTE
                said = str(seen or "none at all")
                self._report.row(row, "no answer", said, fault=True, route="refuted" if refuted else "open")
        else:
            self._heard = True
            things, unreadable = _things(row, answer)
            self._remember(asked, things)
            if unreadable:
                places = ", ".join(dict.fromkeys(record.failures)) or "no objects"
                said = f"{unreadable} of {unreadable + len(things)} items: {places}"
                self._report.row(row, "unreadable", said, fault=True, route="confirmed", record=record)
            else:
                said = "" if things else "no items, so nothing is known of those"
                self._report.row(row, "decoded", said, route="confirmed", record=record)

    async def _read(self, row: Row, action: Action, *, wait: bool) -> Any:
        """What a read brings that is no older than the interval. Raises CallError, TooSoon if it is not to wait."""
        for _ in range(ASKINGS):
            try:
                answer, held = await self._gateway.read(self._account, row, action)
            except TooSoon as error:
                pause = float(error.retry_after_seconds or self._interval)
                if not wait or pause > 2 * self._interval:
                    raise
            else:
                if held.source == "live" or (not held.note and held.age <= self._interval):
                    return answer
                pause = held.next_in
                if not wait or pause > 2 * self._interval:
                    raise TooSoon("No new answer can be had now.", retry_after_seconds=pause)
            self._report.line(f"  … {pause:.0f} s until the gate lets {row.route} pass")
            await self._clock.sleep(pause)
        raise TooSoon("Others keep asking this question.", retry_after_seconds=self._interval)

    def _action(self, row: Row) -> Action:
        """A call that this row answers, with the platform's own ids."""
        given = {name: self._ids(row, name.removesuffix("_id"))[0].native for name in row.placeholders()}
        if "market" in row.action.model_fields:
            given["market"] = self._account.name
        return row.action.model_validate(given)

    def _remember(self, asked: Asked, things: Sequence[Any]) -> None:
        """Notes the ids in what a row brought, those of the things themselves and those that they name."""
        noun = "" if asked.joins else asked.row.action.noun.removesuffix("s")
        for thing in things:
            own = None if asked.row.placeholders() else thing.get("id")
            for kind, handle in ids_in(thing, KNOWN_AS.get(noun, noun)):
                native = handle.partition(":")[2]
                if re.fullmatch(self._account.market.id_pattern, native):
                    known = self._known.setdefault(KNOWN_AS.get(kind, kind), [])
                    known.append(Known(native, handle == own, asked.row.auth))


def _things(row: Row, answer: Any) -> tuple[Sequence[Any], int]:
    """What a row brought, one by one, and how many more cannot be read."""
    if row.listing is not None:
        return answer["items"], answer["unreadable"]
    # What joins another read may be a list that is decoded as a whole.
    return (cast("list[Any]", answer) if isinstance(answer, list) else [answer]), 0


def _owners_only(row: Row) -> bool:
    """Whether only who owns a thing may read this of it: a key that owns none is refused, and that shows nothing."""
    return 403 in row.hints


def _shape(template: str) -> str:
    """A route or topic whatever its ids are called."""
    return re.sub(r"\{\w+\}", "{}", template)
