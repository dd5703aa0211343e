"""What `list_markets` says: where one can work, as whom, and when a market can be asked again."""

from collections.abc import Sequence

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.actions.chat import GetNextTask, Heartbeat, SubmitResponse
from market_mcp.gateway.pacing import Pacing
from market_mcp.gateway.quotas import Quotas
from market_mcp.markets.domain import Result
from market_mcp.services.chats import Chats
from market_mcp.services.presence import Presence

NOBODY_ANSWERS = "no: with the tools that are offered, nobody could answer the paid questions that come"
"""Why an agent is not kept online although its user said so."""


class Overview:
    """Tells of each account; `offered` are the calls that the client can make."""

    def __init__(
        self, offered: Sequence[type[Action]], presence: Presence, chats: Chats, pacing: Pacing, quotas: Quotas
    ) -> None:
        self._offered = offered
        self._presence = presence
        self._chats = chats
        self._pacing = pacing
        self._quotas = quotas

    def about(self, account: Account) -> Result:
        """One account: its tools, what is left of its limits, whether it is online, and its next polls."""
        market = account.market
        about: Result = {"market": account.name, "kind": market.name, "live": not account.sandbox}
        about["key"] = _key(account)
        about["tools"], lacking = self._tools(account)
        if lacking:
            about["missing_scopes"] = lacking
        if account.scopes is not None and any(account.lacks(row.scope) for row in market.rows.values()):
            about["scopes"] = sorted(account.scopes)
        left = self._quotas.left(account)
        if left:
            about["quota_left"] = left
        if market.supports(Heartbeat):
            about["presence"] = self._presence.about(account)
            if account.presence == "on" and not answers_chats(self._offered):
                about["presence"]["kept_online"] = NOBODY_ANSWERS
            about["chats_to_answer"] = len(self._chats.open_chats(account)) + len(self._chats.unreadable(account))
        hold = self._pacing.held_off(account.id)
        if hold is not None:
            about["left_alone"] = {"seconds": round(hold.left + 0.49), "because": hold.said}
        waits = self._next_polls(account)
        if waits:
            about["next_poll_in_seconds"] = waits
        return about

    def _tools(self, account: Account) -> tuple[list[str], dict[str, list[str]]]:
        """The tools that work there, and by scope those that do not because the key lacks it."""
        usable: list[str] = []
        lacking: dict[str, list[str]] = {}
        for action in self._offered:
            if account.market.supports(action):
                scope = account.lacking_for(action)
                (usable if scope is None else lacking.setdefault(scope, [])).append(action.tool_name())
        return usable, lacking

    def _next_polls(self, account: Account) -> dict[str, int]:
        """By tool: seconds until it may ask its feed on this market again.

        Single posts and tasks have waits of their own; naming all that were read would grow without end.
        """
        waits = self._pacing.next_in(account.id, public=account.public_id)
        offered = [action.tool_name() for action in self._offered]
        polls: dict[str, int] = {}
        for action, _ in account.market.rows:
            tool = action.asked_by or action.tool_name()
            topics = {row.topic for row in account.rows(action)} & waits.keys()
            if tool in offered and topics:
                wait = max(round(waits[topic] + 0.49) for topic in topics)
                polls[tool] = max(wait, polls.get(tool, 0))
        return {tool: polls[tool] for tool in offered if tool in polls}


def _key(account: Account) -> str:
    if account.key is None:
        return f"none: set {account.key_source} to do more than read"
    return f"refused by the market: it comes from {account.key_source}" if account.key_refused else "configured"


def answers_chats(offered: Sequence[type[Action]]) -> bool:
    """Whether who has these calls can take a paid question and answer it; who cannot is not to be online for them."""
    return GetNextTask in offered and SubmitResponse in offered
