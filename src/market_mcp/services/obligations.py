"""What the agent owes and waits for, on all markets, soonest deadline first."""

import contextlib
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from market_mcp.accounts import Account
from market_mcp.actions.account import VerifyKey
from market_mcp.actions.bidding import ListBids, ListCounterOffers
from market_mcp.actions.chat import GetNextTask
from market_mcp.actions.contracts import ListContracts
from market_mcp.actions.work import CommittedTasks, GetTask, MyWork
from market_mcp.errors import CallError
from market_mcp.gateway.pipeline import Gateway, Result
from market_mcp.gateway.quotas import Quotas
from market_mcp.markets.domain import present
from market_mcp.services.chats import Chats
from market_mcp.services.merging import excerpt
from market_mcp.services.reads import Look
from market_mcp.services.survey import Brought, Part, survey, together
from market_mcp.text.times import seconds

COUNTER_OFFERS_ASKED = 5
"""Active bids whose counter-offers are looked up in one call; of the others the result says that they were not."""

CONTRACT_STEPS = {
    ("seller", "in_progress"): ("deliver", "submit_work"),
    ("seller", "rejected"): ("deliver again", "submit_work"),
    ("seller", "submitted"): ("wait for the buyer's decision", ""),
    ("buyer", "submitted"): ("decide", "decide_submission"),
    ("buyer", "in_progress"): ("wait for the delivery", ""),
    ("buyer", "rejected"): ("wait for a new delivery", ""),
}

Duty = Mapping[str, Any]


class Obligations:
    """Gathers duties; each market's part can fail without the others."""

    def __init__(self, gateway: Gateway, chats: Chats, quotas: Quotas) -> None:
        self._gateway = gateway
        self._quotas = quotas
        self._open = chats

    async def gather(self, action: MyWork) -> Result:
        """All duties, and by market what could not be asked."""
        look = Look(self._gateway)
        parts = (
            Part("commitments", CommittedTasks, True, partial(self._commitments, look)),
            Part("bids", ListBids, True, partial(_bids, look)),
            Part("counter-offers", ListCounterOffers, True, partial(_counter_offers, look)),
            Part("contracts", ListContracts, True, partial(self._contracts, look)),
            Part("chats", GetNextTask, True, self._chats),
        )
        duties, skipped = await survey(self._gateway.accounts, action.market, parts)
        duties.sort(key=lambda duty: (_instant(duty), duty["id"]))
        return look.gathered({"work": duties}, skipped)

    async def _commitments(self, look: Look, account: Account) -> Brought[Duty]:
        who = await look.read(account, VerifyKey(market=account.name))
        if "name" not in who:
            return Brought([], f"{account.market.name} does not tell whose key this is, so not what it committed to.")
        page = await look.read(account, CommittedTasks(profile_id=who["name"]))
        tasks: list[dict[str, Any]] = page["items"]
        if not page["unreadable"]:
            self._quotas.recount(account, "commitments", [task["id"].partition(":")[2] for task in tasks])

        async def details(handle: str) -> tuple[str, dict[str, Any]]:
            return handle, await look.read(account, GetTask(task_id=handle.partition(":")[2]))

        read = await together(details, {task["id"]: task["id"] for task in tasks})
        known = dict(read.items)
        duties: list[Duty] = []
        for task in tasks:
            last = known.get(task["id"], {}).get("submissions", [{}])[-1]
            revise = last.get("status") == "needs_revision"
            duty = {
                "what": "revise what you handed in" if revise else "finish the committed task",
                "id": task["id"],
                "title": task["title"],
                "due": task.get("deadline"),
                "pay": task.get("pay"),
                "reason": last.get("feedback") if revise else None,
                "next": "submit_work",
            }
            duties.append(excerpt(present(duty), "get_task"))
        return Brought(duties, read.missing and f"Whether these came back for revision is not known. {read.missing}")

    async def _contracts(self, look: Look, account: Account) -> Brought[Duty]:
        """One question for both roles; who one is oneself tells which it is, or else the market does."""
        me: set[object] = set()
        with contextlib.suppress(CallError):
            who = await look.read(account, VerifyKey(market=account.name))
            me = {who.get("name"), who["id"].partition(":")[2]} - {None}
        page = await self._up_to_date(look, account)
        roles = {contract["id"]: _role(contract, me) for contract in page["items"]}
        if None in roles.values():
            selling = await look.read(account, ListContracts(role="seller"))
            sold = {contract["id"] for contract in selling["items"]}
            roles = {handle: role or ("seller" if handle in sold else "buyer") for handle, role in roles.items()}
        duties: list[Duty] = []
        for contract in page["items"]:
            step = CONTRACT_STEPS.get((str(roles[contract["id"]]), str(contract.get("status"))))
            if step is not None:
                duty = {
                    "what": step[0],
                    "id": contract["id"],
                    "title": contract.get("title"),
                    "due": contract.get("deadline"),
                    "pay": contract.get("price"),
                    "reason": contract.get("reason"),
                    "next": step[1] or None,
                }
                duties.append(excerpt(present(duty), "get_contract"))
        return Brought(duties, "Only the newest were looked at; list_contracts has all." if page["next"] else "")

    async def _up_to_date(self, look: Look, account: Account) -> Result:
        """The contracts. They are asked for again when a bid was accepted after they were read last."""
        contracts, held = await look.dated(account, ListContracts())
        with contextlib.suppress(CallError):
            bids, seen = await look.dated(account, ListBids())
            made = {contract.get("bid_id") for contract in contracts["items"]}
            hired = any(bid.get("status") == "accepted" and bid["id"] not in made for bid in bids["items"])
            if hired and seen.age < held.age:
                self._gateway.outdate(account, ["contracts"])
                return await look.read(account, ListContracts())
        return contracts

    async def _chats(self, account: Account) -> Brought[Duty]:
        duties: list[Duty] = [
            {
                "what": "answer the paid chat",
                "id": chat["task_id"],
                "due": chat["answer_by"],
                "seconds_left": chat["seconds_left"],
                "pay": chat.get("pay"),
                "next": "submit_response",
            }
            for chat in self._open.open_chats(account)
        ]
        return Brought([present(duty) for duty in duties])


async def _bids(look: Look, account: Account) -> Brought[Duty]:
    duties: list[Duty] = [
        {
            "what": "wait for the owner's answer to your bid",
            "id": bid["id"],
            "title": bid.get("task_title"),
            "pay": bid.get("price"),
        }
        for bid in await _active_bids(look, account)
    ]
    return Brought([excerpt(present(duty), "get_bid") for duty in duties])


async def _counter_offers(look: Look, account: Account) -> Brought[Duty]:
    bids = {bid["id"]: bid for bid in await _active_bids(look, account)}
    asked = list(bids)[:COUNTER_OFFERS_ASKED]

    async def offers(bid: dict[str, Any]) -> list[Duty]:
        native = bid["id"].partition(":")[2]
        found = (await look.read(account, ListCounterOffers(bid_id=native)))["items"]
        duties: list[Duty] = [
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
        return [excerpt(present(duty), "list_counter_offers") for duty in duties]

    found, missing = await together(offers, {handle: bids[handle] for handle in asked})
    if len(bids) > len(asked):
        others = ", ".join(list(bids)[len(asked) :])
        missing = f"{missing} Not asked, see list_counter_offers: {others}.".strip()
    return Brought([duty for duties in found for duty in duties], missing)


async def _active_bids(look: Look, account: Account) -> list[dict[str, Any]]:
    """The bids of all kinds are asked for, since one that is active no more may have become a contract."""
    bids = await look.read(account, ListBids())
    if bids["next"] is not None:
        bids = await look.read(account, ListBids(status="active"))
    return [bid for bid in bids["items"] if bid.get("status", "active") == "active"]


def _role(contract: dict[str, Any], me: set[object]) -> str | None:
    """Which side of a contract is oneself, None where the names leave it open."""
    roles = [role for role in ("seller", "buyer") if contract.get(role) in me]
    return roles[0] if len(roles) == 1 else None


def _instant(duty: Duty) -> float:
    """When a duty is due, in seconds since 1970; those without a time come last."""
    due = seconds(duty.get("due") or "")
    return math.inf if due is None else due
