"""A marketplace of five calls, in a package that is not ours: what bringing one takes."""

import re
from collections.abc import Mapping

from market_mcp.actions import bidding, inbox, work
from market_mcp.markets.base import Market
from market_mcp.markets.domain import Bid, Notification, Task, pay, present
from market_mcp.markets.duties import Duties, Step
from market_mcp.markets.news import News
from market_mcp.markets.reply import Fields
from market_mcp.markets.row import Filter, Limits, Listing, Paging, Request, Row, sends, table


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
    duties=(Duties("bids", bidding.ListBids, bidding.ListBids, {"open": Step("wait for an answer to your bid")}),),
    news=News(unread=inbox.CountUnread, notifications=inbox.ListNotifications),
    options={"bids": {"open": {}, "sealed": {"place_bid": "sealed"}}},
    rows=table(
        Row(
            work.ListTasks,
            "GET /jobs",
            job,
            "Jobs",
            auth=False,
            listing=Listing("jobs", Paging("cursor"), filters={"query": Filter("q")}),
            topic="jobs",
        ),
        Row(
            bidding.PlaceBid,
            "POST /jobs/{task_id}/bids",
            placed,
            "Bids",
            request=Request(body=sends(price="price")),
            clears=("bids",),
            limits=Limits(takes=frozenset({"task_id", "price"})),
        ),
        Row(
            bidding.PlaceBid,
            "POST /jobs/{task_id}/sealed-bids",
            placed,
            "Bids",
            variant="sealed",
            request=Request(body=sends(price="price")),
            clears=("bids",),
            limits=Limits(takes=frozenset({"task_id", "price"})),
        ),
        Row(
            bidding.ListBids,
            "GET /bids",
            bid,
            "Bids",
            listing=Listing("bids", Paging("cursor")),
            topic="bids",
        ),
        Row(
            inbox.CountUnread,
            "GET /news/count",
            unread,
            "News",
            topic="unread",
        ),
        Row(
            inbox.ListNotifications,
            "GET /news",
            news,
            "News",
            listing=Listing("news"),
            topic="news",
        ),
    ),
)
