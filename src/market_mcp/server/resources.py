"""Single things of a market as resources: what the `get_*` tools read, at an address that a host can keep."""

from collections.abc import Awaitable, Callable

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp_types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference
from pydantic import ValidationError

from market_mcp.actions import Action
from market_mcp.actions.bidding import GetBid
from market_mcp.actions.board import GetPost
from market_mcp.actions.contracts import GetContract
from market_mcp.actions.work import GetTask
from market_mcp.bounds import compact, fit
from market_mcp.desk import Desk
from market_mcp.errors import BadCall, CallError, Refused
from market_mcp.scrub import scrub_text

THINGS: tuple[type[Action], ...] = (GetTask, GetPost, GetContract, GetBid)
"""The reads that are resources, too; each takes one id."""

MOST_VALUES = 100
"""Values in one completion, as the protocol limits them."""


def address(thing: type[Action]) -> str:
    """The template of a thing's URIs, such as `market://{market}/tasks/{id}`."""
    return f"market://{{market}}/{thing.noun}s/{{id}}"


def add_resources(server: MCPServer, desk: Desk) -> None:
    """Offers what some configured market can show, with completion of market names and of ids seen lately."""
    offered = {address(thing): thing for thing in THINGS if desk.accounts.supporting(thing)}
    for template, thing in offered.items():
        described = server.resource(
            template,
            name=thing.noun,
            title=thing.label,
            description=f"{thing.purpose()} The same as {thing.tool_name()} gives, as JSON.",
            mime_type="application/json",
        )
        described(_reader(desk, thing))

    @server.completion()
    async def complete(  # pyright: ignore[reportUnusedFunction] - the server calls it
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        thing = offered.get(ref.uri) if isinstance(ref, ResourceTemplateReference) else None
        if thing is None:
            return None
        chosen = (context.arguments or {}).get("market", "") if context else ""
        known = _markets(desk, thing) if argument.name == "market" else desk.accounts.recent(thing.noun, chosen)
        fitting = [value for value in known if value.startswith(argument.value)]
        most = MOST_VALUES
        return Completion(values=fitting[:most], total=len(fitting), has_more=len(fitting) > most)


def _markets(desk: Desk, thing: type[Action]) -> list[str]:
    return [account.name for account in desk.accounts.supporting(thing)]


def _reader(desk: Desk, thing: type[Action]) -> Callable[[str, str], Awaitable[str]]:
    """Reads one thing through the desk: by the same gate, scrubbed and bounded as a tool's result is."""

    async def read(market: str, id: str) -> str:
        try:
            action = thing.model_validate({f"{thing.noun}_id": f"{market}:{id}"})
            return compact(fit(await desk.perform(action)))
        except ValidationError:
            raise ResourceNotFoundError(f"That is not the id of a {thing.noun}.") from None
        except CallError as error:
            missing = isinstance(error, BadCall) or (isinstance(error, Refused) and error.status == 404)
            kind = ResourceNotFoundError if missing else ResourceError
            raise kind(scrub_text(error.as_text())) from None

    return read
