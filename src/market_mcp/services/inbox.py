"""What changed since the agent last looked: read from the markets, compared with what was seen then."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.actions.board import GetPost
from market_mcp.actions.inbox import CheckInbox, CountUnread, ListNotifications, MarkNotificationsRead
from market_mcp.actions.work import CommittedTasks, GetTask, RecentTasks
from market_mcp.errors import CallError, Refused
from market_mcp.gateway.pipeline import Gateway, Result
from market_mcp.markets.domain import present
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

    def watch(self, account: Account, kind: str, handle: object, said: object = None) -> None:
        """Watches a post or task from now on: check_inbox then tells its changes.

        `said` is what the agent itself wrote there, which is no news: the id of its reply, or the text of it where the
        market gives no id.
        """
        if not isinstance(handle, str):
            return
        # Only the latest are ever looked at, so the others need not be kept.
        self._watches.watch(account.id, kind, handle, said if isinstance(said, str) else None, WATCHED)

    async def check(self, action: CheckInbox) -> Result:
        """The news of all markets, as many as there is room for, and by market what could not be asked."""
        look = Look(self._gateway)
        whole: list[tuple[Account, str]] = []

        def part(name: str, needs: type[Action], keyed: bool, ask: Ask) -> Part[Known]:
            async def known(account: Account) -> Brought[Known]:
                facts, missing = await ask(look, account)
                if not missing:
                    whole.append((account, name))
                return Brought([Known(account, name, fact) for fact in facts], missing)

            return Part(name, needs, keyed, known)

        parts = (
            part(NOTIFICATIONS, CountUnread, True, _notifications),
            part("new tasks", RecentTasks, False, _recent),
            part("your posts", GetPost, False, self._posts),
            part("your tasks", CommittedTasks, True, self._tasks),
        )
        known, skipped = await survey(self._gateway.accounts, action.market, parts)
        news, left = self._new(known, whole)
        for account, item in news:
            self._outdate(account, item)
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
                if not (isinstance(error, Refused) and error.status == 404):
                    if not marked:
                        raise
                    result["left_out"] = {handle: error.as_text()}
                    break
            self._watches.unwatch(account.id, UNREAD, handle)
        result |= {"message": f"Marked as read: {marked} that check_inbox told.", "updated": marked}
        return self._gateway.framed(account, result)

    def _outdate(self, account: Account, item: News) -> None:
        """What a notification is about has changed, so the call that shows it need not wait for the interval."""
        native = str(item.get("about_id", "")).partition(":")[2]
        topics = account.market.news.get(str(item.get("about")), ())
        self._gateway.outdate(account, [topic.format(id=native) for topic in topics])

    async def _posts(self, look: Look, account: Account) -> Brought[Fact]:
        """Replies of others: to the agent's own post all of them, to another's post those after its own first reply."""

        async def fact(handle: str) -> list[Fact]:
            post = await self._look_at(look, account, "post", handle, GetPost(post_id=handle.partition(":")[2]))
            if post is None:
                return []
            replies: list[dict[str, Any]] = post.get("replies", [])
            said = self._watches.said(account.id, handle)
            own = [bool(said & {reply.get("id"), reply["body"]}) for reply in replies]
            spoken = [_written(reply) for reply, mine in zip(replies, own, strict=True) if mine]
            since = 0.0 if handle in said else min(filter(None, spoken), default=0.0)
            others = [
                reply
                for reply, mine in zip(replies, own, strict=True)
                if not mine and (_written(reply) or since) >= since
            ]
            # A market may count more replies than it shows.
            count = post.get("reply_count", len(replies)) - len(replies) + len(others)
            if count <= 0:
                return []
            told = {"what": "replies to a post of yours", "id": handle, "title": post["title"], "replies": count}
            told |= {"latest": others[-1]["body"] if others else None}
            return [(handle, count, dict(excerpt(told, "get_post")))]

        return await self._each_watched(account, "post", fact)

    async def _tasks(self, look: Look, account: Account) -> Brought[Fact]:
        """Reviews of what was handed in; that a task is committed or awaits review, its agent did itself."""

        async def fact(handle: str) -> list[Fact]:
            task = await self._look_at(look, account, "task", handle, GetTask(task_id=handle.partition(":")[2]))
            if task is None:
                return []
            submissions: list[dict[str, Any]] = task.get("submissions", [])
            last = submissions[-1] if submissions else {}
            if last.get("status") in (None, "pending"):
                return []
            told = {"what": "review of your work", "id": handle, "title": task["title"], "status": task.get("status")}
            told |= {"review": last["status"], "feedback": last.get("feedback")}
            return [(handle, [last.get("id"), last["status"]], dict(excerpt(told, "get_task")))]

        return await self._each_watched(account, "task", fact)

    async def _each_watched(
        self, account: Account, kind: str, fact: Callable[[str], Awaitable[list[Fact]]]
    ) -> Brought[Fact]:
        facts, missing = await together(fact, {handle: handle for handle in self._watches.watched(account.id, kind)})
        return Brought([known for each in facts for known in each], missing)

    async def _look_at(self, look: Look, account: Account, kind: str, handle: str, action: Action) -> Any:
        """What is watched; None where it is there no more, and then it is watched no longer. Raises CallError."""
        try:
            return await look.read(account, action)
        except Refused as refusal:
            if refusal.status != 404:
                raise
            self._watches.unwatch(account.id, kind, handle)
            return None

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


async def _notifications(look: Look, account: Account) -> Brought[Fact]:
    """SKILL.md, Polling strategy: the count first, the list only when it is not zero."""
    unread = await look.read(account, CountUnread(market=account.name))
    if not unread["count"]:
        return Brought([])
    page = await look.read(account, ListNotifications())
    found: list[dict[str, Any]] = page["items"]
    missing = ""
    if page["next"] is not None:
        missing = f"Only the newest {len(found)} were read; mark_notifications_read makes room for the others."
    return Brought([(n["id"], n["id"], {"what": n.get("type") or "notification", **n}) for n in found], missing)


async def _recent(look: Look, account: Account) -> Brought[Fact]:
    tasks = (await look.read(account, RecentTasks(market=account.name)))["items"]
    keep = ("id", "title", "pay", "deadline", "difficulty")
    return Brought(
        [(task["id"], "new", {"what": "new task", **{k: task[k] for k in keep if k in task}}) for task in tasks]
    )


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
