"""What the agent owes and waits for, on all markets, soonest deadline first."""

from functools import partial
from typing import Any

from market_mcp.accounts import Account
from market_mcp.actions.account import VerifyKey
from market_mcp.actions.bidding import ListBids, ListCounterOffers
from market_mcp.actions.chat import GetNextTask
from market_mcp.actions.contracts import ListContracts
from market_mcp.actions.work import CommittedTasks, GetTask, MyWork
from market_mcp.domain import present
from market_mcp.gateway import Gateway, Look, Result
from market_mcp.keeper import Keeper
from market_mcp.lists import excerpt
from market_mcp.quotas import Quotas
from market_mcp.survey import Part, survey, together

COUNTER_OFFERS_ASKED = 5
"""Active bids whose counter-offers are looked up in one call; the others wait for the next."""

CONTRACT_STEPS = {
    ("seller", "in_progress"): ("deliver", "submit_work"),
    ("seller", "rejected"): ("deliver again", "submit_work"),
    ("seller", "submitted"): ("wait for the buyer's decision", ""),
    ("buyer", "submitted"): ("decide", "decide_submission"),
    ("buyer", "in_progress"): ("wait for the delivery", ""),
    ("buyer", "rejected"): ("wait for a new delivery", ""),
}

Duty = dict[str, Any]


class Obligations:
    """Gathers duties; each market's part can fail without the others."""

    def __init__(self, gateway: Gateway, keeper: Keeper, quotas: Quotas) -> None:
        self._gateway = gateway
        self._quotas = quotas
        self._keeper = keeper

    async def gather(self, action: MyWork) -> Result:
        """All duties, and by market what could not be asked."""
        look = Look(self._gateway)
        parts = (
            Part("commitments", CommittedTasks, True, partial(self._commitments, look)),
            Part("bids", ListBids, True, partial(_bids, look)),
            Part("counter-offers", ListCounterOffers, True, partial(_counter_offers, look)),
            Part("contracts", ListContracts, True, partial(_contracts, look)),
            Part("chats", GetNextTask, True, self._chats),
        )
        duties, skipped = await survey(self._gateway.accounts, action.market, parts)
        duties.sort(key=lambda duty: (duty.get("due") or "9999", duty["id"]))
        return look.gathered({"work": [excerpt(present(duty)) for duty in duties]}, skipped)

    async def _commitments(self, look: Look, account: Account) -> list[Duty]:
        who = await look.read(account, VerifyKey(market=account.name))
        if "name" not in who:
            return []
        tasks = await look.read(account, CommittedTasks(profile_id=who["name"]))
        self._quotas.recount(account, "commitments", [task["id"].partition(":")[2] for task in tasks["items"]])

        async def duty(task: dict[str, Any]) -> Duty:
            whole = await look.read(account, GetTask(task_id=task["id"].partition(":")[2]))
            last = whole.get("submissions", [{}])[-1]
            revise = last.get("status") == "needs_revision"
            return {
                "what": "revise what you handed in" if revise else "finish the committed task",
                "id": task["id"],
                "title": task["title"],
                "due": task.get("deadline"),
                "pay": task.get("pay"),
                "reason": last.get("feedback") if revise else None,
                "next": "submit_work",
            }

        return await together(duty, tasks["items"])

    async def _chats(self, account: Account) -> list[Duty]:
        return [
            {
                "what": "answer the paid chat",
                "id": chat["task_id"],
                "due": chat["answer_by"],
                "seconds_left": chat["seconds_left"],
                "pay": chat.get("pay"),
                "next": "submit_response",
            }
            for chat in self._keeper.open_chats(account)
        ]


async def _bids(look: Look, account: Account) -> list[Duty]:
    return [
        {
            "what": "wait for the owner's answer to your bid",
            "id": bid["id"],
            "title": bid.get("task_title"),
            "pay": bid.get("price"),
        }
        for bid in await _active_bids(look, account)
    ]


async def _counter_offers(look: Look, account: Account) -> list[Duty]:
    bids = (await _active_bids(look, account))[:COUNTER_OFFERS_ASKED]

    async def offers(bid: dict[str, Any]) -> list[Duty]:
        native = bid["id"].partition(":")[2]
        found = (await look.read(account, ListCounterOffers(bid_id=native)))["items"]
        return [
            {
                "what": "answer the counter-offer",
                "id": offer["id"],
                "bid_id": bid["id"],
                "title": bid.get("task_title"),
                "pay": offer.get("price"),
                "message": offer.get("message"),
                "next": "respond_to_counter_offer",
            }
            for offer in found
            if offer.get("status") == "pending"
        ]

    return [duty for duties in await together(offers, bids) for duty in duties]


async def _active_bids(look: Look, account: Account) -> list[dict[str, Any]]:
    return (await look.read(account, ListBids(status="active")))["items"]


async def _contracts(look: Look, account: Account) -> list[Duty]:
    """One question for both roles; who one is oneself tells which it is."""
    who = await look.read(account, VerifyKey(market=account.name))
    contracts = (await look.read(account, ListContracts()))["items"]
    duties: list[Duty] = []
    for contract in contracts:
        role = "seller" if contract.get("seller") == who.get("name") else "buyer"
        step = CONTRACT_STEPS.get((role, str(contract.get("status"))))
        if step is not None:
            duties.append(
                {
                    "what": step[0],
                    "id": contract["id"],
                    "title": contract.get("title"),
                    "due": contract.get("deadline"),
                    "pay": contract.get("price"),
                    "reason": contract.get("reason"),
                    "next": step[1] or None,
                }
            )
    return duties
