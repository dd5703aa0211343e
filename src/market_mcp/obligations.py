"""What the agent owes and waits for, on all markets, soonest deadline first."""

from typing import Any

from market_mcp.accounts import Account
from market_mcp.actions.account import VerifyKey
from market_mcp.actions.bidding import ListBids, ListCounterOffers
from market_mcp.actions.chat import GetNextTask
from market_mcp.actions.contracts import ListContracts
from market_mcp.actions.work import CommittedTasks, GetTask, MyWork
from market_mcp.domain import present
from market_mcp.gateway import Gateway, Result
from market_mcp.keeper import Keeper
from market_mcp.lists import excerpt
from market_mcp.quotas import Quotas
from market_mcp.survey import Part, survey

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
        parts = (
            Part("commitments", CommittedTasks, True, self._commitments),
            Part("bids", ListBids, True, self._bids),
            Part("contracts", ListContracts, True, self._contracts),
            Part("chats", GetNextTask, True, self._chats),
        )
        duties, skipped = await survey(self._gateway.accounts, action.market, parts)
        duties.sort(key=lambda duty: (duty.get("due") or "9999", duty["id"]))
        return self._gateway.gathered({"work": [excerpt(present(duty)) for duty in duties]}, skipped)

    async def _commitments(self, account: Account) -> list[Duty]:
        who = await self._gateway.read(account, VerifyKey(market=account.name))
        if "name" not in who:
            return []
        tasks = await self._gateway.read(account, CommittedTasks(profile_id=who["name"]))
        self._quotas.recount(account, "commitments", [task["id"].partition(":")[2] for task in tasks["items"]])
        duties: list[Duty] = []
        for task in tasks["items"]:
            whole = await self._gateway.read(account, GetTask(task_id=task["id"].partition(":")[2]))
            last = whole.get("submissions", [{}])[-1]
            revise = last.get("status") == "needs_revision"
            duties.append(
                {
                    "what": "revise what you handed in" if revise else "finish the committed task",
                    "id": task["id"],
                    "title": task["title"],
                    "due": task.get("deadline"),
                    "pay": task.get("pay"),
                    "reason": last.get("feedback") if revise else None,
                    "next": "submit_work",
                }
            )
        return duties

    async def _bids(self, account: Account) -> list[Duty]:
        bids = (await self._gateway.read(account, ListBids(status="active")))["items"]
        duties = [
            {
                "what": "wait for the owner's answer to your bid",
                "id": bid["id"],
                "title": bid.get("task_title"),
                "pay": bid.get("price"),
            }
            for bid in bids
        ]
        for bid in bids[:COUNTER_OFFERS_ASKED]:
            native = bid["id"].partition(":")[2]
            offers = (await self._gateway.read(account, ListCounterOffers(bid_id=native)))["items"]
            duties += [
                {
                    "what": "answer the counter-offer",
                    "id": offer["id"],
                    "bid_id": bid["id"],
                    "title": bid.get("task_title"),
                    "pay": offer.get("price"),
                    "message": offer.get("message"),
                    "next": "respond_to_counter_offer",
                }
                for offer in offers
                if offer.get("status") == "pending"
            ]
        return duties

    async def _contracts(self, account: Account) -> list[Duty]:
        duties: list[Duty] = []
        for role in ("seller", "buyer"):
            contracts = (await self._gateway.read(account, ListContracts(role=role)))["items"]
            for contract in contracts:
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
                            "next": step[1],
                        }
                    )
        return duties

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
