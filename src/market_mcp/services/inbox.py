"""What changed since the agent last looked: read from the markets, compared with what was seen then."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.actions.inbox import CheckInbox, MarkNotificationsRead
from market_mcp.actions.work import ListTasks
from market_mcp.errors import CallError, Refused
from market_mcp.gateway.pipeline import Gateway
from market_mcp.markets import Row, Watched
from market_mcp.markets.domain import Result, newest, plain, present
from market_mcp.markets.filters import contradicts
from market_mcp.services.merging import excerpt
from market_mcp.services.reads import Look
from market_mcp.services.survey import Brought, Part, survey, together
from market_mcp.state.watches import WatchTable
from market_mcp.text.times import seconds
from market_mcp.text.truncate import ROOM, compact

WATCHED = 5
"""Own posts and tasks looked at in one call, the latest first."""

NOTIFICATIONS = "notifications"
UNREAD = "notification"
"""The kind of watched thing that was told and not yet marked as read."""

News = dict[str, Any]

Fact = tuple[str, object, News]
"""What is watched (an id), what of it counts as a change, and how to tell it."""

Ask = Callable[[Look, Account], Awaitable[Brought[Fact]]]


class Known(NamedTuple):
    """A fact, and of which account and part of the answer it is one."""

    account: Account
    part: str
    fact: Fact


class Inbox:
    """Compares facts with those seen before; what was told once, to whoever shares the state, is not told again."""

    def __init__(self, gateway: Gateway, watches: WatchTable) -> None:
        self._gateway = gateway
        self._watches = watches

    def watch_written(self, account: Account, row: Row, action: Action, result: Result) -> None:
        """Watches what a write was about from now on: check_inbox then tells its changes.

        What the agent itself wrote there is no news: it is known by the id of its reply, or by the text of it where the
        market gives no id.
        """
        said = result.get("reply_id") or result.get("post_id") or getattr(action, "body", None)
        for kind, argument in row.effect.watches:
            named = getattr(action, argument, None)
            handle = result.get(argument) or (named and f"{account.name}:{named}")
            if isinstance(handle, str):
                # Only the latest are ever looked at, so the others need not be kept.
                self._watches.watch(account.id, kind, handle, said if isinstance(said, str) else None, WATCHED)

    async def check(self, action: CheckInbox) -> Result:
        """The news of all markets, as many as there is room for, and by market what could not be asked."""
        look = Look(self._gateway)
        whole: list[tuple[Account, str]] = []

        def parts(account: Account) -> list[Part[Known]]:
            def part(name: str, ask: Ask) -> Part[Known]:
                async def known() -> Brought[Known]:
                    facts, missing = await ask(look, account)
                    if not missing:
                        whole.append((account, name))
                    return Brought([Known(account, name, fact) for fact in facts], missing)

                return Part(name, known)

            news = account.market.news
            found: list[Part[Known]] = []
            if news.notifications is not None and account.key is not None:
                found.append(part(NOTIFICATIONS, partial(_notifications, news.unread, news.notifications)))
            if news.recent is not None:
                found.append(part("new tasks", partial(_recent, news.recent)))
            return [*found, *(part(watched.name, partial(self._watched, watched)) for watched in news.watched)]

        known, skipped = await survey(self._gateway.accounts, action.market, parts)
        news, left = self._new(known, whole)
        for account, item in news:
            self._outdate(account, item)
            self._let_go(account, item)
        result = look.gathered({"changes": [item for _, item in news]}, skipped)
        if left:
            result["message"] = f"{left} more changes did not fit; call again for them."
        elif not news:
            result["message"] = _nothing_new(look, skipped)
        return result

    async def mark_read(self, action: MarkNotificationsRead) -> Result:
        """Marks one notification as read, or all that were told, one by one: what came since stays unread.

        Raises CallError when the first of them cannot be marked.
        """
        if action.notification_id is not None:
            result = await self._gateway.perform(action)
            account, native = self._gateway.accounts.resolve(action)
            self._watches.unwatch(account.id, UNREAD, f"{account.name}:{native.notification_id}")
            return result
        account = self._gateway.accounts.only(MarkNotificationsRead, action.market)
        marked = 0
        result: Result = {}
        for handle in self._watches.watched(account.id, UNREAD):
            try:
                await self._gateway.perform(MarkNotificationsRead(notification_id=handle))
                marked += 1
            except CallError as error:
                if not _gone(error):
                    if not marked:
                        raise
                    result["left_out"] = {handle: error.as_text()}
                    break
            self._watches.unwatch(account.id, UNREAD, handle)
        result |= {"message": f"Marked as read: {marked} that check_inbox told.", "updated": marked}
        return self._gateway.framed(account, result)

    def _outdate(self, account: Account, item: News) -> None:
        """What a piece of news is about has changed, so the call that shows it need not wait for the interval."""
        native = str(item.get("about_id", item["id"])).partition(":")[2]
        topics = account.market.news.about.get(str(item.get("about")), ())
        self._gateway.outdate(account, [topic.format(id=native) for topic in topics])

    def _let_go(self, account: Account, item: News) -> None:
        """What a review opened to all again is not the agent's own any more, so what becomes of it is no news."""
        for watched in account.market.news.watched:
            if item.get("review") in watched.reopens and item.get("about") == watched.kind:
                self._watches.unwatch(account.id, watched.kind, item["id"])

    async def _watched(self, watched: Watched, look: Look, account: Account) -> Brought[Fact]:
        """What is new of each watched thing of a kind."""
        argument = next(name for name in watched.read.model_fields if name.endswith("_id"))

        async def facts(handle: str) -> list[Fact]:
            try:
                thing = await look.read(account, watched.read(**{argument: handle.partition(":")[2]}))
            except Refused as refusal:
                if not _gone(refusal):
                    raise
                # It is there no more, so it is watched no longer.
                self._watches.unwatch(account.id, watched.kind, handle)
                return []
            if watched.tells == "replies":
                fact = _replies(handle, thing, self._watches.said(account.id, handle))
            else:
                fact = _review(handle, thing, watched)
            if fact is None:
                return []
            _, value, told = fact
            return [(handle, value, dict(excerpt(told, watched.read.tool_name())))]

        asked = {handle: handle for handle in self._watches.watched(account.id, watched.kind)}
        found, missing = await together(facts, asked)
        return Brought([fact for each in found for fact in each], missing)

    def _new(
        self, known: Sequence[Known], whole: Sequence[tuple[Account, str]]
    ) -> tuple[list[tuple[Account, News]], int]:
        """The facts that differ from those seen before, as many as there is room for, and how many more there are.

        The facts that are told count as seen from now on. `whole` names the parts that were read completely; only there
        does a missing fact mean that it is gone, so only there are old facts forgotten.
        """
        news: list[tuple[Account, News]] = []
        room, left = ROOM, 0
        with self._watches.telling() as telling:
            for account, part, (handle, value, told) in known:
                digest = hashlib.sha256(json.dumps([value, told.get("what")]).encode()).hexdigest()[:16]
                name = f"{part} {handle}"
                if telling.is_new(account.id, name, digest):
                    item = present(told)
                    room -= len(compact(item)) + 1
                    if left or (news and room < 0):
                        left += 1
                        continue
                    news.append((account, item))
                    if part == NOTIFICATIONS:
                        telling.watch(account.id, UNREAD, handle)
                telling.tell(account.id, name, digest)
            for account, part in whole:
                telling.forget_old(account.id, part)
            telling.unwatch_old(UNREAD)
        return news, left


def _replies(handle: str, post: Mapping[str, Any], said: set[str]) -> Fact | None:
    """Replies of others: to the agent's own post all of them, to another's post those after its own first reply."""
    replies: list[dict[str, Any]] = post.get("replies", [])
    own = [bool(said & {reply.get("id"), reply["body"]}) for reply in replies]
    spoken = [_written(reply) for reply, mine in zip(replies, own, strict=True) if mine]
    since = 0.0 if handle in said else min(filter(None, spoken), default=0.0)
    others = [
        reply for reply, mine in zip(replies, own, strict=True) if not mine and (_written(reply) or since) >= since
    ]
    # A market may count more replies than it shows.
    count = post.get("reply_count", len(replies)) - len(replies) + len(others)
    if count <= 0:
        return None
    told = {"what": "replies to a post of yours", "id": handle, "title": post["title"], "replies": count}
    latest = newest(others)
    return handle, count, told | {"latest": latest["body"] if latest else None}


def _review(handle: str, task: Mapping[str, Any], watched: Watched) -> Fact | None:
    """The review of what was handed in last; that a task is taken or awaits review, its agent did itself."""
    submissions: list[dict[str, Any]] = task.get("submissions", [])
    last = newest(submissions) or {}
    said = plain(last.get("status", ""))
    if not said or said in set(map(plain, watched.undecided)):
        return None
    told = {"what": "review of your work", "id": handle, "about": watched.kind, "title": task["title"]}
    told |= {"status": task.get("status")}
    if said in set(map(plain, watched.reopens)):
        told["message"] = "It is open to all again; to try once more, take it anew."
    return handle, [last.get("id"), last["status"]], told | {"review": last["status"], "feedback": last.get("feedback")}


async def _notifications(
    counted: type[Action] | None, listed: type[Action], look: Look, account: Account
) -> Brought[Fact]:
    """The count first, where the contract has one, and the list unless it is zero.

    A count that cannot be told proves nothing.
    """
    count = _of(counted, account) if counted is not None and account.rows(counted) else None
    if count is not None and (await look.read(account, count)).get("count") == 0:
        return Brought([])
    page = await look.read(account, listed())
    found: list[dict[str, Any]] = page["items"]
    missing = ""
    if page["next"] is not None:
        missing = f"Only the newest {len(found)} were read; mark_notifications_read makes room for the others."
    return Brought([(n["id"], n["id"], {"what": n.get("type") or "notification", **n}) for n in found], missing)


async def _recent(listed: type[Action], look: Look, account: Account) -> Brought[Fact]:
    found = (await look.read(account, _of(listed, account)))["items"]
    tasks = [task for task in found if not contradicts(ListTasks(), task)]
    keep = ("id", "title", "pay", "deadline", "difficulty")
    return Brought(
        [(task["id"], "new", {"what": "new task", **{k: task[k] for k in keep if k in task}}) for task in tasks]
    )


def _gone(error: CallError) -> bool:
    """Whether the market says that a thing is there no more; one that gives no reason may not even know the path."""
    return isinstance(error, Refused) and error.status in {404, 410} and error.explained


def _of(call: type[Action], account: Account) -> Action:
    """A call of this account that takes nothing else."""
    return call.model_validate({"market": account.name})


def _nothing_new(look: Look, skipped: Mapping[str, str]) -> str:
    """An answer that is held may have been overtaken: no news in it are no news only as of then."""
    oldest = look.oldest()
    if skipped:
        return "Nothing new where an answer came; `skipped` says where none did."
    if oldest is None or oldest.source == "live":
        return "Nothing new since you last looked."
    return (
        f"Nothing new up to {round(oldest.age)} s ago, when the oldest of these answers was fetched; "
        f"it can be asked for anew in {round(oldest.next_in + 0.49)} s."
    )


def _written(reply: Mapping[str, Any]) -> float | None:
    """When a reply was written, in seconds since 1970, where the market tells."""
    return seconds(reply.get("created_at") or "")
