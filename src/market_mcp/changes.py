"""What changed since the agent last looked: read from the markets, compared with what was seen then."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.actions.board import GetPost
from market_mcp.actions.inbox import CheckInbox, CountUnread, ListNotifications
from market_mcp.actions.work import CommittedTasks, GetTask, RecentTasks
from market_mcp.clock import Clock
from market_mcp.domain import present
from market_mcp.gateway import Gateway, Look, Result
from market_mcp.lists import excerpt
from market_mcp.state import State
from market_mcp.survey import Part, survey, together
from market_mcp.times import seconds

WATCHED = 5
"""Own posts and tasks looked at in one call, the latest first."""

KEPT = 30 * 24 * 3600.0
"""Seconds for which it is remembered that a thing was told, from when it was listed last: what stayed away for so long
does not come back."""

News = dict[str, Any]

Fact = tuple[str, object, News]
"""What is watched (an id), what of it counts as a change, and how to tell it."""

Ask = Callable[[Look, Account], Awaitable[list[Fact]]]


class Changes:
    """Compares facts with those seen before; what was told once is not told again."""

    def __init__(self, gateway: Gateway, state: State, clock: Clock) -> None:
        self._gateway = gateway
        self._state = state
        self._clock = clock

    def watch(self, account: Account, kind: str, handle: object, said: object = None) -> None:
        """Remembers a post or task, so that later changes to it are told, but not what one `said` there oneself.

        That is an id, or the words of a reply where the market tells no id.
        """
        if not isinstance(handle, str):
            return
        with self._state.transaction() as db:
            now = self._clock.now()
            db.execute("INSERT OR REPLACE INTO watched VALUES (?,?,?,?)", (account.id, kind, handle, now))
            if isinstance(said, str):
                db.execute("INSERT OR IGNORE INTO said VALUES (?,?,?)", (account.id, handle, said))
            # Only the latest are ever looked at, so the others need not be kept.
            db.execute(
                "DELETE FROM watched WHERE account=? AND kind=? AND rowid NOT IN "
                "(SELECT rowid FROM watched WHERE account=? AND kind=? ORDER BY rowid DESC LIMIT ?)",
                (account.id, kind, account.id, kind, WATCHED),
            )
            db.execute(
                "DELETE FROM said WHERE account=? AND post NOT IN (SELECT handle FROM watched WHERE account=?)",
                (account.id, account.id),
            )

    async def check(self, action: CheckInbox) -> Result:
        """The news of all markets, and by market what could not be asked."""
        look = Look(self._gateway)

        def part(name: str, needs: type[Action], keyed: bool, ask: Ask) -> Part[News]:
            async def told(account: Account) -> list[News]:
                news = self._new(account, name, await ask(look, account))
                self._outdate(account, news)
                return news

            return Part(name, needs, keyed, told)

        parts = (
            part("notifications", CountUnread, True, _notifications),
            part("new tasks", RecentTasks, False, _recent),
            part("your posts", GetPost, False, self._posts),
            part("your tasks", CommittedTasks, True, self._tasks),
        )
        news, skipped = await survey(self._gateway.accounts, action.market, parts)
        result = look.gathered({"changes": [excerpt(item) for item in news]}, skipped)
        return result if news else result | {"message": "Nothing new since you last looked."}

    def _outdate(self, account: Account, news: list[News]) -> None:
        """What a notification is about has changed, so the call that shows it need not wait for the interval."""
        for item in news:
            native = str(item.get("about_id", "")).partition(":")[2]
            topics = account.market.news.get(str(item.get("about")), ())
            self._gateway.outdate(account, [topic.format(id=native) for topic in topics])

    async def _posts(self, look: Look, account: Account) -> list[Fact]:
        """What others answered: to an own post all of it, to another's what came after one's own first reply."""

        async def fact(handle: str) -> list[Fact]:
            post = await look.read(account, GetPost(post_id=handle.partition(":")[2]))
            replies: list[dict[str, Any]] = post.get("replies", [])
            said = self._said(account, handle)
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
            return [(handle, count, told | {"latest": others[-1]["body"] if others else None})]

        return [known for facts in await together(fact, self._watched(account, "post")) for known in facts]

    async def _tasks(self, look: Look, account: Account) -> list[Fact]:
        """Reviews of what was handed in; that a task is committed or awaits review, its agent did itself."""

        async def fact(handle: str) -> list[Fact]:
            task = await look.read(account, GetTask(task_id=handle.partition(":")[2]))
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
                "SELECT handle FROM watched WHERE account=? AND kind=? ORDER BY rowid DESC LIMIT ?",
                (account.id, kind, WATCHED),
            ).fetchall()
        return [row["handle"] for row in rows]

    def _said(self, account: Account, post: str) -> set[str]:
        with self._state.transaction() as db:
            rows = db.execute("SELECT word FROM said WHERE account=? AND post=?", (account.id, post)).fetchall()
        return {row["word"] for row in rows}

    def _new(self, account: Account, part: str, facts: list[Fact]) -> list[News]:
        """The facts of a part that differ from those seen before; all are seen from now on.

        What has not been listed for long is forgotten, and only now that it is known what still is.
        """
        news: list[News] = []
        now = self._clock.now()
        with self._state.transaction() as db:
            for handle, value, told in facts:
                digest = hashlib.sha256(json.dumps([value, told.get("what")]).encode()).hexdigest()[:16]
                key = (account.id, f"{part} {handle}")
                row = db.execute("SELECT digest FROM seen WHERE account=? AND fact=?", key).fetchone()
                if row is None or row["digest"] != digest:
                    news.append(present(told))
                db.execute("INSERT OR REPLACE INTO seen VALUES (?,?,?,?)", (*key, digest, now))
            db.execute(
                "DELETE FROM seen WHERE account=? AND fact LIKE ? AND wall < ?", (account.id, f"{part} %", now - KEPT)
            )
        return news


async def _notifications(look: Look, account: Account) -> list[Fact]:
    """SKILL.md, Polling strategy: the count first, the list only when it is not zero."""
    unread = await look.read(account, CountUnread(market=account.name))
    if not unread["count"]:
        return []
    found = (await look.read(account, ListNotifications()))["items"]
    return [(n["id"], n["id"], {"what": n.get("type") or "notification", **n}) for n in found]


async def _recent(look: Look, account: Account) -> list[Fact]:
    tasks = (await look.read(account, RecentTasks(market=account.name)))["items"]
    keep = ("id", "title", "pay", "deadline", "difficulty")
    return [(task["id"], "new", {"what": "new task", **{k: task[k] for k in keep if k in task}}) for task in tasks]


def _written(reply: Mapping[str, Any]) -> float | None:
    """When a reply was written, in seconds since 1970, where the market tells."""
    return seconds(reply.get("created_at") or "")
