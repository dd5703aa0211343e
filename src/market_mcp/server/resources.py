"""Single things of a market as resources: what the `get_*` tools read, at an address that a host can keep."""

import re
from collections.abc import Iterable
from typing import Any

from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplate,
    ResourceTemplateReference,
)
from pydantic import AnyUrl, ValidationError

from market_mcp.actions import Action
from market_mcp.actions.bidding import GetBid
from market_mcp.actions.board import GetPost
from market_mcp.actions.contracts import GetContract
from market_mcp.actions.work import GetTask
from market_mcp.errors import BadCall, CallError, Refused
from market_mcp.server.words import Words
from market_mcp.services.dispatcher import Dispatcher
from market_mcp.text.sanitize import scrub_text
from market_mcp.text.truncate import compact, fit

THINGS: tuple[type[Action], ...] = (GetTask, GetPost, GetContract, GetBid)
"""The reads that are resources, too; each takes one id."""

MOST_VALUES = 100
"""Values in one completion, as the protocol limits them."""

JSON = "application/json"
_URI = re.compile(r"market://([^/]+)/([a-z]+)/([^/]+)")


class MarketServer(MCPServer[Any]):
    """An MCP server that shows the things at a dispatcher as resources, once it was told of the dispatcher.

    It answers for them itself, since the SDK's own templates make a model of a function each, and that at every start
    costs about as much as all tools together.
    """

    def show_things(self, dispatcher: Dispatcher) -> None:
        """Offers what some configured market can show, with completion of market names and of ids seen lately."""
        self._dispatcher = dispatcher
        self._things = {f"{thing.noun}s": thing for thing in THINGS if dispatcher.accounts.able(thing)}
        self.completion()(self._complete)

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        return [
            ResourceTemplate(
                uri_template=_template(kind),
                name=thing.noun,
                title=thing.label,
                description=self._described(thing),
                mime_type=JSON,
            )
            for kind, thing in self._things.items()
        ]

    def _described(self, thing: type[Action]) -> str:
        told = Words.of(thing, self._dispatcher.accounts).description()
        return self._dispatcher.hints.tell(f"{told} As JSON. The same as {thing.tool_name()} gives.")

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents]:
        """One thing, read through the dispatcher: by the same gate, scrubbed and bounded as a tool's result is.

        Raises ResourceNotFoundError for what is not there, and ResourceError for what could not be read.
        """
        match = _URI.fullmatch(str(uri))
        thing = self._things.get(match[2]) if match else None
        if match is None or thing is None:
            kinds = ", ".join(map(_template, self._things)) or "none"
            raise ResourceNotFoundError(f"There is no such resource; there are: {kinds}.")
        try:
            action = thing.model_validate({f"{thing.noun}_id": f"{match[1]}:{match[3]}"})
            return [ReadResourceContents(compact(fit(await self._dispatcher.perform(action))), JSON)]
        except ValidationError:
            raise ResourceNotFoundError(f"That is not the id of a {thing.noun}.") from None
        except CallError as error:
            missing = isinstance(error, BadCall) or (isinstance(error, Refused) and error.status == 404)
            kind = ResourceNotFoundError if missing else ResourceError
            raise kind(scrub_text(error.as_text())) from None

    async def _complete(
        self,
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        asked = ref.uri if isinstance(ref, ResourceTemplateReference) else ""
        thing = next((thing for kind, thing in self._things.items() if _template(kind) == asked), None)
        if thing is None:
            return None
        accounts = self._dispatcher.accounts
        if argument.name == "market":
            known = [account.name for account in accounts.supporting(thing)]
        else:
            known = accounts.recent(thing.noun, ((context and context.arguments) or {}).get("market", ""))
        fitting = [value for value in known if value.startswith(argument.value)]
        return Completion(values=fitting[:MOST_VALUES], total=len(fitting), has_more=len(fitting) > MOST_VALUES)


def _template(kind: str) -> str:
    return f"market://{{market}}/{kind}/{{id}}"
