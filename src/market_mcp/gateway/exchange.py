"""One action as one HTTP request, and its reply as a result or as an error that a model can act on."""

import contextlib
import hashlib
from dataclasses import replace
from typing import Any, NamedTuple

from market_mcp.accounts import Account
from market_mcp.actions import Action, ListAction
from market_mcp.actions.chat import Heartbeat, SubmitResponse
from market_mcp.clock import Clock
from market_mcp.errors import BadCall, CallError, MalformedReply, Unavailable
from market_mcp.gateway import waiting
from market_mcp.gateway.mcp_sessions import McpSessions
from market_mcp.gateway.messages import HttpReply, HttpRequest, Kind
from market_mcp.gateway.places import PATIENCE, NoPlace
from market_mcp.gateway.secret_scan import SecretScan
from market_mcp.gateway.transport import CONNECT_TIMEOUT, NoAnswer, NotSent, Transport, Unsendable
from market_mcp.gateway.verdict import Answer, judge, lost
from market_mcp.markets import Row
from market_mcp.markets.filters import upstream_query
from market_mcp.markets.reply import MAX_BODY, Fields, as_utf8, parse_json
from market_mcp.text.sanitize import scrub, scrub_text

READ_TIMEOUT = 10.0
WRITE_TIMEOUT = 30.0
"""Seconds for the whole of an answer, where nothing else is set. A write may take longer: giving up on one early leaves
its outcome unknown."""

TRIES = 3
"""How often a request is sent that cannot have arrived, or a read of a single thing that met a passing trouble."""

TRIES_WITHIN = 20.0
"""Seconds after the first of these tries within which a further one may begin."""

LONGEST_PAUSE = 5.0
"""Seconds between two of them at most."""

PASSING = frozenset({502, 503, 504})
"""Statuses after which the same read may succeed a moment later."""


class Timeouts(NamedTuple):
    """Seconds: to connect, and as many again for TLS; for the whole of the answer to a read, and of that to a write."""

    connect: float = CONNECT_TIMEOUT
    read: float = READ_TIMEOUT
    write: float = WRITE_TIMEOUT

    @property
    def longest(self) -> float:
        """Seconds that a write, or a read with all its tries, takes at most."""
        return PATIENCE + 2 * self.connect + max(self.write, TRIES_WITHIN + LONGEST_PAUSE + self.read)


USUAL = Timeouts()


class _Busy(Exception):
    """A reply with a passing status, carried to the next try."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class Exchange:
    """Sends one request for one row. It knows no gate: who asks too often is not noticed here."""

    def __init__(self, transport: Transport, clock: Clock, secret_scan: SecretScan, timeouts: Timeouts = USUAL) -> None:
        self._transport = transport
        self._mcp_sessions = McpSessions(self._answered, self._judged)
        self._clock = clock
        self._secret_scan = secret_scan
        self._timeouts = timeouts

    def request(
        self,
        account: Account,
        row: Row,
        action: Action,
        *,
        cursor: str | None = None,
        sized: bool = True,
        within: float | None = None,
        seen: object = None,
    ) -> HttpRequest:
        """The request of an action whose ids are the platform's own; `seen` is what its body takes besides.

        `within` are the seconds that its answer may take, by default as many as reads or writes have. Raises BadCall
        where the key is missing or known not to allow it, and for an id that is none.
        """
        _permitted(account, row)
        # What the caller wrote, and not the body: a registration's password is put there by us.
        self._secret_scan.check(action.model_dump())
        path = fill(row.path, action)
        # `tasks` in the place of an agent's name would make reading a profile the claiming of a question.
        if path != row.path and f"{row.method} {path}" in account.market.routes:
            raise BadCall(
                f"{path.rpartition('/')[2]!r} is not an id of {account.market.name}.",
                next="Lists give the ids there are.",
            )
        query = dict(row.request.query(action))
        if isinstance(action, ListAction):
            query |= upstream_query(row, action)
        query |= _page(row, cursor, sized)
        kind = kind_of(row)
        return HttpRequest(
            method=row.method,
            path=path,
            query=tuple((name, str(value)) for name, value in query.items()),
            body=row.request.body(action, seen) if row.request.body else None,
            auth=row.auth,
            headers=self._idempotency(account, row, action),
            kind=kind,
            timeout=within or (self._timeouts.write if kind in {"write", "answer"} else self._timeouts.read),
            max_body=row.listing.max_body if row.listing else MAX_BODY,
        )

    async def send(self, account: Account, row: Row, request: HttpRequest) -> Answer:
        """The market's yes. Raises CallError for everything else.

        What may have arrived is not sent again, but for reads of single things; a feed gets one try.
        """
        send = self._mcp_sessions.call if row.request.mcp else self._answered
        return self._judged(account, row, await send(account, row, request))

    async def _answered(self, account: Account, row: Row, request: HttpRequest) -> HttpReply:
        """An answer of whatever status, in UTF-8 and without the key. Raises CallError."""
        name = account.market.name
        try:
            reply = await self._tried(account, row, request)
        except Unsendable as error:
            raise BadCall(f"{name} cannot be sent this: {error}.") from None
        except NoPlace as error:
            raise Unavailable(
                f"This was not sent to {name}: {error}.",
                next="Wait until those have ended, or use another market.",
                retry_after_seconds=round(request.timeout),
            ) from None
        except NotSent as error:
            raise Unavailable(
                f"{name} cannot be reached: {error}.", next="Try again in a minute, or use another market."
            ) from None
        except NoAnswer as error:
            raise lost(row, f"{name} gave no usable answer: {error}.") from None
        # What is in no known encoding is told as unreadable when it is read.
        with contextlib.suppress(MalformedReply):
            reply = replace(reply, body=as_utf8(reply.body, reply.headers.get("content-type", "")))
        # Only now: a key that is quoted in UTF-16 is a key too.
        return _without_key(account, reply)

    def _judged(self, account: Account, row: Row, reply: HttpReply) -> Answer:
        """What is left of an answer that says yes. Raises CallError for every other."""
        now = self._clock.now()
        try:
            return judge(account, row, reply, now)
        except CallError as error:
            error.leave_alone = waiting.asked_for(reply, _json(reply), now)
            raise

    def decode(self, account: Account, row: Row, body: bytes, cursor: str | None = None) -> Any:
        """What a body says, in our words and scrubbed; a page of a list as `items` and `next`. Raises CallError."""
        try:
            fields = Fields.of(parse_json(body), account.name, ids=account.market.id_pattern)
            return scrub(row.read(fields, cursor))
        except MalformedReply as unreadable:
            text = f"{account.market.name} answered with something unreadable: {scrub_text(str(unreadable))}."
            raise lost(row, text) from None

    async def _tried(self, account: Account, row: Row, request: HttpRequest) -> HttpReply:
        """The reply to a request, after as many tries as it may have. Raises as Transport.send does."""
        if account.sandbox or row.listing is not None:
            return await self._transport.send(account, request)
        try:
            return await self._try(account, row, request)
        except (_Busy, NotSent) as trouble:
            return await self._try_again(account, row, request, trouble)

    async def _try(self, account: Account, row: Row, request: HttpRequest) -> HttpReply:
        """One try. Raises _Busy where the same read may succeed a moment later."""
        reply = await self._transport.send(account, request)
        passing = reply.status in PASSING and row.method == "GET" and not row.effect.claims
        # Who names a time is left alone for that time.
        if passing and waiting.named(reply, _json(reply), self._clock.now()) is None:
            raise _Busy(reply)
        return reply

    async def _try_again(self, account: Account, row: Row, request: HttpRequest, trouble: Exception) -> HttpReply:
        """The tries after the first, which ended in `trouble`."""
        import stamina  # most processes never need it

        try:
            async for attempt in stamina.retry_context(
                on=(_Busy, NotSent), attempts=TRIES, timeout=TRIES_WITHIN, wait_initial=0.5, wait_max=LONGEST_PAUSE
            ):
                with attempt:
                    if attempt.num == 1:
                        raise trouble
                    return await self._try(account, row, request)
        except _Busy as busy:
            return busy.reply
        raise trouble

    def _idempotency(self, account: Account, row: Row, action: Action) -> tuple[tuple[str, str], ...]:
        """The header by which a market that knows it recognises a request that reaches it twice."""
        if not row.writes or account.market.idempotency_from != account.contract:
            return ()
        call = f"{account.id} {action.tool_name()} {action.model_dump_json()} {self._clock.now()}"
        return (("idempotency-key", hashlib.sha256(call.encode()).hexdigest()[:32]),)


def kind_of(row: Row) -> Kind:
    """What a request is for: what is due within minutes stands behind nothing else."""
    if row.effect.claims:
        return "claim"
    if row.action is Heartbeat:
        return "heartbeat"
    if row.action is SubmitResponse:
        return "answer"
    return "write" if row.writes else "read"


def _permitted(account: Account, row: Row) -> None:
    name = account.market.name
    if row.auth and account.key is None:
        raise BadCall(
            f"{name} needs a key for this, and none is configured.",
            next=f"Ask the user to set {account.key_source} and restart the server.",
        )
    if account.lacks(row.scope):
        raise BadCall(f"The token for {name} lacks the scope {row.scope}.", next=account.remedy())


def fill(template: str, action: Action) -> str:
    """A path or topic with the action's fields in the place of their names."""
    return template.format_map({name: getattr(action, name) for name in type(action).model_fields})


def _json(reply: HttpReply) -> object:
    """What a reply says, if it is in JSON."""
    with contextlib.suppress(MalformedReply):
        return parse_json(reply.body)
    return None


def _page(row: Row, cursor: str | None, sized: bool) -> dict[str, object]:
    """Which page is asked for; of which size, unless the market's own is to be taken."""
    query: dict[str, object] = {}
    paging = row.listing.paging if row.listing else None
    if paging is not None:
        if sized:
            query["limit"] = paging.limit
        if paging.param == "page":
            query["page"] = cursor or "1"
        elif cursor is not None:
            query["cursor"] = cursor
    return query


def _without_key(account: Account, reply: HttpReply) -> HttpReply:
    """The reply without the key it was asked with, which some markets quote when they find fault with it."""
    if account.key is None or account.key.encode() not in reply.body:
        return reply
    return replace(reply, body=reply.body.replace(account.key.encode(), b"[your key]"))
