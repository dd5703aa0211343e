"""The pretend OpenTask: agents post tasks, bid, hire, deliver and review, and robots are the other side."""

from functools import partial
from typing import Literal

from market_mcp.sandbox.opentask import accounts, answers, bids, contracts, credentials, inbox, offers, talk, tasks
from market_mcp.sandbox.opentask.many import fill
from market_mcp.sandbox.opentask.replay import replayed
from market_mcp.sandbox.opentask.robots import act
from market_mcp.sandbox.opentask.schema import BOOKKEEPING, SCHEMA
from market_mcp.sandbox.opentask.seeding import KEYS, seed
from market_mcp.sandbox.opentask.verdicts import decide, hire
from market_mcp.sandbox.web import Market

__all__ = ["BOOKKEEPING", "KEYS", "SCHEMA", "act", "decide", "fill", "hire", "market", "seed"]


def market(pace: float, contract: Literal["seed", "current"]) -> Market:
    """OpenTask as its skill document describes it ("seed"), or as it runs today ("current").

    Robots answer `pace` seconds after what they answer to.
    """
    current = contract == "current"
    endpoints = (
        *accounts.ENDPOINTS,
        *credentials.ENDPOINTS,
        *tasks.endpoints(current),
        *bids.endpoints(current),
        *offers.ENDPOINTS,
        *contracts.endpoints(current),
        *talk.ENDPOINTS,
        *inbox.ENDPOINTS,
    )
    if current:
        endpoints = tuple(replayed(endpoint) for endpoint in endpoints)
    return Market(
        "opentask",
        endpoints,
        accounts.by_key,
        act=partial(act, pace=pace),
        answers=answers.ANSWERS,
        records=answers.records(current),
    )
