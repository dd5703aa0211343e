"""What lives between calls: being online for paid chats, and the questions that were claimed and must be answered.

AgentJob shows an agent as online for 2 minutes after a heartbeat and asks for one every 45 s. Online agents are given
paid questions to answer within 5 minutes, or it counts against them; so an agent is online only while it asks for such
questions, for a moment when it posts, or when its user said `presence = "on"`.
"""

import contextlib
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup

from market_mcp.accounts import Account
from market_mcp.actions.chat import GetNextTask, Heartbeat, SubmitResponse
from market_mcp.clock import Clock, elapsed, stamp
from market_mcp.errors import BadCall, CallError, OutcomeUnknown, Refused, StateUnavailable, Unavailable
from market_mcp.gateway.pipeline import UNTRUSTED, Gateway, Result
from market_mcp.markets import Row
from market_mcp.state.store import State, stamp_of
from market_mcp.text.sanitize import scrub_text
from market_mcp.text.times import iso
from market_mcp.text.truncate import ROOM, beginning, compact

BEAT_EVERY = 45.0
"""Seconds between heartbeats (AgentJob API, 心跳接口)."""

ONLINE_FOR = 120.0
"""Seconds an agent counts as online after a heartbeat (AgentJob API, 上线流程)."""

LAPSE_AFTER = 180.0
"""Seconds after the last call of get_next_task at which the heartbeats stop."""

ANSWER_WITHIN = 300.0
"""Seconds from claiming a question to its failure (AgentJob API, 拉取任务)."""

MARGIN = 10.0
"""Seconds by which we call a deadline earlier than the market does: claiming and answering take time on the way."""

KEPT = 24 * 3600.0
"""Seconds for which a claimed question is kept: long past its deadline, however clocks are set."""

SHOWN = 4_000
"""Characters of a question that could not be read, shown as it came."""

PART = ROOM // 3
"""Characters of a message's parts, where it is too long for one answer; escapes may double what is sent."""

PROGRESS_EVERY = 5.0

Progress = Callable[[float, float, str], Awaitable[None]]
"""Told while a call waits: seconds waited, seconds in all, and what for."""


class Keeper:
    """Keeps presence and claimed questions. `run_in` gives it the task group for its heartbeats."""

    def __init__(self, gateway: Gateway, state: State, clock: Clock) -> None:
        self._gateway = gateway
        self._state = state
        self._clock = clock
        self._group: TaskGroup | None = None
        self._asked: dict[str, float] = {}
        self._beating: set[str] = set()

    def run_in(self, group: TaskGroup) -> None:
        """Starts to beat for the accounts that are to be online while the server runs."""
        self._group = group
        for account in self._gateway.accounts.supporting(Heartbeat):
            if account.presence == "on":
                self._keep_beating(account)

    async def beat(self, account: Account) -> None:
        """One heartbeat, if the last one of any process is 45 s old. Raises CallError."""
        last = self.last_beat(account)
        if last is not None and last < BEAT_EVERY:
            return
        beat = Heartbeat(market=account.name)
        try:
            await self._gateway.exchange.call(account, self._gateway.row(account, beat), beat)
        except OutcomeUnknown as error:
            # What is unknown is only whether one is online.
            raise Unavailable(
                f"The heartbeat that goes before failed, so nothing else was sent: {error.message}",
                next="Try again in a minute.",
            ) from None
        with self._state.transaction() as db:
            db.execute(
                "INSERT INTO presence VALUES (?,?,?,?) ON CONFLICT(account) DO UPDATE SET "
                "wall=excluded.wall, boot=excluded.boot, boot_id=excluded.boot_id",
                (account.id, *stamp(self._clock)),
            )

    def last_beat(self, account: Account) -> float | None:
        """Seconds since the last heartbeat, None if there was none."""
        with self._state.transaction() as db:
            row = db.execute("SELECT * FROM presence WHERE account=?", (account.id,)).fetchone()
        return None if row is None else elapsed(stamp_of(row), self._clock)

    def presence(self, account: Account) -> Result:
        """What list_markets says about being online."""
        last = self.last_beat(account)
        online = last is not None and last < ONLINE_FOR
        result: Result = {"mode": account.presence, "online": online}
        if account.name in self._beating:
            until = "while the server runs" if account.presence == "on" else "while you call get_next_task"
            result["kept_online"] = until
        return result

    async def next_chat(self, action: GetNextTask, progress: Progress) -> Result:
        """The next question to answer: one claimed before and still open, else what comes within the wait."""
        account = self._gateway.accounts.only(GetNextTask, action.market)
        self._asked[account.name] = self._clock.boot()
        if account.presence != "off":
            await self.beat(account)
            self._keep_beating(account)
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
                found = await self._claim(account, row, action)
                if "chat" in found:
                    # Before anything else: from now on it is owed, even if the caller leaves this instant.
                    found = self._gateway.noted(found, partial(self._claimed, account, found["chat"]))
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
        chat = {**_latest(found["chat"], None), **self._deadline(0.0)}
        return self._gateway.framed(account, {**found, "chat": chat, "untrusted": UNTRUSTED})

    async def _claim(self, account: Account, row: Row, action: GetNextTask) -> dict[str, Any]:
        """What comes within the wait. Raises CallError; what cannot be read but may be owed stands in it."""
        exchange = self._gateway.exchange
        reply = await exchange.send(
            account, row, exchange.request(account, row, action, within=action.wait_seconds + 15.0)
        )
        try:
            return exchange.decode(account, row, reply)
        except OutcomeUnknown as error:
            said = scrub_text(reply.decode(errors="replace"))[:SHOWN]
            error.next = (
                "If what came is a question, answer it with submit_response and its task's id; else call again. "
                f"{UNTRUSTED} It came as: {said}"
            )
            raise

    async def respond(self, action: SubmitResponse) -> Result:
        """Delivers an answer. Raises CallError."""
        try:
            result = await self._gateway.perform(action)
        except Refused as refusal:
            if refusal.status in {404, 409}:
                with contextlib.suppress(StateUnavailable):
                    self._settle(action)
            raise
        return self._gateway.noted(result, partial(self._settle, action))

    def _settle(self, action: SubmitResponse) -> None:
        account, native = self._gateway.accounts.resolve(action)
        handle = f"{account.name}:{native.task_id}"
        with self._state.transaction() as db:
            db.execute("UPDATE chat SET answered=1 WHERE account=? AND task=?", (account.id, handle))

    def _claimed(self, account: Account, chat: dict[str, Any]) -> None:
        now = stamp(self._clock)
        with self._state.transaction(durable=True) as db:
            db.execute("DELETE FROM chat WHERE wall < ?", (now.wall - KEPT,))
            db.execute(
                "INSERT OR IGNORE INTO chat(account, task, body, wall, boot, boot_id) VALUES (?,?,?,?,?,?)",
                (account.id, chat["task_id"], json.dumps(chat), *now),
            )

    def open_chats(self, account: Account) -> list[dict[str, Any]]:
        """The claimed questions that can still be answered in time, the oldest first."""
        with self._state.transaction() as db:
            rows = db.execute(
                "SELECT * FROM chat WHERE account=? AND answered=0 ORDER BY wall", (account.id,)
            ).fetchall()
        ages = [elapsed(stamp_of(row), self._clock) for row in rows]
        return [
            {**json.loads(row["body"]), **self._deadline(age)}
            for row, age in zip(rows, ages, strict=True)
            if age < ANSWER_WITHIN - MARGIN
        ]

    def _deadline(self, age: float) -> dict[str, Any]:
        left = ANSWER_WITHIN - MARGIN - age
        return {"answer_by": iso(self._clock.now() + left), "seconds_left": int(left)}

    def _keep_beating(self, account: Account) -> None:
        if self._group is None:
            raise BadCall("The server is not running.")
        if account.name not in self._beating:
            self._beating.add(account.name)
            self._group.start_soon(self._beat_on, account)

    async def _beat_on(self, account: Account) -> None:
        try:
            while account.presence == "on" or self._clock.boot() - self._asked[account.name] < LAPSE_AFTER:
                # The next beat may go through; a call that needs one will report its own failure.
                with contextlib.suppress(CallError):
                    await self.beat(account)
                await self._clock.sleep(BEAT_EVERY)
        finally:
            self._beating.discard(account.name)

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
    messages = [part for message in chat["messages"] for part in _parts(message)][:before]
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
