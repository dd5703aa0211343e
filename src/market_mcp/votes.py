"""Votes on a market where the same vote a second time takes the first away (POLT skill, Voting on Projects).

What was voted is remembered and never sent again. Where nothing is remembered, say after a vote from another machine,
the reply tells whether a vote was taken away, and then it is given once more.
"""

from market_mcp.accounts import Account
from market_mcp.actions import Action
from market_mcp.errors import BadCall, CallError, OutcomeUnknown, Refused
from market_mcp.gateway import Gateway, Result
from market_mcp.markets import TAKE_BACK, Row
from market_mcp.state import State


class Votes:
    """Casts votes so that none is ever taken away by accident, and takes back what was cast here."""

    def __init__(self, gateway: Gateway, state: State) -> None:
        self._gateway = gateway
        self._state = state

    async def cast(self, account: Account, row: Row, action: Action, post_id: str) -> Result:
        """Leaves exactly one vote of the row's value on the post, or none. Raises CallError."""
        if row.toggle == TAKE_BACK:
            return await self._take_back(account, row, action, post_id)
        if self._remembered(account, post_id) == row.toggle:
            message = "You had voted so already; nothing was sent, because a second vote would take the first away."
            return self._gateway.framed(account, {"your_vote": row.toggle, "already": True, "message": message})
        try:
            result = await self._gateway.write(account, row, action)
            if result["value"] == 0:
                result = await self._gateway.write(account, row, action)
        except OutcomeUnknown as error:
            # A second try could undo the first, so as far as we are concerned it was cast.
            self._remember(account, post_id, row.toggle)
            error.next = "It is not sent again, since that could take the vote away; look at the post later."
            raise
        self._remember(account, post_id, row.toggle)
        content = {"your_vote": row.toggle, "votes": result["votes"], "message": result["message"] or "Voted."}
        return self._gateway.framed(account, {k: v for k, v in content.items() if v is not None})

    async def _take_back(self, account: Account, row: Row, action: Action, post_id: str) -> Result:
        standing = self._remembered(account, post_id)
        if not standing:
            raise BadCall("No vote on that post was cast through this server, so there is none to take back safely.")
        # Remembered as gone before it is sent: should the answer be lost, a second try could vote again.
        self._remember(account, post_id, 0)
        try:
            result = await self._gateway.write(account, row, action, standing)
        except CallError as error:
            if not isinstance(error, OutcomeUnknown):
                self._remember(account, post_id, standing)
            raise
        if result["value"] not in (None, 0):
            self._remember(account, post_id, standing)
            raise Refused("The vote had been taken back before; it stands again now.", status=409)
        return self._gateway.framed(account, {"your_vote": 0, "message": result["message"] or "Vote withdrawn."})

    def _remembered(self, account: Account, post_id: str) -> int | None:
        with self._state.transaction() as db:
            row = db.execute("SELECT value FROM vote WHERE account=? AND post=?", (account.id, post_id)).fetchone()
        return None if row is None else int(row["value"])

    def _remember(self, account: Account, post_id: str, value: int) -> None:
        with self._state.transaction(durable=True) as db:
            db.execute(
                "INSERT INTO vote VALUES (?,?,?) ON CONFLICT(account, post) DO UPDATE SET value=excluded.value",
                (account.id, post_id, value),
            )
