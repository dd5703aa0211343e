"""The polling interval: a question goes to a market at most once in it, whoever asks, from whichever process.

AgentJob asks for 60 s between two looks at its posts; the same courtesy is kept to every market and every read.
Inside the interval the held answer comes back with its age. What may go upstream is decided, and written down,
before it is sent, in one transaction on the shared state file, so that two processes with one key do not ask twice.
"""

import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Literal, NamedTuple, cast

import anyio

from market_mcp.clock import Clock, elapsed, is_ahead, stamp
from market_mcp.errors import CallError, Refused, StateUnavailable, TooSoon, Unavailable
from market_mcp.state.holds import PROBED_AFTER, Hold, HoldTable
from market_mcp.state.store import State, stamp_of

MIN_INTERVAL = 60.0
"""Seconds; a shorter polling interval is refused at start."""

IN_FLIGHT = 45.0
"""Seconds after which a question without an answer counts as lost with the process that asked it.

Longer than a read with all its tries takes.
"""

LOOK = 0.05
"""Seconds between two looks for the answer to a question that another caller is just asking."""

LOOKS = round((IN_FLIGHT + 1) / LOOK)
"""How often one looks: long enough to see one asking through to its end."""

KEPT = 24 * 3600.0
"""Seconds for which an answer is kept, to be given when no newer one can be had."""

GONE_ON_IN = 3600.0
"""Seconds for which a page that was given out in part is gone on in: a newer one would begin elsewhere."""

PRUNE_EVERY = 3600.0
"""Seconds between two clearings of what is kept no longer."""

FURTHER = "/further pages"
"""What is added to the topic of a list that is asked once in an interval, for the pages that its cursor leads to."""

WAITING_HELPS = frozenset({408, 425, 429})
"""Statuses of a refusal that the same request need not meet again a while later."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of whom.

    `account` is the market and key, or the market alone where all may see the answer; `topic` is what the question is
    about, `key` the request itself. Questions of one topic share a feed's budget, but where one is the `only` one that
    the market wants to hear of it in an interval. `by` is the account that asks.
    """

    account: str
    topic: str
    key: str
    by: str = ""
    only: bool = False

    @classmethod
    def of(cls, account: str, topic: str, *request: object, by: str = "", only: bool = False) -> "Question":
        digest = hashlib.sha256(json.dumps(request).encode()).hexdigest()
        return cls(account, topic, digest[:32], by or account, only)


@dataclass(frozen=True, slots=True)
class Held:
    """An answer and how old it is; `next_in` seconds from now the same question may go upstream again.

    `stale` says that it was asked for before a write of our own, `note` why the last try to renew it failed.
    """

    answer: object
    source: Literal["live", "cache"]
    fetched_at: float
    age: float
    next_in: float
    stale: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Ask:
    """A question that went upstream `age` seconds ago; an open one has no outcome yet.

    `hold` is how many seconds the market wanted to be left alone from then on.
    """

    id: int
    question: str
    age: float
    open: bool
    stale: bool
    failure: str | None
    hold: float


class _Turn(NamedTuple):
    """Leave to ask, under this id; `probes` where that finds out whether the market still wants to be left alone."""

    ask: int
    probes: bool


def _left_alone(hold: Hold) -> TooSoon:
    return TooSoon(
        f"The market asked to be left alone, {hold.left:.0f} s more: {hold.said}",
        next="Until then nothing is sent there but heartbeats and answers to claimed questions.",
        retry_after_seconds=hold.left,
    )


class Pacing:
    """The gate. `interval` in seconds, `budget` further questions (pages, filters) a topic may cost within it."""

    def __init__(self, state: State, clock: Clock, interval: float = MIN_INTERVAL, budget: int = 3) -> None:
        self._state = state
        self._clock = clock
        self._interval = interval
        self._budget = budget
        self._holds = HoldTable(state, clock)
        self._asking: dict[Question, anyio.Event] = {}
        self._pruned: float | None = None

    def admit(self, account: str, route: str, *, urgent: bool = False) -> None:
        """Raises TooSoon where the market wants to be left alone: by this call, or altogether unless it is `urgent`."""
        for what in (route,) if urgent else ("", route):
            hold = self._holds.left(account, what)
            if hold is not None:
                raise _left_alone(hold)

    def leave_alone(self, account: str, what: str, seconds: float, said: str) -> None:
        """For so long nothing is sent to the market: no call of the route `what`, and none at all where that is ""."""
        self._holds.put(account, what, seconds, said)

    def held_off(self, account: str) -> Hold | None:
        """For how long the market wants to be left alone, if it does."""
        return self._holds.left(account)

    async def ask(self, question: Question, fetch: Callable[[], Awaitable[object]], *, known: bool = False) -> Held:
        """The answer to a question: the held one inside the interval, else what `fetch` brings.

        Who has `known` a part of the held answer, and goes on in it, gets it for longer. Raises TooSoon when the
        interval allows no request and nothing is held, and whatever `fetch` raises.
        """
        for _ in range(LOOKS):
            turn = self._turn(question, known)
            if isinstance(turn, Held):
                return turn
            if turn is not None:
                return await self._fetch(question, turn, fetch)
            if question in self._asking:
                await self._asking[question].wait()
            else:
                # Another process is asking, and only the state file tells when it is done.
                await self._clock.sleep(LOOK)
        raise Unavailable("Others keep asking this question, and no answer came.", retry_after_seconds=IN_FLIGHT)

    def latest(self, account: str, topic: str, *, public: str = "") -> object:
        """The answer that was last brought to any question of a topic, however old; None where none is kept.

        `public` is how the market's public pages are called, on which it may have been read too.
        """
        with self._state.transaction() as db:
            row = db.execute(
                "SELECT answer FROM held WHERE account IN (?,?) AND topic=? ORDER BY ask DESC LIMIT 1",
                (account, public or account, topic),
            ).fetchone()
        return None if row is None else json.loads(row["answer"])

    def out_of_date(self, account: str, topics: tuple[str, ...], *, public: str = "") -> None:
        """After a write of our own: what was asked about these topics does not show it; a fresh look is due.

        `public` is how the market's public pages are called, which do not show it either.
        """
        with self._state.transaction() as db:
            for topic in (*topics, *(topic + FURTHER for topic in topics)):
                where = (account, public or account, topic)
                db.execute("UPDATE ask SET stale=1 WHERE account IN (?,?) AND topic=?", where)
                db.execute("UPDATE held SET stale=1 WHERE account IN (?,?) AND topic=?", where)

    def next_in(self, account: str, *, public: str = "") -> dict[str, float]:
        """Seconds until each topic's latest question may be asked again, for those that may not be now."""
        with self._state.transaction() as db:
            rows = db.execute("SELECT * FROM ask WHERE account IN (?,?)", (account, public or account)).fetchall()
        waits: dict[str, float] = {}
        for row in rows:
            wait = max(self._interval, row["hold"]) - elapsed(stamp_of(row), self._clock)
            if wait > 0:
                waits[row["topic"]] = max(wait, waits.get(row["topic"], 0.0))
        return waits

    def _turn(self, question: Question, known: bool) -> "Held | _Turn | None":
        """What a caller gets: an answer, or leave to ask, or None while somebody else asks. Raises TooSoon."""
        with self._state.transaction() as db:
            recent = self._recent(db, question)
            last = next((ask for ask in reversed(recent) if ask.question == question.key), None)
            wait = max(self._own_wait(last), self._budget_wait(question, recent))
            hold = self._holds.find(db, question.by)
            goes_on = known and self._is_held(db, question)
            if wait <= 0 and not goes_on and (hold is None or hold.probe):
                self._prune(db)
                if hold is not None:
                    self._holds.probed(db, question.by, hold)
                return _Turn(self._open(db, question), probes=hold is not None)
            if last is not None and last.open and last.age < IN_FLIGHT:
                return None
            row = db.execute(
                "SELECT * FROM held WHERE account=? AND question=?", (question.account, question.key)
            ).fetchone()
        failure = "" if last is None else (last.failure or ("no answer came back." if last.open else ""))
        if hold is not None:
            wait = max(wait, hold.left)
            failure = failure or hold.said
        if row is not None:
            age = elapsed(stamp_of(row), self._clock)
            return Held(
                json.loads(row["answer"]), "cache", row["wall"], age, max(0.0, wait), bool(row["stale"]), failure
            )
        if hold is not None:
            raise _left_alone(hold)
        if last is not None:
            raise TooSoon(
                f"The last try, {last.age:.0f} s ago, failed: {failure}",
                next=f"A feed is asked once in {self._interval:g} s, failed tries included.",
                retry_after_seconds=wait,
            )
        allowed = 1 if question.only else self._budget + 1
        questions = "question" if allowed == 1 else "different questions"
        raise TooSoon(
            f"{allowed} {questions} may be asked of this feed within {self._interval:g} s, and no more.",
            next="Use the answers you have, or ask again later.",
            retry_after_seconds=wait,
        )

    def _is_held(self, db: Connection, question: Question) -> bool:
        """Whether there is an answer that who knows a part of it may go on in."""
        row = db.execute(
            "SELECT wall, boot, boot_id FROM held WHERE account=? AND question=?", (question.account, question.key)
        ).fetchone()
        return row is not None and elapsed(stamp_of(row), self._clock) < GONE_ON_IN

    def _own_wait(self, last: _Ask | None) -> float:
        """Seconds until the interval lets a question go upstream that was last asked then."""
        if last is None:
            return 0.0
        # A market that wants to be left alone for longer is so by the hold on its account.
        hold = min(last.hold, PROBED_AFTER)
        return (hold if last.stale else max(self._interval, hold)) - last.age

    def _budget_wait(self, question: Question, recent: list[_Ask]) -> float:
        """Seconds until so many of a topic's questions lie outside the interval that there is budget for one."""
        budget = self._budget
        if question.only:
            # A write of our own earns it a further look, as it does any other.
            budget, recent = 0, [ask for ask in recent if not ask.stale]
        elif question.topic.endswith(FURTHER):
            # Its first page has had the first of the budget.
            budget = max(0, budget - 1)
        ages = sorted(ask.age for ask in recent)
        return 0.0 if len(ages) <= budget else self._interval - ages[budget]

    def _recent(self, db: Connection, question: Question) -> list[_Ask]:
        """What went upstream of this topic and still counts, in order; what is older is dropped."""
        rows = db.execute(
            "SELECT * FROM ask WHERE account=? AND topic=? ORDER BY id", (question.account, question.topic)
        ).fetchall()
        recent: list[_Ask] = []
        for row in rows:
            since = stamp_of(row)
            if is_ahead(since, self._clock):
                self._stamp(db, row["id"])
            age = elapsed(since, self._clock)
            if age < max(self._interval, row["hold"]):
                flags = bool(row["open"]), bool(row["stale"])
                recent.append(_Ask(row["id"], row["question"], age, *flags, row["failure"], row["hold"]))
            else:
                db.execute("DELETE FROM ask WHERE id=?", (row["id"],))
        return recent

    def _prune(self, db: Connection) -> None:
        """Forgets what nobody came back for. Done now and then, when a request is about to cost more than this does."""
        if self._pruned is not None and self._clock.boot() - self._pruned < PRUNE_EVERY:
            return
        self._pruned = self._clock.boot()
        for table in ("ask", "held"):
            # The wall clock preselects, since it may have been set; what is old is decided as always.
            rows = db.execute(
                f"SELECT rowid AS row, wall, boot, boot_id FROM {table} WHERE wall < ?",  # noqa: S608 - no input in it
                (self._clock.now() - KEPT,),
            ).fetchall()
            old = [(row["row"],) for row in rows if elapsed(stamp_of(row), self._clock) >= KEPT]
            db.executemany(f"DELETE FROM {table} WHERE rowid=?", old)  # noqa: S608 - no input in it

    def _open(self, db: Connection, question: Question) -> int:
        cursor = db.execute(
            "INSERT INTO ask(account, topic, question, wall, boot, boot_id) VALUES (?,?,?,?,?,?)",
            (question.account, question.topic, question.key, *stamp(self._clock)),
        )
        return cast("int", cursor.lastrowid)

    async def _fetch(self, question: Question, turn: "_Turn", fetch: Callable[[], Awaitable[object]]) -> Held:
        failure, hold = "the call was broken off.", 0.0
        answer: str | None = None
        done = self._asking[question] = anyio.Event()
        try:
            value = await fetch()
            answer = json.dumps(value)
        except CallError as error:
            failure, hold = error.message, error.retry_after_seconds or 0.0
            if not isinstance(error, Refused) or error.status in WAITING_HELPS:
                # The slot is used, so that is the earliest, whatever the market said.
                error.retry_after_seconds = max(round(self._interval), error.retry_after_seconds or 0)
            raise
        finally:
            # What came, or a cancellation, counts for more than that it cannot be noted; and others wait for the event.
            with contextlib.suppress(StateUnavailable):
                self._close(question, turn, answer, failure, hold)
            if self._asking.get(question) is done:
                del self._asking[question]
            done.set()
        return Held(value, "live", self._clock.now(), 0.0, self._interval)

    def _close(self, question: Question, turn: "_Turn", answer: str | None, failure: str, hold: float) -> None:
        """Writes down how an asking ended. A later answer than this one stays."""
        ask = turn.ask
        with self._state.transaction() as db:
            if turn.probes and answer is not None:
                self._holds.lift(db, question.by)
            # When exactly the request reached the market is not known. Counting from now never polls too early.
            self._stamp(db, ask)
            db.execute("UPDATE ask SET open=0, failure=?, hold=? WHERE id=?", (None if answer else failure, hold, ask))
            if answer is not None:
                db.execute(
                    "INSERT INTO held(account, topic, question, ask, stale, wall, boot, boot_id, answer) "
                    "SELECT account, topic, question, id, stale, wall, boot, boot_id, ? FROM ask WHERE id=? "
                    "ON CONFLICT(account, question) DO UPDATE SET ask=excluded.ask, stale=excluded.stale, "
                    "wall=excluded.wall, boot=excluded.boot, boot_id=excluded.boot_id, answer=excluded.answer "
                    "WHERE excluded.ask > held.ask",
                    (answer, ask),
                )

    def _stamp(self, db: Connection, ask: int) -> None:
        db.execute("UPDATE ask SET wall=?, boot=?, boot_id=? WHERE id=?", (*stamp(self._clock), ask))
