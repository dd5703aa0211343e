"""Questions of paying users: claimed once, kept until they are answered or their time is over.

Each is kept as the market handed it over, and read anew whenever it is looked at. What cannot be read is owed all the
same: it is told as it came, and stands in nobody's way.
"""

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio

from market_mcp.accounts import Account
from market_mcp.actions.chat import GetNextTask, SubmitResponse
from market_mcp.clock import Clock
from market_mcp.errors import BadCall, CallError, OutcomeUnknown, Refused, StateUnavailable
from market_mcp.gateway.pipeline import Gateway
from market_mcp.markets.domain import Result
from market_mcp.services.presence import Presence
from market_mcp.state.chats import Claim, ClaimTable
from market_mcp.text.sanitize import UNTRUSTED, scrub_text
from market_mcp.text.times import iso
from market_mcp.text.truncate import ROOM, beginning, compact

MARGIN = 10.0
"""Seconds by which we call a deadline earlier than the market does: claiming and answering take time on the way."""

PART = ROOM // 3
"""Characters of a message's parts, where it is too long for one answer; escapes may double what is sent."""

CLAIM_MARGIN = 15.0
"""Seconds that an answer may take beyond the wait that was asked for: a question given up on early is lost."""

SHOWN = 4_000
"""Characters of claimed questions that are told as they came."""

PROGRESS_EVERY = 5.0

Progress = Callable[[float, float, str], Awaitable[None]]
"""Told while a call waits: seconds waited, seconds in all, and what for."""


@dataclass
class _Came:
    """What a poll brought, under which id it is kept, and why it could not be."""

    body: bytes = b""
    kept: list[int] = field(default_factory=list[int])
    trouble: StateUnavailable | None = None


class Chats:
    """Claims questions and delivers answers."""

    def __init__(self, gateway: Gateway, presence: Presence, claims: ClaimTable, clock: Clock) -> None:
        self._gateway = gateway
        self._presence = presence
        self._claims = claims
        self._clock = clock

    async def next_chat(self, action: GetNextTask, progress: Progress) -> Result:
        """The next question to answer: one claimed before and still open, else what comes within the wait."""
        account = self._gateway.accounts.only(GetNextTask, action.market)
        await self._presence.come_online(account)
        waiting, unreadable = self.open_chats(account), self.unreadable(account)

        def told(content: Result) -> Result:
            beside = {"unreadable": unreadable, "untrusted": UNTRUSTED} if unreadable else {}
            return self._gateway.framed(account, {**content, **beside})

        if waiting:
            chat = _latest(waiting[0], action.messages_before)
            return told({"chat": chat, "claimed_before": True, "untrusted": UNTRUSTED})
        if action.messages_before is not None:
            raise BadCall(
                "No claimed question is open any more.", next="Leave `messages_before` out to wait for the next."
            )
        found: Result = {}
        failure: CallError | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._tell, progress, action.wait_seconds)
            try:
                found = await self._claim(account, action)
            except CallError as error:
                failure = error  # raised below, since a task group would wrap it up
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if "chat" not in found:
            message = "No question came. Call again to keep waiting; you stay online for 3 minutes."
            if account.presence == "off":
                message = "No question came; presence is off, so none will until the user changes that."
            return told({"chat": None, "message": message})
        chat = {**_latest(found["chat"], None), **self._deadline(account, 0.0)}
        return told({**found, "chat": chat, "untrusted": UNTRUSTED})

    async def _claim(self, account: Account, action: GetNextTask) -> Result:
        """What the poll brings: a `chat` or nothing. Raises CallError.

        It is kept before it is read: from then on it is owed, even if the caller leaves this instant.
        """
        came = _Came()

        def keep(body: bytes) -> None:
            came.body = body.strip()
            try:
                came.kept = [self._claims.keep(account.id, came.body)] if came.body else []
            except StateUnavailable as error:
                came.trouble = error

        def note() -> None:
            if came.trouble is not None:
                raise came.trouble

        row, within = self._gateway.row(account, action), action.wait_seconds + CLAIM_MARGIN
        try:
            found = await self._gateway.write(account, row, action, within=within, arrived=keep)
        except OutcomeUnknown as error:
            if came.body:
                error.next = (
                    "If what came is a question, answer it with submit_response and its task's id; else call again. "
                    f"{UNTRUSTED} It came as: {_as_it_came(came.body)}"
                )
            raise
        if "chat" in found:
            return self._gateway.noted({**found, "chat": _whole(found["chat"], came.body)}, note)
        with contextlib.suppress(StateUnavailable):
            self._claims.drop(came.kept)
        return {}

    async def respond(self, action: SubmitResponse) -> Result:
        """Delivers an answer. Raises CallError."""
        try:
            result = await self._gateway.perform(action)
        except Refused as refusal:
            # A 404 without a reason may be of a proxy that knows nothing of the question.
            if refusal.status == 409 or (refusal.status in {404, 410} and refusal.explained):
                with contextlib.suppress(StateUnavailable):
                    self._settle(action)
            raise
        return self._gateway.noted(result, partial(self._settle, action))

    def _settle(self, action: SubmitResponse) -> None:
        """Forgets the question that was answered, or whose time is over. Raises StateUnavailable."""
        account, native = self._gateway.accounts.resolve(action)
        named = re.compile(rf"(?<![\w-]){re.escape(native.task_id)}(?![\w-])")

        def is_it(claim: Claim, chat: dict[str, Any] | None) -> bool:
            # One that could not be read was answered by whoever found its id in it.
            text = claim.body.decode(errors="replace")
            return bool(named.search(text)) if chat is None else chat["task_id"] == f"{account.name}:{native.task_id}"

        claims = self._read(account, self._claims.kept(account.id))
        self._claims.drop(claim.id for claim, chat in claims if is_it(claim, chat))

    def open_chats(self, account: Account) -> list[dict[str, Any]]:
        """The claimed questions that can still be answered in time, the oldest first."""
        chats: dict[str, dict[str, Any]] = {}
        for claim, chat in self._read(account, self._in_time(account)):
            if chat is not None:
                # A market may hand a question over twice; its time runs from the first.
                chats.setdefault(chat["task_id"], {**chat, **self._deadline(account, claim.age)})
        return list(chats.values())

    def unreadable(self, account: Account) -> list[dict[str, Any]]:
        """What was claimed as well, can still be answered in time, and cannot be read: as it came, the oldest first."""
        odd = [claim for claim, chat in self._read(account, self._in_time(account)) if chat is None]
        what = "A claimed question that could not be read: answer it with submit_response and its task's id."
        return [
            {
                "what": what,
                "came_as": _as_it_came(claim.body, SHOWN // len(odd)),
                **self._deadline(account, claim.age),
            }
            for claim in odd
        ]

    def _in_time(self, account: Account) -> list[Claim]:
        return [claim for claim in self._claims.kept(account.id) if claim.age < account.online.answer_within - MARGIN]

    def _read(self, account: Account, claims: list[Claim]) -> Iterator[tuple[Claim, dict[str, Any] | None]]:
        """The claims that are one, each with its chat, or None where it cannot be read."""
        row = self._gateway.row(account, GetNextTask())
        for claim in claims:
            try:
                found = self._gateway.decode(account, row, claim.body)
                chat = _whole(found["chat"], claim.body) if "chat" in found else {}
            except Exception:  # noqa: BLE001  (whatever is wrong with one question, it must not keep the next away)
                chat = None
            if chat != {}:
                yield claim, chat

    def _deadline(self, account: Account, age: float) -> dict[str, Any]:
        left = account.online.answer_within - MARGIN - age
        return {"answer_by": iso(self._clock.now() + left), "seconds_left": int(left)}

    async def _tell(self, progress: Progress, seconds: float) -> None:
        waited = 0.0
        while waited < seconds:
            await progress(waited, seconds, "waiting for a paid question")
            await self._clock.sleep(PROGRESS_EVERY)
            waited += PROGRESS_EVERY


def _as_it_came(body: bytes, at_most: int = SHOWN) -> str:
    return scrub_text(body.decode(errors="replace"))[:at_most]


def _whole(chat: dict[str, Any], body: bytes) -> dict[str, Any]:
    """The chat with what it came as, where no words were found in it."""
    spoken = any(message["content"] for message in chat.get("messages", ()))
    return chat if spoken else {**chat, "came_as": _as_it_came(body)}


def _latest(chat: dict[str, Any], before: int | None) -> dict[str, Any]:
    """The chat with its last messages, or the last before that place, as many as there is room for.

    The last one holds the question. How many were left out stands in `earlier_messages`, which is the place to go on.
    """
    # A chat that was claimed without messages holds no such field.
    messages = [part for message in chat.get("messages", ()) for part in _parts(message)][:before]
    earlier = len(messages) - beginning(messages[::-1], ROOM)
    return {**chat, "messages": messages[earlier:], **({"earlier_messages": earlier} if earlier else {})}


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The message, or what it is cut into where one answer cannot hold it."""
    if len(compact(message)) <= ROOM:
        return [message]
    text = message["content"]
    starts = range(0, len(text), PART)
    return [
        {**message, "content": text[start : start + PART], "part": f"{number} of {len(starts)}"}
        for number, start in enumerate(starts, 1)
    ]
