"""One working life in which every tool is called, each with the arguments of its example and real ids."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from clocks import ManualClock
from market_mcp.actions import TOOLSETS, Action
from rig import Hand, Json, of

ACTIONS: dict[str, type[Action]] = {action.tool_name(): action for actions in TOOLSETS.values() for action in actions}
"""Every tool there is, by name."""


@dataclass
class Transcript:
    """What was called and what came of it, in order."""

    lines: list[tuple[str, Json, Json]] = field(default_factory=list[tuple[str, Json, Json]])

    def tools(self) -> set[str]:
        return {tool for tool, _, _ in self.lines}

    def plain(self) -> list[tuple[str, object, object]]:
        """The transcript without what differs between two worlds: ids by order of appearance, no times."""
        ids: dict[str, str] = {}
        return [(tool, _plain(arguments, ids), _plain(result, ids)) for tool, arguments, result in self.lines]


def _kind(item: Mapping[str, object]) -> tuple[str, str]:
    return str(item["what"]), str(item.get("title"))


_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-f]{40}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+(\.\d+)?Z")
_DIFFERS = frozenset({"sandbox", "live", "next_cursor"})
"""Whether a market is the embedded one, and what is opaque."""


def _plain(value: object, ids: dict[str, str]) -> object:
    if isinstance(value, str):
        return _TIME.sub("a time", _RANDOM.sub(lambda id: ids.setdefault(id[0], f"id {len(ids)}"), value))
    if isinstance(value, Mapping):
        given = cast("Mapping[str, object]", value)
        return {k: _plain(v, ids) for k, v in given.items() if k not in _DIFFERS}
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if items and isinstance(items[0], dict) and "what" in items[0]:
            # Several markets were asked at once, and the news stands as it came.
            items = sorted(items, key=_kind)
        return [_plain(inner, ids) for inner in items]
    return value


class Teller:
    """Calls tools by their examples and writes down what comes back."""

    def __init__(self, hand: Hand, clock: ManualClock, transcript: Transcript) -> None:
        self._hand = hand
        self._clock = clock
        self._transcript = transcript

    async def tell(self, tool: str, /, **ids: object) -> Json:
        """The tool's example, with these arguments in place of its own; None leaves one out."""
        given = {**ACTIONS[tool].example, **ids}
        arguments = {name: value for name, value in given.items() if value is not None}
        result = await self._hand.call(tool, **arguments)
        # No two calls are made at one instant; together they take less time than any interval.
        await self._clock.advance(0.01)
        self._transcript.lines.append((tool, arguments, result))
        return result


async def live(you: Hand, other: Hand, clock: ManualClock) -> Transcript:
    """The life of `you`, who works, and of `other`, who hires; `clock` is that of their servers.

    The robots of the markets have to act at once.
    """
    transcript = Transcript()
    a, b = Teller(you, clock, transcript), Teller(other, clock, transcript)
    await a.tell("list_markets")
    await a.tell("check_inbox")
    await _talk(a)
    await _earn_a_bounty(a)
    contract = await _agree(a, b)
    await _deliver(a, b, contract)
    await _chat(a)
    await _be_somebody(a)
    await a.tell("my_work")
    # What was answered before the news is held for a minute.
    await clock.advance(61)
    news = (await a.tell("check_inbox"))["changes"]
    notification = next(item["id"] for item in news if item["what"] == "bid_rejected")
    await a.tell("mark_notifications_read", notification_id=notification)
    await a.tell("mark_notifications_read")
    return transcript


async def _talk(a: Teller) -> None:
    await a.tell("list_posts")
    posts: list[Any] = (await a.tell("list_posts", limit=50))["posts"]
    polt, agentjob, opentask = (of(market, posts)[0]["id"] for market in ("polt", "agentjob", "opentask"))
    for post in (polt, agentjob, opentask):
        await a.tell("get_post", post_id=post)
        await a.tell("add_reply", post_id=post)
        await a.tell("get_post", post_id=post)
    await a.tell("create_post")
    await a.tell("upvote_post", post_id=polt)
    await a.tell("upvote_post", post_id=agentjob)
    await a.tell("downvote_post", post_id=polt)
    await a.tell("withdraw_vote", post_id=polt)


async def _earn_a_bounty(a: Teller) -> None:
    await a.tell("list_tasks")
    task = of("polt", (await a.tell("list_tasks", query=None, limit=50))["tasks"])[0]
    await a.tell("get_task", task_id=task["id"])
    await a.tell("list_tasks", query=None, project_id=task["project_id"])
    await a.tell("commit_task", task_id=task["id"])
    await a.tell("abandon_task", task_id=task["id"])
    await a.tell("commit_task", task_id=task["id"])
    await a.tell("my_work")
    await a.tell("submit_work", work_id=task["id"])
    assert (await a.tell("get_task", task_id=task["id"]))["task"]["status"] == "completed"


async def _agree(a: Teller, b: Teller) -> str:
    """Two tasks of the other: on the second a bid is haggled about and leads to a contract."""
    first = (await b.tell("create_task"))["task"]["id"]
    await a.tell("get_task", task_id=first)
    bid = (await a.tell("place_bid", task_id=first))["bid"]["id"]
    await a.tell("withdraw_bid", bid_id=bid)
    bid = (await a.tell("place_bid", task_id=first, price="440 USDC"))["bid"]["id"]
    await b.tell("reject_bid", bid_id=bid)

    second = (await b.tell("create_task", title="Test the API docs"))["task"]["id"]
    await b.tell("update_task", task_id=second)
    await a.tell("get_task", task_id=second)
    bid = (await a.tell("place_bid", task_id=second))["bid"]["id"]
    await a.tell("list_bids", status=None)
    await a.tell("list_bids")
    await a.tell("get_bid", bid_id=bid)
    await a.tell("send_message", contract_id=None, bid_id=bid)
    await b.tell("list_messages", contract_id=None, bid_id=bid)
    await b.tell("list_my_tasks")
    found = (await b.tell("list_task_bids", task_id=second))["bids"]
    assert bid in [one["id"] for one in found]

    offer = (await b.tell("create_counter_offer", bid_id=bid))["counter_offer"]["id"]
    await b.tell("withdraw_counter_offer", bid_id=bid, counter_offer_id=offer)
    offer = (await b.tell("create_counter_offer", bid_id=bid))["counter_offer"]["id"]
    await a.tell("respond_to_counter_offer", bid_id=bid, counter_offer_id=offer, decision="reject")
    offer = (await b.tell("create_counter_offer", bid_id=bid))["counter_offer"]["id"]
    await a.tell("list_counter_offers", bid_id=bid)
    await a.tell("my_work")
    await a.tell("respond_to_counter_offer", bid_id=bid, counter_offer_id=offer)

    seller = next(one for one in found if one["id"] == bid)["bidder_id"]
    methods = (await b.tell("get_profile", profile_id=seller))["profile"]["payout_methods"]
    method = str(methods[0]["id"])
    hired = await b.tell("hire_bidder", task_id=second, bid_id=bid, payout_method_id=method)
    # What my_work asked for just now is held for a minute, so it need not show the contract yet.
    await a.tell("list_contracts", role=None)
    await a.tell("list_contracts")
    return str(hired["contract"]["id"])


async def _deliver(a: Teller, b: Teller, contract: str) -> None:
    await a.tell("get_contract", contract_id=contract)
    await a.tell("send_message", contract_id=contract)
    await b.tell("list_messages", contract_id=contract)
    await a.tell("submit_work", work_id=contract)
    await b.tell("list_contracts", role="buyer")
    await b.tell("list_submissions", contract_id=contract)
    await b.tell("decide_submission", contract_id=contract, decision="reject", reason="A part is missing.")
    await a.tell("submit_work", work_id=contract)
    await b.tell("decide_submission", contract_id=contract)
    assert (await a.tell("get_contract", contract_id=contract))["contract"]["status"] == "accepted"
    await a.tell("leave_review", contract_id=contract)
    await b.tell("leave_review", contract_id=contract)
    await a.tell("list_reviews", profile_id=None, contract_id=contract)


async def _chat(a: Teller) -> None:
    chat = (await a.tell("get_next_task"))["chat"]
    await a.tell("submit_response", task_id=chat["task_id"])


async def _be_somebody(a: Teller) -> None:
    me = (await a.tell("verify_key", market="opentask"))["account"]["id"]
    await a.tell("verify_key")
    await a.tell("get_profile", profile_id=None, market="opentask")
    await a.tell("get_profile")
    agents = (await a.tell("list_agents"))["agents"]
    await a.tell("get_profile", profile_id=agents[0]["id"])
    await a.tell("update_profile")
    await a.tell("update_profile", market="opentask", display_name="Agent", links=["https://example.com"])
    await a.tell("list_contributions", profile_id="polt:sandbox_agent")
    await a.tell("get_leaderboard")
    await a.tell("list_reviews", profile_id=me)

    await a.tell("register_agent")
    email = "smith@example.com"
    await a.tell("register_agent", market="opentask", username="smith", email=email, bio=None, scopes=["tasks:read"])
    await a.tell("login")
    await a.tell("create_token")
    tokens = (await a.tell("list_tokens"))["tokens"]
    await a.tell("revoke_token", token_id=next(one["id"] for one in tokens if one["name"] == "reader"))
    key = (await a.tell("add_key"))["key"]["id"]
    await a.tell("list_keys")
    await a.tell("remove_key", key_id=key)
    method = (await a.tell("add_payout_method"))["payout_method"]["id"]
    await a.tell("list_payout_methods")
    await a.tell("update_payout_method", payout_method_id=method)
    await a.tell("remove_payout_method", payout_method_id=method)
