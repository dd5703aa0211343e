"""Questions of paying users: claimed once, kept until they are answered or their time is over."""

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio

from market_mcp.accounts import Account
from market_mcp.actions.chat import GetNextTask, SubmitResponse
from market_mcp.clock import Clock
from market_mcp.errors import BadCall, CallError, Refused, StateUnavailable
from market_mcp.gateway.pipeline import Gateway
from market_mcp.markets.domain import Result
from market_mcp.services.presence import Presence
from market_mcp.state.chats import ChatTable
from market_mcp.text.sanitize import UNTRUSTED
from market_mcp.text.times import iso
from market_mcp.text.truncate import ROOM, beginning, compact

MARGIN = 10.0
"""Seconds by which we call a deadline earlier than the market does: claiming and answering take time on the way."""

PART = ROOM // 3
"""Characters of a message's parts, where it is too long for one answer; escapes may double what is sent."""

CLAIM_MARGIN = 15.0
"""Seconds that an answer may take beyond the wait that was asked for: a question given up on early is lost."""

PROGRESS_EVERY = 5.0

Progress = Callable[[float, float, str], Awaitable[None]]
"""Told while a call waits: seconds waited, seconds in all, and what for."""


class Chats:
    """Claims questions and delivers answers."""

    def __init__(self, gateway: Gateway, presence: Presence, claims: ChatTable, clock: Clock) -> None:
        self._gateway = gateway
        self._presence = presence
        self._claims = claims
        self._clock = clock

    async def next_chat(self, action: GetNextTask, progress: Progress) -> Result:
        """The next question to answer: one claimed before and still open, else what comes within the wait."""
        account = self._gateway.accounts.only(GetNextTask, action.market)
        await self._presence.come_online(account)
        waiting = self.open_chats(account)
        if waiting:
            chat = _latest(waiting[0], action.messages_before)
            return self._gateway.framed(account, {"chat": chat, "claimed_before": True, "untrusted": UNTRUSTED})
        if action.messages_before is not None:
            raise BadCall(
                "No claimed question is open any more.", next="Leave `messages_before` out to wait for the next."
            )
        row = self._gateway.row(account, action)
        found: dict[str, Any] = {}
        failure: CallError | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._tell, progress, action.wait_seconds)
            try:
                found = dict(await self._gateway.write(account, row, action, within=action.wait_seconds + CLAIM_MARGIN))
                if "chat" in found:
                    # Before anything else: from now on it is owed, even if the caller leaves this instant.
                    found = self._gateway.noted(found, partial(self._claims.claim, account.id, found["chat"]))
            except CallError as error:
                failure = error  # raised below, since a task group would wrap it up
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if "chat" not in found:
            message = "No question came. Call again to keep waiting; you stay online for 3 minutes."
            if account.presence == "off":
                message = "No question came; presence is off, so none will until the user changes that."
            return self._gateway.framed(account, {"chat": None, "message": message})
        chat = {**_latest(found["chat"], None), **self._deadline(account, 0.0)}
        return self._gateway.framed(account, {**found, "chat": chat, "untrusted": UNTRUSTED})

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
        account, native = self._gateway.accounts.resolve(action)
        self._claims.settle(account.id, f"{account.name}:{native.task_id}")

    def open_chats(self, account: Account) -> list[dict[str, Any]]:
        """The claimed questions that can still be answered in time, the oldest first."""
        return [
            {**chat, **self._deadline(account, age)}
            for chat, age in self._claims.unanswered(account.id)
            if age < account.online.answer_within - MARGIN
        ]

    def _deadline(self, account: Account, age: float) -> dict[str, Any]:
        left = account.online.answer_within - MARGIN - age
        return {"answer_by": iso(self._clock.now() + left), "seconds_left": int(left)}

    async def _tell(self, progress: Progress, seconds: float) -> None:
        waited = 0.0
        while waited < seconds:
            await progress(waited, seconds, "waiting for a paid question")
            await self._clock.sleep(PROGRESS_EVERY)
            waited += PROGRESS_EVERY


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
