"""A marketplace of five calls, in a package that is not ours: what bringing one takes."""

import re
from collections.abc import Mapping

from market_mcp.actions import bidding, inbox, work
from market_mcp.markets.base import Filter, Market, Paging, Row, sends, table
from market_mcp.markets.domain import Bid, Notification, Task, pay, present
from market_mcp.markets.reply import Fields


def job(f: Fields) -> Task:
    return present(Task(id=f.required_handle("id"), title=f.required_text("title"), pay=pay(f.text("reward"))))


def bid(f: Fields) -> Bid:
    return present(
        Bid(
            id=f.required_handle("id"),
            task_id=f.handle("job"),
            task_title=f.text("title"),
            price=pay(f.text("price")),
            status=f.text("state"),
        )
    )


def placed(f: Fields) -> Mapping[str, object]:
    return {"bid": bid(f)}


def unread(f: Fields) -> Mapping[str, object]:
    return {"count": f.whole("unread") or 0}


def news(f: Fields) -> Notification:
    return present(Notification(id=f.required_handle("id"), type=f.text("kind"), text=f.text("words")))


FOURTH = Market(
    kind="fourth",
    name="The Fourth",
    document="its own page",
    base_urls={"seed": "https://fourth.example", "current": "https://fourth.example"},
    key_env="FOURTH_KEY",
    key_pattern=re.compile(r"four_[a-z0-9]{4,}"),
    probe=work.ListTasks,
    rows=table(
        Row(
            work.ListTasks,
            "GET /jobs",
            job,
            "Jobs",
            auth=False,
            items="jobs",
            paging=Paging("cursor"),
            filters={"query": Filter("q")},
            topic="jobs",
        ),
        Row(
            bidding.PlaceBid,
            "POST /jobs/{task_id}/bids",
            placed,
            "Bids",
            body=sends(price="price"),
            takes=frozenset({"task_id", "price"}),
            clears=("bids",),
        ),
        Row(bidding.ListBids, "GET /bids", bid, "Bids", items="bids", paging=Paging("cursor"), topic="bids"),
        Row(inbox.CountUnread, "GET /news/count", unread, "News", topic="unread"),
        Row(inbox.ListNotifications, "GET /news", news, "News", items="news", topic="news"),
    ),
)
