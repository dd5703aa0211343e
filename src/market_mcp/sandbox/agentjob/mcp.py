"""AgentJob's own tools over MCP: `POST /api/mcp`, JSON-RPC 2.0 over Streamable HTTP, with sessions or without.

Each tool is a REST call under another name; only `upvote_post` has no documented REST path.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from pydantic import BaseModel, ValidationError

from market_mcp.sandbox.agentjob import chats, posts
from market_mcp.sandbox.agentjob.models import (
    AddReply,
    GetPost,
    NewPost,
    PostQuery,
    RpcMessage,
    SubmitResponse,
    TaskWait,
    UpvotePost,
)
from market_mcp.sandbox.web import Call, Hold, Refusal, Reply

PROTOCOL_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")

METHOD_NOT_FOUND, INVALID_PARAMS, INVALID_REQUEST = -32601, -32602, -32600

SESSION_ID, VERSION = "mcp-session-id", "mcp-protocol-version"
"""The headers of a session: its id, and the protocol version that was agreed on."""

SESSION_LASTS = 1800.0
"""Seconds from the beginning of a session until it has expired."""


class Nothing(BaseModel):
    """No arguments."""


@dataclass(frozen=True, slots=True)
class Tool:
    """What a tool does, its arguments, the REST call behind it, and the argument that call has as path."""

    description: str
    arguments: type[BaseModel]
    handle: Callable[[Call], Reply | Hold]
    id_argument: str | None = None


TOOLS = {
    "list_posts": Tool("List posts of the task square", PostQuery, posts.list_posts),
    "get_post": Tool("Get a post and its replies", GetPost, posts.get_post, "id"),
    "create_post": Tool("Write a post", NewPost, posts.create_post),
    "add_reply": Tool("Reply to a post", AddReply, posts.add_reply, "post_id"),
    "upvote_post": Tool("Upvote a post", UpvotePost, posts.upvote, "post_id"),
    "get_next_task": Tool("Wait for the next chat task and claim it", TaskWait, chats.next_task),
    "submit_response": Tool("Answer a claimed chat task", SubmitResponse, chats.submit_response, "task_id"),
    "heartbeat": Tool("Say that the agent is online", Nothing, chats.heartbeat),
}


def serve(call: Call) -> Reply | Hold:
    """One JSON-RPC message; a notification is accepted without an answer."""
    message = call.sent(RpcMessage)
    reply = (_outside(call, message) if call.settings.mcp_sessions else None) or _answer(call, message)
    streamed = call.settings.mcp_events and isinstance(reply, Reply) and reply.status == 200
    return replace(reply, events=True) if streamed else reply


def end_sessions(db: sqlite3.Connection) -> None:
    """Every session has expired."""
    db.execute("DELETE FROM agentjob_mcp_sessions")


def _outside(call: Call, message: RpcMessage) -> Reply | None:
    """The refusal of a message that belongs to no session and does not open one; notes that a session is ready."""
    accepted = call.headers.get("accept", "")
    if "*/*" not in accepted and not ("application/json" in accepted and "text/event-stream" in accepted):
        return _error(message, INVALID_REQUEST, "Client must accept application/json and text/event-stream", 406)
    if message.method == "initialize":
        return None
    named = call.headers.get(SESSION_ID)
    if not named:
        return _error(message, INVALID_REQUEST, "Bad Request: Missing session ID", 400)
    session = call.db.execute(
        "SELECT * FROM agentjob_mcp_sessions WHERE id = ? AND agent_id = ? AND opened_at > ?",
        (named, call.agent, call.now - SESSION_LASTS),
    ).fetchone()
    if session is None:
        return _error(message, INVALID_REQUEST, "Session not found", 404)
    if call.headers.get(VERSION, PROTOCOL_VERSIONS[0]) not in PROTOCOL_VERSIONS:
        return _error(message, INVALID_REQUEST, "Bad Request: Unsupported protocol version", 400)
    if message.method == "notifications/initialized":
        call.db.execute("UPDATE agentjob_mcp_sessions SET ready = 1 WHERE id = ?", (named,))
    elif not session["ready"] and message.method != "ping":
        return _error(message, INVALID_REQUEST, "Bad Request: The session is not initialized", 400)
    return None


def _answer(call: Call, message: RpcMessage) -> Reply | Hold:
    if message.id is None:
        return Reply(None, 202)
    params = message.params or {}
    match message.method:
        case "initialize":
            welcome = _result(message, _welcome(params))
            return replace(welcome, headers={SESSION_ID: _opened(call)}) if call.settings.mcp_sessions else welcome
        case "ping":
            return _result(message, {})
        case "tools/list":
            return _result(message, {"tools": [_listed(name, tool) for name, tool in TOOLS.items()]})
        case "tools/call":
            return _call_tool(call, message, params)
        case _:
            return _error(message, METHOD_NOT_FOUND, "Method not found")


def unknown(body: Mapping[str, object]) -> Sequence[str]:
    """The arguments of a call of a tool that the tool does not take."""
    params = body.get("params")
    if body.get("method") != "tools/call" or not isinstance(params, dict):
        return ()
    called = cast("dict[str, object]", params)
    tool, arguments = TOOLS.get(str(called.get("name"))), called.get("arguments")
    if tool is None or not isinstance(arguments, dict):
        return ()
    given = cast("dict[str, object]", arguments)
    return [f"params.arguments.{name}" for name in given if name not in tool.arguments.model_fields]


def _call_tool(call: Call, message: RpcMessage, params: dict[str, object]) -> Reply | Hold:
    tool = TOOLS.get(str(params.get("name")))
    if tool is None:
        return _error(message, INVALID_PARAMS, "Unknown tool")
    try:
        arguments = tool.arguments.model_validate(params.get("arguments") or {})
        path = {} if tool.id_argument is None else {"id": getattr(arguments, tool.id_argument)}
        reply = tool.handle(replace(call, path=path, query=arguments, body=arguments))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return _content(message, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", is_error=True)
    except Refusal as refusal:
        return _content(message, refusal.error, is_error=True)
    if isinstance(reply, Hold):
        return reply
    # The envelope belongs to HTTP; a tool answers with what is in it.
    data = cast("dict[str, object]", reply.body)["data"]
    return _content(message, json.dumps(data, ensure_ascii=False), is_error=False)


def _opened(call: Call) -> str:
    """The id of a new session."""
    opened = call.store.new_id()
    call.db.execute("INSERT INTO agentjob_mcp_sessions VALUES (?, ?, 0, ?)", (opened, call.agent, call.now))
    return opened


def _welcome(params: dict[str, object]) -> dict[str, object]:
    asked = params.get("protocolVersion")
    return {
        "protocolVersion": asked if asked in PROTOCOL_VERSIONS else PROTOCOL_VERSIONS[0],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "agentjob", "version": "1.0.0"},
    }


def _listed(name: str, tool: Tool) -> dict[str, object]:
    return {"name": name, "description": tool.description, "inputSchema": tool.arguments.model_json_schema()}


def _content(message: RpcMessage, text: str, *, is_error: bool) -> Reply:
    return _result(message, {"content": [{"type": "text", "text": text}], "isError": is_error})


def _result(message: RpcMessage, result: dict[str, object]) -> Reply:
    return Reply({"jsonrpc": "2.0", "id": message.id, "result": result})


def _error(message: RpcMessage, code: int, text: str, status: int = 200) -> Reply:
    # What answers no request has an id all the same, as the official SDK's servers write it.
    number = "server-error" if message.id is None else message.id
    return Reply({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": text}}, status)
