"""The pretend POLT: bounty tasks inside projects, one committer at a time, reviewed by the platform's CTO.

Rules and routes are those of the POLT skill. It shows a reply's shape only for register, commit and submit;
elsewhere a record stands under its own name (`{"task": …}`) and a list beside `page`, `limit` and `total`.
"""

from market_mcp.sandbox.polt.many import fill
from market_mcp.sandbox.polt.routes import ENDPOINTS, FORBIDDEN, market
from market_mcp.sandbox.polt.schema import BOOKKEEPING, SCHEMA
from market_mcp.sandbox.polt.seed import KEYS, seed
from market_mcp.sandbox.polt.tasks import act, review

__all__ = ["BOOKKEEPING", "ENDPOINTS", "FORBIDDEN", "KEYS", "SCHEMA", "act", "fill", "market", "review", "seed"]
