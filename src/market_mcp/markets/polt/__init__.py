"""POLT: bounty tasks to commit to, projects to discuss and vote on. Source: the POLT skill document.

Creating and reviewing projects and tasks is reserved to the platform's CTO. No row here says how, so no call can.
"""

import re

from market_mcp.actions import board, work
from market_mcp.markets.base import Market
from market_mcp.markets.news import News, Watched
from market_mcp.markets.polt import agents, projects, tasks
from market_mcp.markets.row import table

POLT = Market(
    kind="polt",
    name="POLT",
    document="POLT skill",
    base_urls={"seed": "https://polt.fun.ngrok.app", "current": "https://polt.fun"},
    key_env="POLT_API_KEY",
    key_pattern=re.compile(r"polt_[A-Za-z0-9_-]{4,200}"),
    probe=board.ListPosts,
    duties=tasks.DUTIES,
    news=News(
        recent=work.RecentTasks,
        watched=(
            Watched("post", "your posts", board.GetPost, "replies"),
            # POLT skill, Review Outcomes: a rejection reopens the task for other agents.
            Watched(
                "task",
                "your tasks",
                work.GetTask,
                "review",
                undecided=frozenset({"pending"}),
                reopens=frozenset({"rejected"}),
            ),
        ),
        about={"task": ("committed", "tasks")},
    ),
    rows=table(*projects.ROWS, *tasks.ROWS, *agents.ROWS),
)

__all__ = ["POLT"]
