"""What the agent owes and waits for, on all markets, soonest deadline first: as each market declares its duties."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.actions.account import VerifyKey
from market_mcp.actions.chat import GetNextTask
from market_mcp.actions.work import MyWork
from market_mcp.errors import CallError
from market_mcp.gateway.pipeline import Gateway
from market_mcp.gateway.quotas import Quotas
from market_mcp.markets import Duties, Each, Follows, Judged
from market_mcp.markets.domain import Result, plain, present
from market_mcp.services.chats import Chats
from market_mcp.services.merging import excerpt
from market_mcp.services.reads import Look
from market_mcp.services.survey import Brought, Part, survey, together
from market_mcp.text.times import seconds

EACH_ASKED = 5
"""Things of a list whose own lists are looked up in one call; of the others the result says that they were not."""

Item = dict[str, Any]


class Obligations:
    """Gathers duties; each market's part can fail without the others."""

    def __init__(self, gateway: Gateway, chats: Chats, quotas: Quotas) -> None:
        self._gateway = gateway
        self._quotas = quotas
        self._open = chats

    async def gather(self, action: MyWork) -> Result:
        """All duties, and by market what could not be asked."""
        look = Look(self._gateway)

        def parts(account: Account) -> list[Part[Item]]:
            if account.key is None:
                return []
            market = account.market
            owed = [Part(duties.name, partial(self._owed, look, account, duties)) for duties in market.duties]
            chats = [Part("chats", partial(self._chats, account))] if market.supports(GetNextTask) else []
            return [*owed, *chats]

        duties, skipped = await survey(self._gateway.accounts, action.market, parts)
        duties.sort(key=lambda duty: (_instant(duty), duty["id"]))
        return look.gathered({"work": duties}, skipped)

    async def _owed(self, look: Look, account: Account, duties: Duties) -> Brought[Item]:
        given: dict[str, object] = {}
        if duties.own_name:
            who = await look.read(account, VerifyKey(market=account.name))
            if "name" not in who:
                missing = f"{account.market.name} does not tell whose key this is, so not what is owed with it."
                return Brought([], missing)
            given[duties.own_name] = who["name"]
        page = await self._listed(look, account, duties, given)
        items: list[Item] = page["items"]
        if duties.each is not None:
            open_ones = [item for item in items if duties.is_looked_at(item)]
            found, missing = await self._within(look, account, duties, duties.each, open_ones)
            return Brought(found, " ".join(part for part in (_cut_short(duties, page), missing) if part))
        sides = [(item, "seller") for item in items]
        if duties.as_buyer:
            sides = await self._sides(look, account, duties, items)
        judged = {item["id"]: duties.judge(item) for item in items}
        unread = ""
        if duties.read is not None:
            seen, unread = await self._read_each(look, account, duties, duties.read, items)
            judged |= seen
        owed = [_duty(duties, item, judged[item["id"]], buyer=side == "buyer") for item, side in sides]
        if duties.standing and not page["unreadable"]:
            held = [_native(item) for item, duty in zip(items, owed, strict=True) if duty is not None]
            self._quotas.recount(account, duties.standing, held)
        missing = " ".join(part for part in (_cut_short(duties, page), unread) if part)
        return Brought([duty for duty in owed if duty is not None], missing)

    async def _listed(self, look: Look, account: Account, duties: Duties, given: Mapping[str, object]) -> Result:
        """The list, which is asked for narrowed where it goes on, and once more where it turns out to be too old."""
        page, held = await look.dated(account, duties.listed(**given))
        if page["next"] is not None and duties.narrowed:
            return await look.read(account, duties.listed(**given, **duties.narrowed))
        if duties.follows is not None and await self._is_overtaken(look, account, duties.follows, page, held.age):
            row = self._gateway.row(account, duties.listed(**given))
            self._gateway.outdate(account, [row.topic])
            return await look.read(account, duties.listed(**given))
        return page

    async def _is_overtaken(self, look: Look, account: Account, follows: Follows, page: Result, age: float) -> bool:
        """Whether the list that a page of some age follows from was read later, and shows more."""
        with contextlib.suppress(CallError):
            before, seen = await look.dated(account, follows.listed())
            named = {item.get(follows.named) for item in page["items"]}
            status = plain(follows.status)
            more = any(plain(item.get("status")) == status and item["id"] not in named for item in before["items"])
            return more and seen.age < age
        return False

    async def _read_each(
        self, look: Look, account: Account, duties: Duties, call: type[Action], items: Sequence[Item]
    ) -> tuple[dict[str, Judged], str]:
        """How each thing stands when it is read by itself, and in words of which this is not known."""

        async def judged(item: Item) -> tuple[str, Judged]:
            return item["id"], duties.judge(await look.read(account, call(**{_argument(call): _native(item)})))

        found = await together(judged, {item["id"]: item for item in items})
        return dict(found.items), f"{duties.unread} {found.missing}" if found.missing else ""

    async def _within(
        self, look: Look, account: Account, duties: Duties, each: Each, items: Sequence[Item]
    ) -> Brought[Item]:
        """The duties that stand in a further list of each thing."""
        asked, others = items[:EACH_ASKED], items[EACH_ASKED:]

        async def owed(item: Item) -> list[Item]:
            found = (await look.read(account, each.listed(**{each.argument: _native(item)})))["items"]
            about = {each.argument: item["id"], "title": item.get("task_title") or item.get("title")}
            duty = [_duty(duties, one, duties.judge(one), about) for one in found]
            return [one for one in duty if one is not None]

        found, missing = await together(owed, {item["id"]: item for item in asked})
        if others:
            left = ", ".join(item["id"] for item in others)
            missing = f"{missing} Not asked, see {each.listed.tool_name()}: {left}.".strip()
        return Brought([duty for owed in found for duty in owed], missing)

    async def _sides(
        self, look: Look, account: Account, duties: Duties, items: Sequence[Item]
    ) -> list[tuple[Item, str]]:
        """Which side of each thing is oneself; where the names leave that open, what one sells is listed."""
        me: set[object] = set()
        with contextlib.suppress(CallError):
            who = await look.read(account, VerifyKey(market=account.name))
            me |= {name for name in (who.get("name"), _native(who)) if name is not None}
        sides = [(item, _side(item, me)) for item in items]
        if any(side is None for _, side in sides):
            selling = await look.read(account, duties.listed(**duties.as_seller))
            sold = {item["id"] for item in selling["items"]}
            return [(item, side or ("seller" if item["id"] in sold else "buyer")) for item, side in sides]
        return [(item, str(side)) for item, side in sides]

    async def _chats(self, account: Account) -> Brought[Item]:
        duties: list[Item] = [
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
        odd = len(self._open.unreadable(account))
        missing = f"{odd} claimed and could not be read; get_next_task tells what came." if odd else ""
        return Brought([present(duty) for duty in duties], missing)


def _duty(
    duties: Duties, item: Item, judged: Judged, about: Mapping[str, object] | None = None, *, buyer: bool = False
) -> Item | None:
    """What is to be done about a thing, None where that is nothing; `about` is what the list around it says."""
    step = duties.step(judged.status, buyer=buyer)
    if step is None:
        return None
    duty: Item = {
        "what": step.what,
        "id": item["id"],
        "title": item.get("title") or item.get("task_title"),
        **(about or {}),
        "due": item.get("deadline"),
        "pay": item.get("pay") or item.get("price"),
        "message": item.get("message"),
        "reason": judged.reason,
        "next": step.next.tool_name() if step.next else None,
    }
    return dict(excerpt(present(duty), duties.shown_by.tool_name()))


def _cut_short(duties: Duties, page: Result) -> str:
    """What is said where a list goes on beyond what was read of it."""
    return f"Only the newest were looked at; {duties.listed.tool_name()} has all." if page["next"] else ""


def _native(item: Mapping[str, Any]) -> str:
    """The platform's own id of a thing."""
    return str(item["id"]).partition(":")[2]


def _argument(action: type[Any]) -> str:
    """The argument of a read that says what is read."""
    return next(name for name in action.model_fields if name.endswith("_id"))


def _side(contract: Item, me: set[object]) -> str | None:
    """Which side of a contract is oneself, None where the names leave it open."""
    sides = [side for side in ("seller", "buyer") if contract.get(side) in me]
    return sides[0] if len(sides) == 1 else None


def _instant(duty: Mapping[str, Any]) -> float:
    """When a duty is due, in seconds since 1970; those without a time come last."""
    due = seconds(duty.get("due") or "")
    return math.inf if due is None else due
