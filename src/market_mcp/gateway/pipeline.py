"""The one door to the markets: a call is checked, a read asked of the gate, and a write sent once and noted."""

import contextlib
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from market_mcp.accounts import Account, Accounts
from market_mcp.actions import Action
from market_mcp.errors import BadCall, CallError, HeldBack, OutcomeUnknown, Refused, StateUnavailable, TooSoon
from market_mcp.gateway.exchange import Exchange, fill, kind_of
from market_mcp.gateway.messages import HttpRequest, Kind
from market_mcp.gateway.pacing import FURTHER, Held, Pacing, Question
from market_mcp.gateway.quotas import Quotas
from market_mcp.gateway.verdict import Answer, held_back, prove, redacted
from market_mcp.markets import Row
from market_mcp.markets.domain import Result, ids_in
from market_mcp.text.sanitize import UNTRUSTED
from market_mcp.text.times import iso

URGENT: frozenset[Kind] = frozenset({"heartbeat", "answer"})
"""What is sent though the market wants to be left alone, since somebody who paid waits for it."""

DISAGREES = frozenset({200, 400, 404, 409, 410, 422})
"""Statuses of a refusal that may mean that the thing is no more as it is held to be."""


class Gateway:
    """The one way from an action to a market and back."""

    def __init__(self, accounts: Accounts, exchange: Exchange, pacing: Pacing, quotas: Quotas) -> None:
        self.accounts = accounts
        self._exchange = exchange
        self._pacing = pacing
        self._quotas = quotas
        self._unsized: set[tuple[str, str]] = set()
        """Account and route of lists whose market refused the number of items that was asked for."""

    async def perform(self, action: Action) -> Result:
        """What a write brings, whose ids are handles. Raises CallError."""
        account, native = self.accounts.resolve(action)
        return self.framed(account, await self.write(account, self.row(account, native), native))

    def row(self, account: Account, action: Action) -> Row:
        """How the call is made there. Raises BadCall."""
        row = account.row(action)
        if row is None:
            raise BadCall(f"{account.market.name} does not support `{action.tool_name()}`.", next="See list_markets.")
        return row

    def framed(self, account: Account, content: Mapping[str, object]) -> Result:
        """A result with the market it came from. Its ids are remembered."""
        self.remember(content)
        return {"market": account.name, **({"sandbox": True} if account.sandbox else {}), **content}

    async def write(
        self,
        account: Account,
        row: Row,
        action: Action,
        seen: object = None,
        *,
        within: float | None = None,
        arrived: Callable[[bytes], None] = lambda _: None,
    ) -> Mapping[str, Any]:
        """Sends a write, once, and marks what it changed. Raises CallError.

        `seen` is what its body needs besides. `within` are the seconds that its answer may take, by default
        as many as a write has. `arrived` gets a yes as it came, before it is read. Heartbeats and the claiming of chats
        go this way too.
        """
        self._check(account, row, action)
        self._pacing.admit(account.id, row.route, urgent=kind_of(row) in URGENT)
        self._quotas.admit(account, row, action)
        if row.request.before is not None:
            seen = self._shown(account, row.request.before, action)
        request = self._exchange.request(account, row, action, within=within, seen=seen)
        with self._marking_failures(account, row, action):
            answer = await self._send(account, row, request)
            arrived(answer.body)
            result = self._proved(account, row, action, answer)
        if _shows_a_thing(result):
            result = {**result, "untrusted": UNTRUSTED}
        return self.noted(result, lambda: self._settle(account, row, action, result))

    def decode(self, account: Account, row: Row, body: bytes) -> Any:
        """What an answer says that was kept as it came. Raises CallError."""
        return self._exchange.decode(account, row, body)

    async def read(
        self, account: Account, row: Row, action: Action, cursor: str | None = None, *, known: bool = False
    ) -> tuple[Any, Held]:
        """A read through the gate: what it brings, and the held answer it was read from. Raises CallError.

        `known` says that a part of the page was given out already, so that the held one is to be gone on in.
        What is held is the market's own text, so that two calls which ask the same thing share one answer. A list whose
        market refuses the number of items that is asked for is asked for without one from then on.
        """
        self._check(account, row, action)
        place = account.name, row.route
        try:
            return await self._read(account, row, action, cursor, sized=place not in self._unsized, known=known)
        except Refused as refusal:
            if place in self._unsized or not _is_about_size(row, refusal):
                raise
            self._unsized.add(place)
            with contextlib.suppress(TooSoon):
                return await self._read(account, row, action, cursor, sized=False, known=known)
            raise

    async def _read(
        self, account: Account, row: Row, action: Action, cursor: str | None, *, sized: bool, known: bool
    ) -> tuple[Any, Held]:
        request = self._exchange.request(account, row, action, cursor=cursor, sized=sized)
        only = row.listing is not None and row.listing.once
        topic = fill(row.topic, action) + (FURTHER if only and cursor is not None else "")
        asked = request.method, request.path, sorted(request.query)
        # What all may see is asked once for all accounts at that address.
        scope = account.id if row.auth else account.public_id
        question = Question.of(scope, topic, *asked, by=account.id, only=only and cursor is None)
        fresh: list[Any] = []

        async def fetch() -> str:
            body = (await self._send(account, row, request)).body
            # Read before it is held: what cannot be read is a failure, and displaces no answer that could.
            fresh.append(self._exchange.decode(account, row, body, cursor))
            return body.decode()

        try:
            held = await self._pacing.ask(question, fetch, known=known)
        except Refused as refusal:
            if cursor is not None and refusal.status in DISAGREES:
                refusal.next = f"{refusal.next} If that cursor is too old for it, start again without one.".strip()
            raise
        return fresh[0] if fresh else self._exchange.decode(account, row, str(held.answer).encode(), cursor), held

    def _proved(self, account: Account, row: Row, action: Action, answer: Answer) -> Mapping[str, Any]:
        """What a yes to a write brings, if it proves the write to be done. Raises CallError."""
        if answer.pending is None:
            return prove(account, row, action, self._exchange.decode(account, row, answer.body))
        if row.proof.final:
            result = self._exchange.decode(account, row, answer.body)
            if result.get(row.proof.shows):
                return {**result, "still_to_do": redacted(answer.pending, str(result[row.proof.shows]))}
        raise held_back(account, answer.pending)

    async def _send(self, account: Account, row: Row, request: HttpRequest) -> Answer:
        """The market's yes. Raises CallError.

        It shows whether the market takes the key; a refusal that names a scope, what the key lacks.
        """
        try:
            answer = await self._exchange.send(account, row, request)
        except CallError as error:
            if isinstance(error, Refused):
                self._learn(account, row, request, error)
            if error.leave_alone is not None:
                # A limit of one call's own says nothing about the others.
                own = error.kind == "refused" and row.limits.quota is not None
                with contextlib.suppress(StateUnavailable):
                    self._pacing.leave_alone(account.id, row.route if own else "", error.leave_alone, error.message)
            raise
        if request.auth:
            self.accounts.key_seen(account.name, account.key, taken=True)
        return answer

    def _learn(self, account: Account, row: Row, request: HttpRequest, refusal: Refused) -> None:
        """Notes what a refusal says of the key."""
        if refusal.status in {401, 403} and self.accounts.learn(account.name, row.scope, refusal.message):
            refusal.next = self.accounts.named(account.name).remedy()
        elif refusal.status == 401 and request.auth:
            self.accounts.key_seen(account.name, account.key, taken=False)

    @contextlib.contextmanager
    def _marking_failures(self, account: Account, row: Row, action: Action) -> Generator[None]:
        """Marks what is to be looked at anew after a write that failed; that it cannot be noted counts less.

        Nothing else moves: what is counted, voted, watched or claimed is only what is known to be done.
        """
        try:
            yield
        except (OutcomeUnknown, HeldBack, Refused) as error:
            # It may have happened; or the market shows by its no that things are not as they are held to be.
            if not isinstance(error, Refused) or error.status in DISAGREES:
                with contextlib.suppress(StateUnavailable):
                    self.outdate(account, row.outdates(action))
            raise

    def noted(self, result: Mapping[str, Any], note: Callable[[], None]) -> Result:
        """The result of what is done at the market, whether or not it can be noted here as well."""
        try:
            note()
        except StateUnavailable as error:
            return {**result, "not_noted": f"It took effect. {error.message} So it may be missing in later answers."}
        return dict(result)

    def outdate(self, account: Account, topics: Sequence[str]) -> None:
        """Notes that what is held about these topics shows things as they were."""
        self._pacing.out_of_date(account.id, tuple(topics), public=account.public_id)

    def _shown(self, account: Account, row: Row, action: Action) -> object:
        """What a read brought when it was made last, however long ago. Raises BadCall when it never was."""
        answer = self._pacing.latest(account.id, fill(row.topic, action), public=account.public_id)
        if answer is None:
            raise BadCall(
                f"{account.market.name} takes this only on what you have read, and you have not read it.",
                next=f"Call {row.action.tool_name()} first, and decide then.",
            )
        return self._exchange.decode(account, row, str(answer).encode())

    def _settle(self, account: Account, row: Row, action: Action, result: Mapping[str, object]) -> None:
        self.outdate(account, row.outdates(action, result))
        self._quotas.count(account, row, action)

    def _check(self, account: Account, row: Row, action: Action) -> None:
        """This market's demands on the arguments, before anything leaves. Raises BadCall."""
        given = {n for n in type(action).model_fields if n != "market" and getattr(action, n) is not None}
        if row.limits.takes is not None and (unknown := given - row.limits.takes):
            raise BadCall(f"{account.market.name} does not know {', '.join(sorted(unknown))}.")
        for name in (*row.limits.needs, *row.placeholders()):
            if getattr(action, name) is None:
                source = type(action).sources.get(name, "")
                raise BadCall(f"{account.market.name} needs `{name}` for this.", next=source)
        for name, limit in row.limits.max_length.items():
            length = len(str(getattr(action, name) or ""))
            if length > limit:
                raise BadCall(f"`{name}` has {length} characters; {account.market.name} takes at most {limit}.")

    def remember(self, said: object, kind: str = "") -> None:
        """Notes the ids in what a market said of things of this kind; they are then understood without its name."""
        for what, handle in ids_in(said, kind):
            self.accounts.remember(handle, what)


def _is_about_size(row: Row, refusal: Refused) -> bool:
    """Whether a market refuses a list for the number of items that is asked for."""
    paged = row.listing is not None and row.listing.paging is not None
    return paged and refusal.status in {400, 413, 422} and _SIZE.search(refusal.message) is not None


_SIZE = re.compile(r"\blimit\b|page.?size|per.?page", re.IGNORECASE)


def _shows_a_thing(result: Mapping[str, object]) -> bool:
    """Whether a write's result shows a thing of the market, whose texts others may have written, and not only what
    became of the call."""
    return any(isinstance(value, Mapping) for value in result.values())


def feed_of(held: Held) -> Result:
    """Where an answer comes from, how old it is, and when there can be a newer one."""
    feed: Result = {
        "source": held.source,
        "fetched_at": iso(held.fetched_at),
        "age_seconds": round(held.age),
        "next_poll_in_seconds": round(held.next_in + 0.49),
    }
    if held.stale:
        feed["stale"] = "You wrote since; your write may not show yet."
    if held.note:
        feed["note"] = f"A newer try failed: {held.note}"
    return feed
