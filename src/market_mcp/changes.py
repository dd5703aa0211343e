"""What changed since the agent last looked: read from the markets, compared with what was seen then."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from market_mcp.accounts import Account
from market_mcp.actions.board import GetPost
from market_mcp.actions.inbox import CheckInbox, CountUnread, ListNotifications
from market_mcp.actions.work import CommittedTasks, GetTask, RecentTasks
from market_mcp.clock import Clock
from market_mcp.domain import present
from market_mcp.gateway import Gateway, Result
from market_mcp.lists import excerpt
from market_mcp.state import State
from market_mcp.survey import Part, survey, together

WATCHED = 5
"""Own posts and tasks looked at in one call, the latest first."""

News = dict[str, Any]

Fact = tuple[str, object, News]
"""What is watched (an id), what of it counts as a change, and how to tell it."""


class Changes:
    """Compares facts with those seen before; what was told once is not told again."""

    def __init__(self, gateway: Gateway, state: State, clock: Clock) -> None:
        self._gateway = gateway
        self._state = state
        self._clock = clock

    def watch(self, account: Account, kind: str, handle: object) -> None:
        """Remembers an own post or task, so that later changes to it are told."""
        if isinstance(handle, str):
            with self._state.transaction() as db:
                db.execute(
                    "INSERT OR REPLACE INTO watched VALUES (?,?,?,?)", (account.id, kind, handle, self._clock.now())
                )

    async def check(self, action: CheckInbox) -> Result:
        """The news of all markets, and by market what could not be asked."""
        parts = (
            Part("notifications", CountUnread, True, self._told_once(self._notifications)),
            Part("new tasks", RecentTasks, False, self._told_once(self._recent)),
            Part("your posts", GetPost, False, self._told_once(self._posts)),
            Part("your tasks", CommittedTasks, True, self._told_once(self._tasks)),
        )
        news, skipped = await survey(self._gateway.accounts, action.market, parts)
        result = self._gateway.gathered({"changes": [excerpt(item) for item in news]}, skipped)
        return result if news else result | {"message": "Nothing new since you last looked."}

    def _told_once(self, ask: Callable[[Account], Awaitable[list[Fact]]]) -> Callable[[Account], Awaitable[list[News]]]:
        async def told(account: Account) -> list[News]:
            news = self._new(account, await ask(account))
            self._outdate(account, news)
            return news

        return told

    async def _notifications(self, account: Account) -> list[Fact]:
        """SKILL.md, Polling strategy: the count first, the list only when it is not zero."""
        unread = await self._gateway.read(account, CountUnread(market=account.name))
        if not unread["count"]:
            return []
        found = (await self._gateway.read(account, ListNotifications()))["items"]
        return [(n["id"], n["id"], {"what": n.get("type") or "notification", **n}) for n in found]

    def _outdate(self, account: Account, news: list[News]) -> None:
        """What a notification is about has changed, so the call that shows it need not wait for the interval."""
        for item in news:
            native = str(item.get("about_id", "")).partition(":")[2]
            topics = account.market.news.get(str(item.get("about")), ())
            self._gateway.outdate(account, [topic.format(id=native) for topic in topics])

    async def _recent(self, account: Account) -> list[Fact]:
        tasks = (await self._gateway.read(account, RecentTasks(market=account.name)))["items"]
        keep = ("id", "title", "pay", "deadline", "difficulty")
        return [(task["id"], "new", {"what": "new task", **{k: task[k] for k in keep if k in task}}) for task in tasks]

    async def _posts(self, account: Account) -> list[Fact]:
        async def fact(handle: str) -> Fact:
            post = await self._gateway.read(account, GetPost(post_id=handle.partition(":")[2]))
            replies: list[dict[str, Any]] = post.get("replies", [])
            count = post.get("reply_count", len(replies))
            told = {"what": "replies to a post of yours", "id": handle, "title": post["title"], "replies": count}
            return handle, count, told | {"latest": replies[-1].get("body") if replies else None}

        return await together(fact, self._watched(account, "post"))

    async def _tasks(self, account: Account) -> list[Fact]:
        """Reviews of what was handed in; that a task is committed or awaits review, its agent did itself."""

        async def fact(handle: str) -> list[Fact]:
            task = await self._gateway.read(account, GetTask(task_id=handle.partition(":")[2]))
            submissions: list[dict[str, Any]] = task.get("submissions", [])
            last = submissions[-1] if submissions else {}
            if last.get("status") in (None, "pending"):
                return []
            told = {"what": "review of your work", "id": handle, "title": task["title"], "status": task.get("status")}
            told |= {"review": last["status"], "feedback": last.get("feedback")}
            return [(handle, [last.get("id"), last["status"]], told)]

        return [known for facts in await together(fact, self._watched(account, "task")) for known in facts]

    def _watched(self, account: Account, kind: str) -> list[str]:
        with self._state.transaction() as db:
            rows = db.execute(
                "SELECT handle FROM watched WHERE account=? AND kind=? ORDER BY wall DESC LIMIT ?",
                (account.id, kind, WATCHED),
            ).fetchall()
        return [row["handle"] for row in rows]

    def _new(self, account: Account, facts: list[Fact]) -> list[News]:
        """The facts that differ from those seen before; all are seen from now on."""
        news: list[News] = []
        with self._state.transaction() as db:
            for handle, value, told in facts:
                digest = hashlib.sha256(json.dumps([value, told.get("what")]).encode()).hexdigest()[:16]
                key = (account.id, f"{told['what']} {handle}")
                row = db.execute("SELECT digest FROM seen WHERE account=? AND fact=?", key).fetchone()
                if row is None or row["digest"] != digest:
                    news.append(present(told))
                    db.execute("INSERT OR REPLACE INTO seen VALUES (?,?,?,?)", (*key, digest, self._clock.now()))
        return news
