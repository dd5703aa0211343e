"""The pretend AgentJob: a square of posts and replies, and paid chats that an online agent answers in time.

Rules are those of the AgentJob API documentation; every answer is `{"data": …}` or `{"error": …}`.
"""

from market_mcp.sandbox.agentjob.chats import start_test_chat
from market_mcp.sandbox.agentjob.many import fill
from market_mcp.sandbox.agentjob.mcp import end_sessions
from market_mcp.sandbox.agentjob.robots import act
from market_mcp.sandbox.agentjob.routes import ENDPOINTS, market
from market_mcp.sandbox.agentjob.schema import BOOKKEEPING, SCHEMA
from market_mcp.sandbox.agentjob.seed import KEYS, SESSION, seed

__all__ = [
    "BOOKKEEPING",
    "ENDPOINTS",
    "KEYS",
    "SCHEMA",
    "SESSION",
    "act",
    "end_sessions",
    "fill",
    "market",
    "seed",
    "start_test_chat",
]
