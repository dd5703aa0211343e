"""Turns actions into MCP tools: the one place that knows both.

The SDK's own `Tool.run` does what is common to all tools: resolvers, cancellation, masking of crashes. What is ours is
how arguments become one frozen action, how a result looks, and the words of a failure.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, cast

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import ValidationError

from market_mcp.accounts import Accounts
from market_mcp.actions import DEFAULT_TOOLSETS, Action, ListAction, actions_of
from market_mcp.errors import CallError
from market_mcp.server.words import Words
from market_mcp.services.dispatcher import Dispatcher
from market_mcp.text.sanitize import scrub
from market_mcp.text.truncate import MAX_RESULT, compact, fit

Ctx = Context[Any, Any]
Schema = dict[str, Any]


class ActionArguments(FuncMetadata):
    """Makes one action of the raw arguments."""

    action_type: type[Action]

    def validate_arguments(self, arguments_to_validate: dict[str, Any]) -> dict[str, Any]:
        # Some hosts send null for what was left out.
        given = {name: value for name, value in arguments_to_validate.items() if value is not None}
        return {"action": self.action_type.model_validate(given)}


class ActionTool(Tool):
    """One action as an MCP tool."""

    @classmethod
    def of(cls, action_type: type[Action], dispatcher: Dispatcher) -> "ActionTool":
        """The tool of an action, offering what the configured markets can do and nothing else."""

        words = Words.of(action_type, dispatcher.accounts)

        async def body(action: Action, context: Ctx) -> CallToolResult:
            async def progress(waited: float, total: float, what: str) -> None:
                await context.report_progress(waited, total, what)

            try:
                return _result(await dispatcher.perform(action, progress))
            except CallError as error:
                return _failure(error)

        return cls(
            fn=body,
            is_async=True,
            name=action_type.tool_name(),
            title=action_type.label,
            # It sends nobody to a tool that is not offered.
            description=dispatcher.hints.tell(words.description()),
            parameters=input_schema(words, dispatcher.accounts),
            fn_metadata=ActionArguments(
                arg_model=ArgModelBase, output_schema=output_schema(action_type), action_type=action_type
            ),
            context_kwarg="context",
            annotations=ToolAnnotations(
                title=action_type.label,
                read_only_hint=action_type.tier == "read",
                destructive_hint=action_type.destructive,
                idempotent_hint=action_type.idempotent,
                open_world_hint=True,
            ),
        )

    async def run(
        self, arguments: dict[str, Any], context: Ctx, convert_result: bool = False
    ) -> CallToolResult | InputRequiredResult:
        try:
            return await super().run(arguments, context, convert_result)
        except UnexpectedToolError:
            raise  # a crash of ours: its text stays in the log
        except ToolError as error:
            cause = error.__cause__
            raise ToolError(_explain(cause) if isinstance(cause, ValidationError) else str(error)) from cause


def chosen_actions(toolsets: Iterable[str], read_only: bool, accounts: Accounts) -> list[type[Action]]:
    """The actions that are wanted: of these toolsets, that some market supports, and only reads if so wished."""
    return [
        action
        for action in actions_of(set(toolsets) or DEFAULT_TOOLSETS)
        if (action.tier == "read" or not read_only) and (action.composed or accounts.supporting(action))
    ]


def offered_actions(toolsets: Iterable[str], read_only: bool, accounts: Accounts) -> list[type[Action]]:
    """Of the chosen actions those that some account can perform, as far as the scopes of the keys are known."""
    return [
        action for action in chosen_actions(toolsets, read_only, accounts) if action.composed or accounts.able(action)
    ]


def input_schema(words: Words, accounts: Accounts) -> Schema:
    """The arguments as JSON Schema, without what says nothing, and without what no configured market can use."""
    action = words.action
    schema = _full_schema(action)
    able = accounts.all() if action.composed else accounts.supporting(action)
    properties: dict[str, Schema] = {}
    for name, field in schema.get("properties", {}).items():
        if name == "market":
            if len(able) > 1:
                properties[name] = {"type": "string", "enum": [account.name for account in able]}
        elif (taken := words.argument(name, _lean(field))) is not None:
            properties[name] = taken
    result: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    demanded = schema.get("required", ())
    needed = [name for name in properties if name in demanded or words.required(name)]
    if needed:
        result["required"] = needed
    return result


@cache
def _full_schema(action: type[Action]) -> Schema:
    """The arguments as pydantic puts them: the same for every server, and what takes longest in making one."""
    return action.model_json_schema()


def output_schema(action: type[Action]) -> Schema:
    """Loose on purpose: a full schema costs every host tokens and validating clients milliseconds a call."""
    if not action.noun:
        return {"type": "object"}
    shape = {"type": "array"} if action.composed or issubclass(action, ListAction) else {"type": "object"}
    return {"type": "object", "properties": {action.noun: shape}}


def _lean(field: Schema) -> Schema:
    """A property without titles, and without the null that only says that it may be left out."""
    field = {name: value for name, value in field.items() if name not in {"title"}}
    options = [option for option in field.pop("anyOf", []) if option.get("type") != "null"]
    if options:
        # Of several spellings, such as number or decimal string, the first is enough for a model.
        field = {**options[0], **field}
    if field.get("default", 0) is None:
        del field["default"]
    return field


def _result(content: dict[str, Any]) -> CallToolResult:
    """Structured content and the same as text, since a host may show the model either."""
    text = compact(content)
    if len(text) > MAX_RESULT:
        content = fit(content)
        text = compact(content)
    return CallToolResult(content=[TextContent(text=text)], structured_content=content)


def _failure(error: CallError) -> CallToolResult:
    content = fit(cast("dict[str, Any]", scrub(error.as_result())))
    text = TextContent(text=str(scrub(error.as_text()))[:MAX_RESULT])
    return CallToolResult(content=[text], structured_content=content, is_error=True)


def _explain(error: ValidationError) -> str:
    """What is wrong with the arguments, without repeating their values."""
    lines: list[str] = []
    for detail in error.errors(include_url=False):
        given = f", given {len(detail['input'])}" if detail["type"] in {"string_too_long", "string_too_short"} else ""
        lines.append(f"{'.'.join(map(str, detail['loc'])) or 'arguments'}: {detail['msg']}{given}")
    return f"The arguments were refused and nothing was sent. {'; '.join(lines)}."
