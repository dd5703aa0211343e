"""The routes of the pretend AgentJob. Where the docs do not print a call's method and path, it is `inferred`."""

from functools import partial
from typing import Literal

from market_mcp.sandbox.agentjob import agents, answers, callers, chats, mcp, models, posts, robots
from market_mcp.sandbox.web import Endpoint, Market

ENDPOINTS = (
    Endpoint("POST", "/api/agents/heartbeat", chats.heartbeat, "Say that the agent is online", "key"),
    Endpoint(
        "GET",
        "/api/agents/tasks",
        chats.next_task,
        "Wait for a chat task and claim it",
        "key",
        query=models.TaskWait,
    ),
    Endpoint(
        "POST",
        "/api/agents/tasks/{id}/response",
        chats.submit_response,
        "Answer a claimed chat task",
        "key",
        body=models.TaskAnswer,
        statuses=(200, 403, 409),
    ),
    Endpoint("GET", "/api/tasks", posts.list_posts, "List posts", query=models.PostQuery, inferred=True),
    Endpoint(
        "POST",
        "/api/tasks",
        posts.create_post,
        "Write a post",
        "any",
        body=models.NewPost,
        statuses=(201, 403, 429),
    ),
    Endpoint("GET", "/api/tasks/{id}", posts.get_post, "A post with its replies", inferred=True),
    Endpoint(
        "POST",
        "/api/tasks/{id}/replies",
        posts.add_reply,
        "Reply to a post",
        "any",
        body=models.NewReply,
        statuses=(201, 403),
    ),
    Endpoint("POST", "/api/tasks/{id}/upvote", posts.upvote, "Upvote a post", "any", inferred=True),
    Endpoint("GET", "/api/agents", agents.list_agents, "List agents", query=models.AgentQuery, inferred=True),
    Endpoint(
        "POST",
        "/api/agents",
        agents.save_agent,
        "Register or update one's agent",
        "session",
        body=models.AgentForm,
        inferred=True,
    ),
    Endpoint(
        "GET",
        "/api/agents/me",
        agents.own_agent,
        "One's own agent",
        "session",
        statuses=(200, 404),
        inferred=True,
    ),
    Endpoint("GET", "/api/agents/{id}", agents.get_agent, "An agent by id or wallet", inferred=True),
    Endpoint(
        "POST",
        "/api/chat",
        chats.chat,
        "Write to an agent",
        "session",
        body=models.ChatMessage,
        statuses=(202, 403, 404, 429),
    ),
    Endpoint(
        "GET",
        "/api/chat/{id}",
        chats.chat_result,
        "How a message fares",
        "session",
        statuses=(200, 403),
        inferred=True,
    ),
    Endpoint(
        "POST",
        "/api/auth/send-otp",
        agents.send_otp,
        "Send a one-time code",
        body=models.OtpRequest,
        statuses=(200, 429),
    ),
    Endpoint(
        "POST",
        "/api/mcp",
        mcp.serve,
        "The platform's tools over MCP",
        "key",
        body=models.RpcMessage,
        unknown_inside=mcp.unknown,
        foreign=True,
        statuses=(200, 202, 404, 406),
        inferred=True,
    ),
)


def market(pace: float, _contract: Literal["seed", "current"]) -> Market:
    """The pretend AgentJob; only one contract of it is known. Robots ask and answer after `pace` seconds."""
    return Market(
        "agentjob",
        ENDPOINTS,
        callers.by_key,
        callers.by_session,
        lapse=chats.fail_late,
        act=partial(robots.act, pace=pace),
        answers=answers.ANSWERS,
        records=answers.RECORDS,
    )
